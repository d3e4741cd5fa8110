package ip6

import (
	"encoding/binary"
	"net/netip"
)

// UpperHeaderLen is the length in bytes of the upper-layer header at the start
// of b, as far as this package knows the protocol: what a node must see to
// recognise the flow. Protocols that it does not know count as 8 bytes. ok is
// false when b is shorter than that, or the header's own length field is wrong.
func UpperHeaderLen(proto uint8, b []byte) (n int, ok bool) {
	switch proto {
	case ProtoNoNext:
		return 0, true
	case ProtoTCP:
		if len(b) < 20 {
			return 20, false
		}
		n = int(b[12]>>4) * 4
		return n, n >= 20 && n <= len(b)
	case ProtoSCTP:
		return 12, len(b) >= 12
	case ProtoIPv6:
		return HeaderLen, len(b) >= HeaderLen
	}
	return 8, len(b) >= 8
}

// ChecksumOffset is where the 16-bit internet checksum stands in the
// upper-layer header. ok is false for a protocol that has none, or that this
// package does not know.
func ChecksumOffset(proto uint8) (off int, ok bool) {
	switch proto {
	case ProtoTCP:
		return 16, true
	case ProtoUDP:
		return 6, true
	case ProtoICMPv6:
		return 2, true
	}
	return 0, false
}

// FinalDst is the destination that the upper-layer checksum covers: the last
// address of a Routing header of type 0, 2 or 4 (RFC 8754) that has segments
// left, else the destination of the fixed header (RFC 8200 section 8.1). ok is
// false for other types with segments left, and for malformed ones.
func (p Packet) FinalDst(lim Limits) (dst netip.Addr, ok bool) {
	dst = p.Dst()
	w := p.Walk(lim)
	for h, more := w.Next(); more; h, more = w.Next() {
		if h.Type != ProtoRouting {
			continue
		}
		b := h.Bytes() // at least 8: next, len, type, segments left, 4 of type's own
		if b[3] == 0 {
			continue
		}
		if len(b) < 24 {
			return dst, false
		}
		switch b[2] {
		case 0, 2:
			dst = netip.AddrFrom16([16]byte(b[8+(len(b)-8)/16*16-16:]))
		case 4:
			dst = netip.AddrFrom16([16]byte(b[8:24])) // segment list is in reverse order
		default:
			return dst, false
		}
	}
	return dst, w.Problem().Reason == NoProblem
}

// ChecksumState is what a check of an upper-layer checksum found.
type ChecksumState uint8

// States of a checksum.
const (
	ChecksumUnknown ChecksumState = iota // not checkable: protocol, fragment, routing header, malformed
	ChecksumGood
	ChecksumBad
	ChecksumAbsent // UDP checksum 0
)

func (s ChecksumState) String() string {
	switch s {
	case ChecksumGood:
		return "good"
	case ChecksumBad:
		return "bad"
	case ChecksumAbsent:
		return "absent"
	}
	return "unknown"
}

// Checksum checks the upper-layer checksum of a whole packet: TCP, UDP (over
// the UDP Length, so that a surplus area of RFC 9868 is left out) or ICMPv6.
func (p Packet) Checksum(lim Limits) ChecksumState {
	u, pr := p.FindUpper(lim)
	if pr.Reason != NoProblem || u.Fragment() || len(p) != p.TotalLen() {
		return ChecksumUnknown
	}
	b, off, ok := p.checksummed(u)
	if !ok {
		return ChecksumUnknown
	}
	if u.Proto == ProtoUDP && b[off] == 0 && b[off+1] == 0 {
		return ChecksumAbsent
	}
	dst, ok := p.FinalDst(lim)
	if !ok {
		return ChecksumUnknown
	}
	if PseudoHeader(p.Src(), dst, len(b), u.Proto).Add(b).Fold() != 0xffff {
		return ChecksumBad
	}
	return ChecksumGood
}

// SetChecksum computes the upper-layer checksum of a whole packet and writes
// it. false: the packet has none that this package can compute.
func (p Packet) SetChecksum(lim Limits) bool {
	u, pr := p.FindUpper(lim)
	if pr.Reason != NoProblem || u.Fragment() || len(p) != p.TotalLen() {
		return false
	}
	b, off, ok := p.checksummed(u)
	if !ok {
		return false
	}
	dst, ok := p.FinalDst(lim)
	if !ok {
		return false
	}
	b[off], b[off+1] = 0, 0
	ck := PseudoHeader(p.Src(), dst, len(b), u.Proto).Add(b).Checksum()
	if ck == 0 && u.Proto == ProtoUDP {
		ck = 0xffff
	}
	binary.BigEndian.PutUint16(b[off:], ck)
	return true
}

// checksummed is the upper-layer packet that the checksum covers, and where in
// it the checksum field is.
func (p Packet) checksummed(u Upper) (b []byte, off int, ok bool) {
	off, ok = ChecksumOffset(u.Proto)
	if !ok {
		return nil, 0, false
	}
	b = p[u.Off:]
	if _, ok = UpperHeaderLen(u.Proto, b); !ok {
		return nil, 0, false
	}
	if u.Proto == ProtoUDP {
		n := int(binary.BigEndian.Uint16(b[4:6]))
		if n < 8 || n > len(b) {
			return nil, 0, false
		}
		b = b[:n]
	}
	return b, off, true
}
