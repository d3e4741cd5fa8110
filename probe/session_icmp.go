package probe

import (
	"fmt"
	"net/netip"
	"time"

	"pathmtu/plpmtud"
)

// ICMPError is an ICMP or ICMPv6 error message that came for the flow.
type ICMPError struct {
	From       netip.Addr
	Type, Code uint8
	MTU        int // of a Packet Too Big, as it says
	Quote      Quote
}

// kind is what an ICMP error means to a Session.
type kind uint8

const (
	otherError kind = iota
	packetTooBig
	portUnreachable
	prohibited
	unreachable
	timeExceeded
)

func (e ICMPError) kind(v6 bool) kind {
	if v6 {
		switch e.Type {
		case 1:
			switch e.Code {
			case 1, 5, 6:
				return prohibited
			case 4:
				return portUnreachable
			}
			return unreachable
		case 2:
			return packetTooBig
		case 3:
			return timeExceeded
		}
		return otherError
	}
	switch e.Type {
	case 3:
		switch e.Code {
		case 3:
			return portUnreachable
		case 4:
			return packetTooBig
		case 9, 10, 13:
			return prohibited
		}
		return unreachable
	case 11:
		return timeExceeded
	}
	return otherError
}

// ICMP hands in an ICMP error. It returns whether it is about a probe of this
// Session; one that isn't changes nothing (RFC 8899 section 4.6.1).
func (s *Session) ICMP(now time.Time, e ICMPError) bool {
	if s.done || s.errors >= s.cfg.Budget.Errors {
		return false
	}
	s.errors++
	k := e.kind(s.v6)
	q, ok := s.cfg.Method.Quoted(e.Quote, s.recent)
	p := s.sent[q.ID]
	if !ok || p == nil || p.Size != q.Size || p.fate == withdrawn {
		if k == packetTooBig {
			s.ptb.add(claim{from: e.From, mtu: e.MTU, size: e.Quote.Length, wrong: true})
		}
		return false
	}
	e, cut := s.truncated(e)
	switch {
	case cut:
		s.tooBig(now, p, e, plpmtud.Truncated)
	case k == packetTooBig:
		s.tooBig(now, p, e, plpmtud.PacketTooBig)
	case k == portUnreachable && s.traits.ClosedPort && sameHost(e.From, s.cfg.Target):
		s.answer(now, p)
	default:
		s.unreachable(now, p, e, k)
	}
	s.settle(now)
	return true
}

// tooBig: a router dropped the packet, or cut it, because of its size. That much is
// certain, whatever number is named.
func (s *Session) tooBig(now time.Time, p *sentPacket, e ICMPError, source plpmtud.Source) {
	if p.fate == tooBig {
		return // the same message by another way, or what a router and the target say of one packet
	}
	if p.fate == answered {
		s.ptb.add(claim{from: e.From, hop: hop(e), mtu: e.MTU, size: p.Size})
		s.contradiction(now, p.Size)
		return
	}
	if p.fate == lost {
		s.count(p.Size).Lost--
	}
	p.fate = tooBig
	s.pace.refund()
	lied := s.ptb.lied(e.From, s.v6, s.acked, s.refused)
	s.ptb.add(claim{from: e.From, hop: hop(e), mtu: e.MTU, size: p.Size})
	if p.role == compared {
		s.contradiction(now, p.Size)
		return
	}
	if s.control == p || s.connecting && p.role == control {
		s.fail(now, BelowMin, fmt.Sprintf("%v reports that even %d bytes are too big", e.From, p.Size))
		return
	}
	if p.Size <= s.acked {
		s.contradiction(now, p.Size)
		return
	}
	if s.refused == 0 || p.Size < s.refused {
		s.refused, s.refuser = p.Size, e.From
	}
	a := s.now
	if a != nil && a.size >= p.Size {
		s.now = nil
	}
	mtu := exact{min: s.traits.Min, step: s.traits.Step}.down(e.MTU)
	useful := mtu >= s.path.PLPMTU() && e.MTU >= least(s.v6) && e.MTU < p.Size
	if useful && !lied && a != nil && a.packet == p && a.path != 0 {
		s.path.Hint(now, plpmtud.Hint{Source: source, MTU: mtu})
	}
	s.path.SetMax(now, max(s.refused-1, s.path.PLPMTU()))
}

// hop returns how far the sender of an error is, from the TTL it quotes:
// routers that decrement it after the size check, as most do, quote what they
// received. 0: not known.
func hop(e ICMPError) int {
	if e.Quote.TTL < 1 || e.Quote.TTL > initialTTL {
		return 0
	}
	return initialTTL - e.Quote.TTL + 1
}

// unreachable: something other than size.
func (s *Session) unreachable(now time.Time, p *sentPacket, e ICMPError, k kind) {
	if k == prohibited || k == portUnreachable {
		s.note("%v reports that the probes are prohibited (ICMP type %d code %d)", e.From, e.Type, e.Code)
		if s.connecting {
			s.refuse(now, e)
		}
		return
	}
	s.unreach = fmt.Sprintf("%v reports the target as unreachable (ICMP type %d code %d)", e.From, e.Type, e.Code)
	if k == timeExceeded {
		s.unreach = fmt.Sprintf("%v reports that the time was exceeded (ICMP type %d code %d): a routing loop", e.From, e.Type, e.Code)
	}
	if s.connecting && s.control == p {
		p.until = now // no answer will come
		s.expire(now)
	}
}
