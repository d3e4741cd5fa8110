package internet

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pathmtu/internal/ip6"
)

// Most of a packet that an ICMP error may be (RFC 1812 section 4.3.2.3, RFC
// 4443 section 2.4).
const (
	mostError4 = 576
	mostError6 = 1280
)

// tooBig: the router at a hop drops the packet because of its size.
func (w *World) tooBig(t *trip, hop, mtu int) {
	w.stats.TooBig++
	h := &t.host
	key := uint64(h.draws) + uint64(hop)
	if hop == h.Bottleneck {
		switch h.PTB {
		case PTBFiltered:
			return
		case PTBLying:
			mtu = h.Claim
		case PTBLimited:
			if !w.limits.take(t.now, key, 1, time.Second) {
				w.stats.Limited++
				return
			}
		}
	}
	if t.v6 {
		w.icmpError(t, hop, 2, 0, uint32(mtu))
		return
	}
	w.icmpError(t, hop, 3, 4, uint32(mtu))
}

func (w *World) expired(t *trip, hop int) {
	w.stats.Expired++
	if t.v6 {
		w.icmpError(t, hop, 3, 0, 0)
		return
	}
	w.icmpError(t, hop, 11, 0, 0)
}

// unreachable: the last router finds nobody there.
func (w *World) unreachable(t *trip) {
	if !w.limits.take(t.now, uint64(t.host.path), 6, time.Second) {
		w.stats.Limited++
		return
	}
	if t.v6 {
		w.icmpError(t, t.host.Hops, 1, 3, 0)
		return
	}
	w.icmpError(t, t.host.Hops, 3, 1, 0)
}

// portUnreachable is limited as Linux does: a burst of 6, then one a second,
// or ten by ICMPv6.
func (w *World) portUnreachable(t *trip) {
	every := time.Second
	if t.v6 {
		every = 100 * time.Millisecond
	}
	if !w.limits.take(t.now, uint64(t.host.draws), 6, every) {
		w.stats.Limited++
		return
	}
	if t.v6 {
		w.icmpError(t, t.host.Hops+1, 1, 4, 0)
		return
	}
	w.icmpError(t, t.host.Hops+1, 3, 3, 0)
}

func (w *World) protocolUnreachable(t *trip) {
	if t.host.ClosedPort && !t.v6 {
		w.icmpError(t, t.host.Hops+1, 3, 2, 0)
	}
}

// icmpError sends an error about the packet from a hop; the host's is the one
// after the last router's.
func (w *World) icmpError(t *trip, hop int, typ, code byte, rest uint32) {
	if w.lost() || t.isError() {
		return
	}
	h := &t.host
	from, short := t.dst, false
	if hop <= h.Hops {
		from = w.router(h, hop)
		short = !t.v6 && h.ShortQuot && hop == h.Bottleneck
	}
	most := mostError4 - 20 - 8
	if t.v6 {
		most = mostError6 - 40 - 8
	}
	if short {
		most = t.upper + 8
	}
	quote := t.pkt[:min(len(t.pkt), most)]
	delay := h.RTT * time.Duration(hop) / time.Duration(h.Hops+1)
	b := w.packet(t, delay, from, ttl-hop+1, t.icmp(), 8+len(quote))
	b[0], b[1], b[2], b[3] = typ, code, 0, 0
	binary.BigEndian.PutUint32(b[4:], rest)
	q := b[8:]
	copy(q, quote)
	left := max(t.ttl-hop+1, 1) // as the router received it
	if t.v6 {
		q[7] = byte(left)
	} else {
		q[8] = byte(left)
		q[10], q[11] = 0, 0
		binary.BigEndian.PutUint16(q[10:], ip6.Sum(0).Add(q[:t.upper]).Checksum())
	}
	var s ip6.Sum
	if t.v6 {
		s = ip6.PseudoHeader(from, t.src, len(b), protoICMPv6)
	}
	binary.BigEndian.PutUint16(b[2:], s.Add(b).Checksum())
}

// isError: an ICMP error is never answered by one (RFC 1122, RFC 4443).
func (t *trip) isError() bool {
	if len(t.pkt) <= t.upper {
		return false
	}
	typ := t.pkt[t.upper]
	if t.v6 {
		return t.proto == protoICMPv6 && typ < 128
	}
	return t.proto == protoICMP && typ != 8 && typ != 0
}

func (t *trip) icmp() uint8 {
	if t.v6 {
		return protoICMPv6
	}
	return protoICMP
}

func (t *trip) ipHeader() int {
	if t.v6 {
		return 40
	}
	return 20
}

func (t *trip) replyTTL() int { return ttl - t.host.Hops }

// packet begins a packet to the scanner with n bytes after the IP header, and
// returns those.
func (w *World) packet(t *trip, delay time.Duration, from netip.Addr, hops int, proto uint8, n int) []byte {
	w.stats.Out++
	p := t.out.Add(delay, t.ipHeader()+n)
	w.ip, w.upper = p[:t.ipHeader()], p[t.ipHeader():]
	if t.v6 {
		copy(p, []byte{0x60, 0, 0, 0})
		binary.BigEndian.PutUint16(p[4:], uint16(n))
		p[6], p[7] = proto, byte(hops)
		a, b := from.As16(), t.src.As16()
		copy(p[8:], a[:])
		copy(p[24:], b[:])
		return w.upper
	}
	w.ident++
	p[0], p[1] = 0x45, 0
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	binary.BigEndian.PutUint16(p[4:], w.ident)
	p[6], p[7] = 0, 0
	p[8], p[9], p[10], p[11] = byte(hops), proto, 0, 0
	a, b := from.As4(), t.src.As4()
	copy(p[12:], a[:])
	copy(p[16:], b[:])
	binary.BigEndian.PutUint16(p[10:], ip6.Sum(0).Add(w.ip).Checksum())
	return w.upper
}

// setFragment makes the packet of the last call of packet a fragment, with the
// same identification as the others.
func (w *World) setFragment(off int, more bool) {
	if off > 0 {
		w.ident--
	}
	binary.BigEndian.PutUint16(w.ip[4:], w.ident)
	field := uint16(off / 8)
	if more {
		field |= 0x2000
	}
	binary.BigEndian.PutUint16(w.ip[6:], field)
	w.ip[10], w.ip[11] = 0, 0
	binary.BigEndian.PutUint16(w.ip[10:], ip6.Sum(0).Add(w.ip).Checksum())
}
