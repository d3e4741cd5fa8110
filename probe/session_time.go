package probe

import (
	"fmt"
	"math"
	"time"
)

// expire does what is due because no answer came.
func (s *Session) expire(now time.Time) {
	if c := s.control; c != nil && !now.Before(c.until) {
		s.controlLost(now, c)
	}
	if a := s.now; !s.done && a != nil && a.packet != nil && a.vouched && !now.Before(a.packet.until) {
		s.attemptLost(now, a)
	}
	if s.loads != nil && !s.done {
		s.expirePair(now)
	}
	if now.Sub(s.started) >= s.cfg.Budget.Time && !s.done {
		s.overBudget(now)
	}
}

// controlLost: not even a small packet was answered.
func (s *Session) controlLost(now time.Time, c *sentPacket) {
	s.lose(c)
	s.control = nil
	s.controls++
	s.pace.starved()
	if s.now != nil {
		s.now.doubt = true
	}
	if s.connecting {
		if s.controls >= s.cfg.Probes || s.cfg.Tentative {
			s.unresponsive(now)
		}
		return
	}
	s.pace.slow()
	most := maxControls
	if s.pace.limited() {
		most = maxControlsLimited
	}
	if s.controls >= most {
		s.fail(now, StoppedAnswering, fmt.Sprintf("%v stopped answering: %d control probes of %d bytes in a row were lost", s.cfg.Target, s.controls, s.traits.Min))
	}
}

// attemptLost: the large packet is overdue, and a small one sent after it was
// answered.
func (s *Session) attemptLost(now time.Time, a *attempt) {
	s.lose(a.packet)
	if a.doubt && a.repeats < maxRepeats {
		// Small packets were lost at the time too: this proves nothing.
		a.repeats++
		a.packet = nil
		return
	}
	s.pace.refund() // it didn't use up an answer
	s.failed[a.size]++
	s.now = nil
	if a.path != 0 {
		s.path.Lost(now, a.path)
	}
}

func (s *Session) lose(p *sentPacket) {
	if p.fate == pending {
		p.fate = lost
		s.count(p.Size).Lost++
	}
}

// settle takes the next step that doesn't have to wait: asking the Path for a
// probe, or ending.
func (s *Session) settle(now time.Time) {
	for !s.done && s.path != nil && s.now == nil && s.loads == nil {
		if s.agreed() {
			s.conclude(now, s.acked)
			return
		}
		if pr, ok := s.path.Poll(now); ok {
			s.now = &attempt{size: pr.Size, path: pr.ID}
			return
		}
		if !s.path.Next().IsZero() {
			return // not due yet
		}
		if s.connecting {
			return // a small packet is next
		}
		s.complete(now)
	}
}

// complete decides what to do when the Path sees no size worth a probe: report,
// or check first that the next larger size really fails.
func (s *Session) complete(now time.Time) {
	floor := s.path.PLPMTU()
	if s.acked > floor {
		s.startSearch(now, s.acked) // an answer came too late for the Path
		return
	}
	next := s.nextSize(floor)
	claimed := s.sizes().down(s.ptb.claimed(floor, s.refused))
	switch {
	case claimed > next && s.failed[claimed] < s.cfg.Probes:
		s.now = &attempt{size: claimed} // a router says so, and nothing but silence speaks against it
	case next > s.hi, s.refused != 0 && s.refused <= next, s.failed[next] >= s.enough():
		s.conclude(now, floor)
	default:
		s.now = &attempt{size: next}
	}
}

// nextSize returns the size of interest above the given one.
func (s *Session) nextSize(size int) int {
	return s.sizes().up(size + 1)
}

// sizes are those that the Method can build and that are of interest.
func (s *Session) sizes() exact { return exact{min: s.cfg.Min, step: s.traits.Step} }

// chance is how likely it is that a small packet and its answer get lost,
// from those that were sent up to the largest size acknowledged. Packets.
func (s *Session) chance() float64 {
	sent, gone := 0, 0
	for size, l := range s.loss {
		if size <= s.acked {
			sent += l.Sent
			gone += l.Lost
		}
	}
	return (float64(gone) + 0.25) / (float64(sent) + 2)
}

// enough is how many losses of a size, with control probes answered, are needed
// to say that it fails: Config.Probes, and more where packets get lost by
// chance, so that chance alone would explain them once in ten thousand times.
func (s *Session) enough() int {
	n := int(math.Ceil(math.Log(1e-4) / math.Log(min(s.chance(), 0.5))))
	return min(max(n, s.cfg.Probes), 14)
}
