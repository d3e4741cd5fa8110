package udpopt

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// headerLen is the length of a UDP header in bytes.
const headerLen = 8

// ocsLen is the length of the option checksum in bytes.
const ocsLen = 2

// maxPayload is the largest IP payload that a length field can name.
const maxPayload = 65535

// Datagram is the payload of an IP packet that carries UDP, taken apart. The
// slices alias the parsed buffer.
type Datagram struct {
	SrcPort, DstPort uint16
	Length           uint16 // UDP Length: header and user data, in bytes
	Checksum         uint16 // 0: the sender computed none
	UserData         []byte
	Surplus          []byte // what the IP packet holds beyond UDP Length; empty: no options
}

// LengthError reports a UDP Length outside 8 to the length of the IP payload.
// Such a packet is dropped (RFC 9868 section 10).
type LengthError struct {
	Length  int // the UDP Length field; -1 if there was no room for a header
	Payload int // bytes of IP payload
}

func (e *LengthError) Error() string {
	if e.Length < 0 {
		return fmt.Sprintf("udpopt: IP payload of %d bytes, want at least %d for a UDP header", e.Payload, headerLen)
	}
	return fmt.Sprintf("udpopt: UDP Length is %d, want %d to %d (the IP payload)", e.Length, headerLen, e.Payload)
}

// ParseDatagram splits the payload of an IP packet into UDP header, user data
// and surplus area (RFC 9868 section 7). It checks lengths only; Receive also
// verifies checksums. The error is a *LengthError. It does not allocate, unless
// it fails.
func ParseDatagram(payload []byte) (Datagram, error) {
	if len(payload) < headerLen {
		return Datagram{}, &LengthError{Length: -1, Payload: len(payload)}
	}
	d := Datagram{
		SrcPort:  binary.BigEndian.Uint16(payload[0:]),
		DstPort:  binary.BigEndian.Uint16(payload[2:]),
		Length:   binary.BigEndian.Uint16(payload[4:]),
		Checksum: binary.BigEndian.Uint16(payload[6:]),
	}
	n := int(d.Length)
	if n < headerLen || n > len(payload) {
		return Datagram{}, &LengthError{Length: n, Payload: len(payload)}
	}
	d.UserData = payload[headerLen:n:n]
	d.Surplus = payload[n:]
	return d, nil
}

// SizeError reports a datagram that can't have the size wanted.
type SizeError struct {
	Size int // bytes of IP payload wanted
	Min  int // bytes needed
	Max  int // bytes possible
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("udpopt: size is %d, want %d to %d bytes of IP payload", e.Size, e.Min, e.Max)
}

// AppendDatagram appends the payload of an IP packet: UDP header, user data and,
// if there are options or a size to be filled, a surplus area: an alignment
// byte where the data ends at an odd offset, OCS, the options, and then EOL and
// zero bytes up to size.
//
//	src, dst  addresses of one family, and ports
//	data      user data
//	options   encoded options without EOL, as the Append functions make them
//	size      bytes of IP payload; 0: as much as needed
//
// UDP Length covers header and user data only; the UDP checksum and the OCS are
// computed. A surplus area that the options fill exactly needs no EOL
// (section 11.1). The error is a *SizeError, or says what is wrong with the
// addresses; b is then returned unchanged. No allocation if b has room.
func AppendDatagram(b []byte, src, dst netip.AddrPort, data, options []byte, size int) ([]byte, error) {
	from, to := src.Addr().Unmap(), dst.Addr().Unmap()
	if !from.IsValid() || !to.IsValid() || from.Is4() != to.Is4() {
		return b, fmt.Errorf("udpopt: addresses are %v and %v, want two of one family", src.Addr(), dst.Addr())
	}
	length := headerLen + len(data)
	need := length
	if len(options) > 0 || size > need {
		need += length&1 + ocsLen + len(options)
	}
	if size == 0 {
		size = need
	}
	if size < need || size > maxPayload {
		return b, &SizeError{Size: size, Min: need, Max: maxPayload}
	}
	at := len(b)
	b = append(b, make([]byte, headerLen)...)
	b = append(b, data...)
	h := b[at:]
	binary.BigEndian.PutUint16(h[0:], src.Port())
	binary.BigEndian.PutUint16(h[2:], dst.Port())
	binary.BigEndian.PutUint16(h[4:], uint16(length))
	binary.BigEndian.PutUint16(h[6:], udpChecksum(from, to, h))
	if need == length {
		return b, nil
	}
	b = append(b, zeros[:length&1+ocsLen]...)
	b = append(b, options...)
	// EOL is zero too, so it and the padding are the same bytes.
	b = appendZeros(b, size-need)
	SetOCS(b[at+length:], length)
	return b, nil
}

var zeros [256]byte

func appendZeros(b []byte, n int) []byte {
	for n > len(zeros) {
		b = append(b, zeros[:]...)
		n -= len(zeros)
	}
	return append(b, zeros[:n]...)
}
