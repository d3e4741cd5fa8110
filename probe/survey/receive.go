package survey

import (
	"fmt"
	"time"

	"pathmtu/results"
)

// mostUpsets is how often a target may contradict itself.
const mostUpsets = 2

// Receive takes an answer that a Reader has recognised. It returns whether it
// is genuine and about a target that is being measured; another one changes
// nothing.
func (e *Engine) Receive(now time.Time, a *Answer) bool {
	id := e.pool.find(a.target)
	if id == none {
		if a.genuine {
			e.counts.Late++
		} else {
			e.counts.Rejected++
		}
		return false
	}
	t := e.pool.at(id)
	if !e.genuine(t, a) {
		e.counts.Rejected++
		return false
	}
	e.counts.Answers++
	last := t.flags&waiting != 0 && a.stamp.seq == t.seq
	switch a.meaning {
	case arrived:
		e.arrived(id, now, a, last)
	case tooBig:
		e.tooBig(id, now, a, last)
	case prohibited:
		if t.state == connecting && t.lo == 0 {
			e.finish(id, now, results.Refused, fmt.Sprintf("%v says that the probes are prohibited", a.from.addr()))
		}
	case unreachable:
		t.flags |= noRoute
		if t.state == connecting && last {
			e.wheel.unlink(id)
			t.flags &^= waiting
			t.lost++
			e.silence(id, now)
		}
	}
	return true
}

// genuine completes the stamp of an answer without a token, if it fits the last
// probe.
func (e *Engine) genuine(t *target, a *Answer) bool {
	s := e.stamp(t)
	if a.genuine {
		return a.stamp.seq >= 1 && a.stamp.seq <= t.seq && a.stamp.method == s.method
	}
	if t.sent == 0 || t.flags&waiting == 0 || a.stamp.method != s.method {
		return false
	}
	if a.meaning == arrived {
		if s.method != DNS {
			return false
		}
		id := uint16(e.probes.tokens.tag(t.addr, s))
		a.stamp = s
		return a.short[0] == byte(id>>8) && a.short[1] == byte(id)
	}
	if a.length != int(s.size) || !e.probes.shortFits(a.short[:], t.addr, s) {
		return false
	}
	a.stamp = s
	return true
}

// arrived: a probe was answered. It may be an earlier one than the last.
func (e *Engine) arrived(id int32, now time.Time, a *Answer, last bool) {
	t := e.pool.at(id)
	if last {
		t.sample(now.Sub(e.origin) - time.Duration(t.sentAt)*tickTime)
	}
	if a.stamp.size > t.hi {
		if !e.upset(t) {
			e.finish(id, now, results.Inconsistent, fmt.Sprintf("%d bytes arrived, and were reported as too big", a.stamp.size))
			return
		}
		t.restart(uint16(e.belief(t).top))
	}
	if a.stamp.size > t.lo || t.state != searching {
		t.passed(a.stamp.size)
	}
	switch {
	case t.state == connecting:
		t.state, t.tries = searching, 0
	case t.state == vouching && a.stamp.seq > t.mark:
		t.state, t.tries = searching, 0
		if e.choose(t) == 0 {
			e.conclude(id, now)
			return
		}
	case t.state == vouching && a.stamp.size > uint16(e.least(t)):
		t.state, t.tries = searching, 0 // it was no loss after all
	case !last && t.flags&waiting != 0:
		return // the answer to the last packet is still to come
	}
	e.release(id)
	e.proceed(id, now)
}

// release takes a target out of its list, not waiting any more.
func (e *Engine) release(id int32) {
	e.wheel.unlink(id)
	e.pool.at(id).flags &^= waiting
}

// tooBig: a router dropped a probe because of its size.
func (e *Engine) tooBig(id int32, now time.Time, a *Answer, last bool) {
	t := e.pool.at(id)
	if a.stamp.size <= t.lo {
		// It passed before, or the message is about a packet that arrived.
		if a.stamp.seq < t.seq || e.upset(t) {
			return
		}
		e.finish(id, now, results.Inconsistent, fmt.Sprintf("%d bytes arrived, and were reported as too big", a.stamp.size))
		return
	}
	if a.stamp.size > t.hi {
		return // known already
	}
	if t.state == connecting && int(a.stamp.size) <= e.least(t) && last {
		t.hi = a.stamp.size - 1
		t.clip()
		if e.fallBack(t) { // the next method has smaller packets
			e.release(id)
			e.proceed(id, now)
			return
		}
	}
	if int(a.stamp.size) <= e.least(t) {
		e.fail(id, now, fmt.Sprintf("%v says that even %d bytes are too big", a.from.addr(), a.stamp.size))
		return
	}
	if t.state == connecting {
		return
	}
	e.refused(t, a.stamp.size, a)
	if !last && t.state == searching && t.flags&waiting != 0 && t.size <= t.hi {
		return
	}
	t.state, t.tries = searching, 0
	e.release(id)
	e.proceed(id, now)
}

// upset counts contradictions; false: there were too many.
func (e *Engine) upset(t *target) bool {
	t.upsets++
	return t.upsets <= mostUpsets
}

// restart forgets what is too large.
func (t *target) restart(top uint16) {
	t.hi, t.soft1, t.soft2 = top, top, top
	t.fails, t.fails2, t.hint = 0, 0, 0
	t.flags &^= following | unsent
	t.state = searching
}

// sample takes a round-trip time into account.
func (t *target) sample(d time.Duration) {
	v := uint16(min(max(d/rttUnit, 1), 65535))
	if t.rtt == 0 {
		t.rtt = v
		return
	}
	t.rtt = uint16((7*uint32(t.rtt) + uint32(v)) / 8)
}
