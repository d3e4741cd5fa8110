package probe

import (
	"fmt"
	"net/netip"
	"time"

	"pathmtu/plpmtud"
)

// Received hands in bytes that came from the target on the flow's socket. It
// returns whether they answer a probe of this Session.
func (s *Session) Received(now time.Time, b []byte) bool {
	if s.done {
		return false
	}
	q, ok := s.cfg.Method.Answer(b, s.recent)
	if !ok {
		return false
	}
	p := s.sent[q.ID]
	if p == nil || p.Size != q.Size {
		return false
	}
	s.answer(now, p)
	s.hinted(now, b)
	s.settle(now)
	return true
}

// answer: the packet arrived at the target, all of it.
func (s *Session) answer(now time.Time, p *sentPacket) {
	if p.fate == answered {
		return
	}
	was := p.fate
	p.fate = answered
	if was == lost {
		s.count(p.Size).Lost--
	}
	s.rtt.sample(now.Sub(p.at))
	s.controls = 0
	if s.connecting {
		s.connected(now, p)
	}
	if p.role == compared {
		s.expire(now)
		return
	}
	if p.role == control {
		s.controlAnswered(now, p)
		return
	}
	if s.refused != 0 && p.Size >= s.refused {
		s.contradiction(now, p.Size)
		return
	}
	s.acked = max(s.acked, p.Size)
	for size := range s.failed {
		if size <= p.Size {
			delete(s.failed, size)
		}
	}
	if p.search != s.search {
		return // of an earlier search; complete takes note
	}
	if p.path != 0 {
		s.path.Acked(now, p.path)
	}
	if a := s.now; a == nil || a.size != p.Size {
		return
	}
	s.now = nil
	if p.path == 0 {
		// More than the Path believes in arrived: whatever made it stop was wrong.
		// Search on from here.
		s.startSearch(now, p.Size)
	}
}

func (s *Session) controlAnswered(now time.Time, p *sentPacket) {
	if s.control == p {
		s.control = nil
	}
	if a := s.now; a != nil && a.packet != nil && !p.at.Before(a.packet.at) {
		a.vouched = true
		s.expire(now)
	}
}

// openEagerly begins to search before anything was answered. That the smallest
// size arrives is still to be seen: as long as s.connecting, nothing is reported.
func (s *Session) openEagerly(now time.Time) {
	if !s.cfg.Eager || s.sizes().down(s.hi) <= s.traits.Min {
		return
	}
	s.startSearch(now, s.traits.Min)
	s.acked = 0
}

// connected: the target answers.
func (s *Session) connected(now time.Time, p *sentPacket) {
	s.connecting = false
	if s.path == nil {
		s.startSearch(now, p.Size)
		return
	}
	s.acked = max(s.acked, s.traits.Min)
	if a := s.now; a != nil && a.packet != nil && a.packet.fate == pending {
		a.packet.until = a.packet.at.Add(s.rtt.timeout(s.cfg.MinTimeout, s.cfg.Timeout))
	}
}

// startSearch lets a new Path look for larger sizes than one that was confirmed.
func (s *Session) startSearch(now time.Time, confirmed int) {
	s.acked = max(s.acked, confirmed)
	top := s.hi
	if s.refused != 0 {
		top = min(top, s.refused-1)
	}
	top = max(top, s.acked)
	s.now = nil
	path, err := plpmtud.New(plpmtud.Config{
		Min: s.traits.Min, Base: s.traits.Min, Max: top,
		MaxProbes: s.cfg.Probes, RaiseInterval: -1,
		Search: exact{min: s.cfg.Min, step: s.traits.Step, first: top, expect: s.expected()},
	})
	if err != nil {
		s.fail(now, SendFailed, err.Error())
		return
	}
	s.path = path
	s.search++
	s.path.Start(now, s.acked)
}

// expected is the size that another method found, as far as this one can build it;
// 0: there is none.
func (s *Session) expected() int { return s.sizes().down(s.cfg.Expect) }

// agreed says whether this method finds just what another one did.
func (s *Session) agreed() bool {
	e := s.expected()
	return e != 0 && s.acked == e && s.failed[s.nextSize(e)] > 0
}

// contradiction: a size passed and failed. Routers may have changed, or split
// the flow: start afresh, but not for ever.
func (s *Session) contradiction(now time.Time, size int) {
	s.contradictions++
	s.note("%d bytes arrived, and were reported as too big", size)
	if s.contradictions > maxContradictions {
		s.inconsistent(now)
		return
	}
	s.refused, s.acked = 0, s.traits.Min
	s.loads, s.pmtu = nil, 0
	clear(s.failed)
	s.startSearch(now, s.traits.Min)
}

// Failure says why a packet couldn't be sent.
type Failure struct {
	TooBig    bool  // larger than what the first hop's link carries (EMSGSIZE)
	MTU       int   // of that link, if the system said so; bytes, 0: not known
	Transient bool  // out of buffers: may be tried again
	Err       error // for people
}

// maxTransients bounds how often a Session tries again after a transient failure.
const maxTransients = 100

// SendFailed says that the packet of the last Poll was not sent.
func (s *Session) SendFailed(now time.Time, id ID, f Failure) {
	p := s.sent[id]
	if s.done || p == nil || p.fate != pending {
		return
	}
	p.fate = withdrawn
	s.packets--
	s.bytes -= int64(p.Size)
	s.count(p.Size).Sent--
	s.pace.refund()
	if s.control == p {
		s.control = nil
	}
	if a := s.now; a != nil && a.packet == p {
		a.packet = nil
	}
	if s.loads != nil {
		for i := range s.loads.pair {
			if s.loads.pair[i] == p {
				s.loads.pair[i] = nil
			}
		}
	}
	switch {
	case f.TooBig && p.role == sized:
		s.localLimit(now, p, f.MTU)
	case f.Transient && s.transients < maxTransients:
		s.transients++
		s.retryAt = now.Add(10 * time.Millisecond)
	default:
		s.fail(now, SendFailed, fmt.Sprintf("sending %d bytes to %v: %v", p.Size, s.cfg.Target, f.Err))
	}
	s.settle(now)
}

// localLimit: the first hop's link carries less than was thought.
func (s *Session) localLimit(now time.Time, p *sentPacket, mtu int) {
	if mtu < s.traits.Min || mtu >= p.Size {
		mtu = p.Size - 1
	}
	s.note("a packet of %d bytes is too large for the first hop's link: %d bytes", p.Size, mtu)
	s.hi = min(s.hi, mtu)
	s.local = s.hi
	s.now = nil
	s.path.SetMax(now, max(s.hi, s.acked))
}

// Interrupt ends the Session with what it knows.
func (s *Session) Interrupt(now time.Time) { s.fail(now, Interrupted, "interrupted") }

func (s *Session) note(format string, args ...any) {
	const most = 20
	if len(s.evidence) < most {
		s.evidence = append(s.evidence, fmt.Sprintf(format, args...))
	}
}

func sameHost(a, b netip.Addr) bool {
	return a.Unmap().WithZone("") == b.Unmap().WithZone("")
}
