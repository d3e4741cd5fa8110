package ip6

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Errors of Parse and ParseQuote. They are fixed values, so that refusing a
// packet costs no allocation.
var (
	ErrShort   = errors.New("ip6: fewer than 40 bytes: no IPv6 header")
	ErrVersion = errors.New("ip6: version field is not 6")
	ErrLength  = errors.New("ip6: payload length is larger than the bytes at hand")
)

// Packet is a view of one IPv6 packet, starting at its fixed header
// (RFC 8200 section 3).
//
//	|Ver 4| Traffic Class 8 |          Flow Label 20           |
//	|    Payload Length 16      | Next Header 8 | Hop Limit 8  |
//	|                 Source Address 128                       |
//	|               Destination Address 128                    |
type Packet []byte

// Parse checks b once and returns the packet in it, without any bytes that
// follow its payload (link-layer padding). The packet aliases b, and its
// capacity ends where it ends.
func Parse(b []byte) (Packet, error) {
	if err := checkFixed(b); err != nil {
		return nil, err
	}
	n := HeaderLen + int(binary.BigEndian.Uint16(b[4:6]))
	if n > len(b) {
		return nil, ErrLength
	}
	return Packet(b[:n:n]), nil
}

// ParseQuote is Parse for the start of a packet, as quoted by an ICMPv6 error:
// the payload may be cut off. TotalLen is then larger than len.
func ParseQuote(b []byte) (Packet, error) {
	if err := checkFixed(b); err != nil {
		return nil, err
	}
	n := min(HeaderLen+int(binary.BigEndian.Uint16(b[4:6])), len(b))
	return Packet(b[:n:n]), nil
}

func checkFixed(b []byte) error {
	if len(b) < HeaderLen {
		return ErrShort
	}
	if b[0]>>4 != 6 {
		return ErrVersion
	}
	return nil
}

// TrafficClass is the 8-bit traffic class: DSCP and ECN.
func (p Packet) TrafficClass() uint8 { return p[0]<<4 | p[1]>>4 }

// FlowLabel is the 20-bit flow label.
func (p Packet) FlowLabel() uint32 { return binary.BigEndian.Uint32(p[0:4]) & 0xfffff }

// PayloadLen is the Payload Length field: bytes after the fixed header.
func (p Packet) PayloadLen() int { return int(binary.BigEndian.Uint16(p[4:6])) }

// TotalLen is the packet's length as its header states it, in bytes. It equals
// len(p) unless p is a quote.
func (p Packet) TotalLen() int { return HeaderLen + p.PayloadLen() }

// NextHeader is the Next Header field of the fixed header.
func (p Packet) NextHeader() uint8 { return p[6] }

// HopLimit is the Hop Limit field.
func (p Packet) HopLimit() uint8 { return p[7] }

// Src is the source address; it carries no zone.
func (p Packet) Src() netip.Addr { return netip.AddrFrom16([16]byte(p[8:24])) }

// Dst is the destination address as the fixed header has it; see FinalDst for
// packets with a Routing header.
func (p Packet) Dst() netip.Addr { return netip.AddrFrom16([16]byte(p[24:40])) }

// Payload is all that follows the fixed header.
func (p Packet) Payload() []byte { return p[HeaderLen:] }

// SetTrafficClass sets the traffic class.
func (p Packet) SetTrafficClass(c uint8) {
	p[0] = p[0]&0xf0 | c>>4
	p[1] = p[1]&0x0f | c<<4
}

// SetFlowLabel sets the flow label to the low 20 bits of l.
func (p Packet) SetFlowLabel(l uint32) {
	v := binary.BigEndian.Uint32(p[0:4])
	binary.BigEndian.PutUint32(p[0:4], v&^0xfffff|l&0xfffff)
}

// SetHopLimit sets the hop limit. It is in no checksum.
func (p Packet) SetHopLimit(h uint8) { p[7] = h }

// SetSrc sets the source address; a transport checksum is not touched.
func (p Packet) SetSrc(a netip.Addr) { b := a.As16(); copy(p[8:24], b[:]) }

// SetDst sets the destination address; a transport checksum is not touched.
func (p Packet) SetDst(a netip.Addr) { b := a.As16(); copy(p[24:40], b[:]) }

// Cut returns the first n bytes of p as a packet with its Payload Length set
// to match. It changes p's header. n outside 40..len(p) is clamped.
func (p Packet) Cut(n int) Packet {
	n = max(HeaderLen, min(n, len(p)))
	q := p[:n:n]
	binary.BigEndian.PutUint16(q[4:6], uint16(min(n-HeaderLen, 0xffff)))
	return q
}

// Fields are the values of a fixed header, for AppendHeader.
type Fields struct {
	TrafficClass uint8
	FlowLabel    uint32 // low 20 bits
	NextHeader   uint8
	HopLimit     uint8
	Src, Dst     netip.Addr
}

// AppendHeader appends a fixed IPv6 header with the given Payload Length in
// bytes (0..65535; only the low 16 bits are kept). Addresses that are not
// valid become the unspecified address.
func AppendHeader(b []byte, f Fields, payloadLen int) []byte {
	b = binary.BigEndian.AppendUint32(b, 6<<28|uint32(f.TrafficClass)<<20|f.FlowLabel&0xfffff)
	b = binary.BigEndian.AppendUint16(b, uint16(payloadLen))
	b = append(b, f.NextHeader, f.HopLimit)
	b = appendAddr(b, f.Src)
	return appendAddr(b, f.Dst)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	var raw [16]byte
	if a.IsValid() {
		raw = a.As16()
	}
	return append(b, raw[:]...)
}
