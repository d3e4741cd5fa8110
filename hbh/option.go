package hbh

import (
	"encoding/binary"
	"errors"
	"strconv"

	"pathmtu/internal/ip6"
)

// Wire constants (RFC 9268 section 5).
const (
	Type      = 0x30 // act 00: skip if unknown; chg 1: may change en route
	DataLen   = 4    // Opt Data Len
	HeaderLen = 8    // bytes of a Hop-by-Hop header that holds the option alone
	MaxMin    = 0xffff
	MaxRtn    = 0xfffe // Rtn-PMTU has no lowest bit
)

// Errors of the codec.
var (
	ErrLength    = errors.New("hbh: Opt Data Len is not 4")
	ErrType      = errors.New("hbh: option type is not 0x30")
	ErrPlacement = errors.New("hbh: option 0x30 outside a Hop-by-Hop Options header")
)

// Option is the Minimum Path MTU option. Sizes are whole IPv6 packets in bytes.
type Option struct {
	Min uint16 // Min-PMTU: smallest link MTU met so far
	Rtn uint16 // Rtn-PMTU: Min-PMTU last received the other way, even; 0: nothing reported
	R   bool   // the sender asks to be told what arrives
}

// Parse decodes the data of an option of type 0x30, without its type and
// length bytes. Every value is accepted; only the length can be wrong.
func Parse(data []byte) (Option, error) {
	if len(data) != DataLen {
		return Option{}, ErrLength
	}
	last := binary.BigEndian.Uint16(data[2:])
	return Option{Min: binary.BigEndian.Uint16(data), Rtn: last &^ 1, R: last&1 != 0}, nil
}

// FromOption decodes o, found in an extension header of type header, and
// checks the placement: the option belongs into a Hop-by-Hop Options header.
func FromOption(header uint8, o ip6.Option) (Option, error) {
	if o.Type != Type {
		return Option{}, ErrType
	}
	if header != ip6.ProtoHopByHop {
		return Option{}, ErrPlacement
	}
	return Parse(o.Data)
}

// AppendData appends the four bytes of option data. The lowest bit of Rtn is
// lost: an odd MTU is reported one lower (RFC 9268 section 5).
func (o Option) AppendData(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, o.Min)
	last := o.Rtn &^ 1
	if o.R {
		last |= 1
	}
	return binary.BigEndian.AppendUint16(b, last)
}

// AppendTo appends the whole option, 6 bytes.
func (o Option) AppendTo(b []byte) []byte {
	return o.AppendData(append(b, Type, DataLen))
}

// AppendHeader appends a Hop-by-Hop Options header of 8 bytes that holds the
// option alone; next is the Next Header value that it carries.
func (o Option) AppendHeader(b []byte, next uint8) []byte {
	return o.AppendTo(append(b, next, 0))
}

// Spec is the option for ip6.AppendOptionsHeader, its data in buf. RFC 9268
// states no alignment; 2n keeps its 16-bit fields aligned.
func (o Option) Spec(buf *[DataLen]byte) ip6.OptionSpec {
	return ip6.OptionSpec{Type: Type, Align: ip6.Align{N: 2}, Data: o.AppendData(buf[:0])}
}

func (o Option) String() string {
	s := "Min-PMTU " + strconv.Itoa(int(o.Min)) + ", Rtn-PMTU " + strconv.Itoa(int(o.Rtn))
	if o.R {
		s += ", R"
	}
	return s
}

// ClampMin is the Min-PMTU that states a link MTU of mtu bytes: 0..65535.
func ClampMin(mtu int) uint16 { return uint16(max(0, min(mtu, MaxMin))) }
