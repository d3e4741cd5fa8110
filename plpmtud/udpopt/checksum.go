package udpopt

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"net/netip"
)

const protoUDP = 17

// sum16 adds b to a running one's complement sum (RFC 1071). b starts at an
// even offset of what is summed; an odd last byte is followed by a zero.
func sum16(acc uint64, b []byte) uint64 {
	var carry uint64
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	acc, carry = bits.Add64(acc, carry, 0)
	acc += carry
	var tail uint64
	for len(b) >= 2 {
		tail += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		tail += uint64(b[0]) << 8
	}
	acc, carry = bits.Add64(acc, tail, 0)
	return acc + carry
}

// fold16 reduces a running sum to 16 bits.
func fold16(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc)
}

// surplusSum is the one's complement sum over a surplus area and its length.
// pad is 1 if the area starts at an odd offset of the IP datagram, else 0: the
// words summed are those of the IP datagram, so the pad byte is the low half of
// a word whose other half lies in the user data, and it is zero (section 8).
func surplusSum(surplus []byte, pad int) uint16 {
	return fold16(sum16(uint64(len(surplus)), surplus[pad:]))
}

// SetOCS computes the option checksum of a surplus area and writes it (RFC 9868
// section 9): the Internet checksum over the area and over its length as a
// 16-bit number. start is the offset of the area in the IP payload, in bytes;
// only its lowest bit matters. A result of zero is written as 0xffff, since
// zero says that there is no OCS. It panics if the area has no room for an OCS:
// 2 bytes, 3 at an odd start.
//
// The effect, and the reason for the length, is that the one's complement sum
// over a whole IP payload equals that over the UDP datagram alone: middleboxes
// that get the length wrong still find a good UDP checksum (section 9).
func SetOCS(surplus []byte, start int) {
	at := start & 1
	surplus[at], surplus[at+1] = 0, 0
	ocs := ^surplusSum(surplus, at)
	if ocs == 0 {
		ocs = 0xffff
	}
	binary.BigEndian.PutUint16(surplus[at:], ocs)
}

// udpChecksum returns what the UDP checksum field of a datagram has to hold:
// over the pseudo-header, UDP header and user data, never over the surplus area
// (RFC 768, RFC 9868 section 7). datagram is the UDP header and the user data;
// its checksum field is left out of the sum.
func udpChecksum(src, dst netip.Addr, datagram []byte) uint16 {
	acc := pseudoSum(src, dst, len(datagram))
	acc = sum16(acc, datagram[:6])
	c := ^fold16(sum16(acc, datagram[headerLen:]))
	if c == 0 {
		return 0xffff
	}
	return c
}

// pseudoSum sums the pseudo-header. Addresses are in one family, unmapped.
func pseudoSum(src, dst netip.Addr, length int) uint64 {
	acc := uint64(protoUDP) + uint64(length)
	if src.Is4() {
		a, b := src.As4(), dst.As4()
		return sum16(sum16(acc, a[:]), b[:])
	}
	a, b := src.As16(), dst.As16()
	return sum16(sum16(acc, a[:]), b[:])
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// PayloadChecksum returns the CRC-32C of user data that an APC option carries
// (section 11.3).
func PayloadChecksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }
