package truncate

import (
	"encoding/binary"

	"pathmtu/internal/ip6"
)

// AppendEnhanced appends p with an Enhanced Truncation Eligible option (T0),
// padded behind its end with zeros to size bytes, so that a small packet tries
// out a large size: the destination cuts the padding off and delivers p. size
// must not exceed firstHop, the MTU in bytes of the link that it leaves on.
// The upper-layer checksum, and for UDP the Length, are made to cover the
// padding. Like AppendMarked it returns dst as it was when it does not mark.
func (s Source) AppendEnhanced(dst []byte, p ip6.Packet, size, firstHop int) ([]byte, NoMark) {
	if s.Revision != T0 {
		return dst, NeedsT0
	}
	switch {
	case size < ip6.MinMTU:
		return dst, MarkTooShort
	case size > firstHop || size > ip6.MaxLen:
		return dst, AboveEstimate
	}
	data := [EnhancedLen]byte{}
	o := ip6.OptionSpec{Type: s.Codes.orDefault().Enhanced, Data: data[:]}
	start := len(dst)
	out, why := s.place(dst, p, o)
	if why != Marked {
		return dst, why
	}
	q := ip6.Packet(out[start:])
	pad := size - len(q)
	if pad < 0 {
		return dst, AboveEstimate
	}
	opl := len(q) - ip6.HeaderLen
	u, _ := q.FindUpper(s.Limits)
	if pad > 0 && !stretch(q, u, pad) {
		return dst, Unpaddable
	}
	for range pad {
		out = append(out, 0)
	}
	q = ip6.Packet(out[start:]).Cut(size)
	s.setOPL(q, uint16(opl))
	return out, Marked
}

// stretch makes the upper-layer checksum and UDP Length of p cover pad more
// bytes of zero. false: p has none that can.
func stretch(p ip6.Packet, u ip6.Upper, pad int) bool {
	off, ok := ip6.ChecksumOffset(u.Proto)
	b := p[u.Off:]
	if _, whole := ip6.UpperHeaderLen(u.Proto, b); !ok || !whole {
		return false
	}
	field := b[off : off+2]
	ck := binary.BigEndian.Uint16(field)
	grown := ip6.AdjustChecksum(ck, 0, uint16(pad)) // the pseudo-header's length
	if u.Proto == ip6.ProtoUDP {
		l := udpLen(b)
		if l != len(b) || l+pad > 0xffff {
			return false // a surplus area, or malformed
		}
		binary.BigEndian.PutUint16(b[4:6], uint16(l+pad))
		if ck == 0 {
			return true
		}
		if grown = ip6.AdjustChecksum(grown, 0, uint16(pad)); grown == 0 {
			grown = 0xffff
		}
	}
	binary.BigEndian.PutUint16(field, grown)
	return true
}

// setOPL writes the Original Payload Length into the Enhanced option of p.
func (s Source) setOPL(p ip6.Packet, opl uint16) {
	w := p.Walk(s.Limits)
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		if h.Type != ip6.ProtoDestOpts {
			continue
		}
		ow := h.Options(s.Limits)
		for o, ok := ow.Next(); ok; o, ok = ow.Next() {
			if s.kind(o.Type) == enhanced {
				binary.BigEndian.PutUint16(o.Data, opl)
			}
		}
	}
}
