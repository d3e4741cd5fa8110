package ip6

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Sum is a running ones-complement sum (RFC 1071) of 16-bit words in network
// order. The zero value is the empty sum.
type Sum uint64

// Add adds the bytes of b, as if b started at an even offset; an odd last byte
// is padded with zero.
func (s Sum) Add(b []byte) Sum {
	acc := uint64(s)
	var carry uint64
	for len(b) >= 32 {
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b), carry)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b[8:]), carry)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b[16:]), carry)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	if len(b) > 0 {
		var t [8]byte
		copy(t[:], b)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(t[:]), carry)
	}
	acc, carry = bits.Add64(acc, 0, carry)
	return Sum(acc + carry)
}

// AddOdd adds the bytes of b, as if b started at an odd offset.
func (s Sum) AddOdd(b []byte) Sum {
	if len(b) == 0 {
		return s
	}
	return s.Word(uint16(b[0])).Add(b[1:])
}

// Word adds one 16-bit word.
func (s Sum) Word(w uint16) Sum {
	v, carry := bits.Add64(uint64(s), uint64(w), 0)
	return Sum(v + carry)
}

// Long adds a 32-bit value.
func (s Sum) Long(v uint32) Sum { return s.Word(uint16(v >> 16)).Word(uint16(v)) }

// Fold is the sum as 16 bits, end-around carries added.
func (s Sum) Fold() uint16 {
	v := uint64(s)
	v = v>>32 + v&0xffffffff
	v = v>>32 + v&0xffffffff
	v = v>>16 + v&0xffff
	v = v>>16 + v&0xffff
	v = v>>16 + v&0xffff
	return uint16(v)
}

// Checksum is the ones-complement of the sum: what a checksum field holds.
func (s Sum) Checksum() uint16 { return ^s.Fold() }

// PseudoHeader is the sum over the IPv6 pseudo-header (RFC 8200 section 8.1);
// n is the Upper-Layer Packet Length in bytes.
func PseudoHeader(src, dst netip.Addr, n int, proto uint8) Sum {
	a, b := src.As16(), dst.As16()
	return Sum(0).Add(a[:]).Add(b[:]).Long(uint32(n)).Word(uint16(proto))
}

// canonical is the checksum in the one of its two forms, 0 and 0xffff, that a
// sum over the whole packet gives: a pseudo-header is never all zero.
func (s Sum) canonical() uint16 {
	if ck := s.Checksum(); ck != 0xffff {
		return ck
	}
	return 0
}

// AdjustChecksum is the checksum ck after one 16-bit word that it covers went
// from old to new (RFC 1624 equation 3). A result of 0 must be sent as 0xffff
// by UDP.
func AdjustChecksum(ck, old, new uint16) uint16 {
	return Sum(0).Word(^ck).Word(^old).Word(new).canonical()
}

// TruncatedChecksum is the checksum ck of an upper-layer packet after its tail
// was cut off: removed is the tail, at is the offset in the upper-layer packet
// where it started, and so the new length. lengths counts how many covered
// 16-bit or 32-bit length fields shrink by len(removed): 1 for the
// pseudo-header's, 2 when the UDP Length field is rewritten too. A result of 0
// must be sent as 0xffff by UDP.
func TruncatedChecksum(ck uint16, removed []byte, at, lengths int) uint16 {
	var tail Sum
	if at%2 == 0 {
		tail = tail.Add(removed)
	} else {
		tail = tail.AddOdd(removed)
	}
	s := Sum(0).Word(^ck).Word(^tail.Fold())
	cut := Sum(0).Long(uint32(len(removed))).Fold()
	for range lengths {
		s = s.Word(^cut)
	}
	return s.canonical()
}
