package survey

import (
	"time"

	"pathmtu/results"
)

// choose returns the size to try next; 0: nothing is left to try.
func (e *Engine) choose(t *target) int {
	switch {
	case t.hint > t.lo && t.hint <= t.hi:
		return int(t.hint)
	case t.lo >= t.hi:
		return 0
	case t.lo >= t.soft1:
		if int(t.fails) >= e.cfg.Fails {
			return 0
		}
		return int(t.soft1) + 1
	case t.flags&tried == 0:
		return int(t.hi)
	case t.flags&following != 0:
		return int(t.lo) + 1
	}
	return e.belief(t).pick(int(t.lo), int(t.soft1), int(t.soft2), int(t.hi), t.fails, t.fails2)
}

// proceed takes a target, which is in no list, to its next packet or its end.
func (e *Engine) proceed(id int32, now time.Time) {
	t := e.pool.at(id)
	wait := e.gap(t)
	if t.state == searching {
		switch size := e.choose(t); {
		case size == 0 && t.lo >= t.hi:
			e.conclude(id, now)
			return
		case size == 0:
			t.state, t.tries = vouching, 0
			wait = e.cfg.Calm
		case t.fails > 0 && size == int(t.soft1)+1:
			wait = max(wait, e.cfg.Calm) // again what was lost: the host may ration its answers
		}
	}
	if int(t.sent) >= e.cfg.Budget {
		e.fail(id, now, "budget of packets used up")
		return
	}
	if t.tries > 0 {
		wait = max(wait, e.cfg.Calm)
	}
	e.later(id, now, wait)
}

// silence: no answer came to the last packet.
func (e *Engine) silence(id int32, now time.Time) {
	t := e.pool.at(id)
	switch t.state {
	case connecting, vouching:
		t.tries++
		if int(t.tries) < e.cfg.Tries {
			break
		}
		if t.state == vouching {
			e.fail(id, now, "stopped answering")
			return
		}
		if !e.fallBack(t) {
			e.finish(id, now, results.Unresponsive, "")
			return
		}
	case searching:
		t.missed(t.size)
	}
	e.proceed(id, now)
}

// fallBack turns to the next method, if there is one.
func (e *Engine) fallBack(t *target) bool {
	for int(t.method)+1 < len(e.cfg.Methods) {
		t.method++
		if e.least(t) <= int(t.hi) {
			t.tries = 0
			return true
		}
	}
	return false
}

// missed takes note of a size that was lost.
func (t *target) missed(size uint16) {
	if size <= t.lo {
		return
	}
	if size == t.hint {
		t.hint = 0 // its router said too much
	}
	switch {
	case size == t.soft1+1:
		t.fails++
	case size <= t.soft1:
		t.soft2, t.fails2 = t.soft1, t.fails
		t.soft1, t.fails = size-1, 1
		t.flags &^= following
	case size <= t.soft2:
		t.soft2, t.fails2 = size-1, 1
	default:
		t.fails2 = inc(t.fails2)
	}
}

// passed takes note of a size that was answered.
func (t *target) passed(size uint16) {
	t.lo = max(t.lo, size)
	if t.flags&following != 0 && (t.hint == 0 || t.lo > t.hint) {
		if t.hint != 0 {
			t.flags |= lied // more than the router's number passes
		}
		t.flags &^= following
		t.hint = 0
	}
	if t.hint != 0 && t.lo == t.hint {
		t.flags |= following
	}
	for t.lo > t.soft1 && t.soft1 < t.hi { // the losses were chance
		t.soft1, t.fails = t.soft2, t.fails2
		t.soft2, t.fails2 = t.hi, 0
	}
	if t.lo > t.soft2 {
		t.soft2, t.fails2 = t.hi, 0
	}
}

// clip keeps what was lost below what is impossible.
func (t *target) clip() {
	if t.soft2 >= t.hi {
		t.soft2, t.fails2 = t.hi, 0
	}
	if t.soft1 >= t.hi {
		t.soft1, t.fails = t.hi, 0
	}
	if t.hint > t.hi {
		t.hint = 0
	}
}

// refused takes note of a router's message that a size was too big, and which
// MTU it named.
func (e *Engine) refused(t *target, size uint16, a *Answer) {
	t.ptbs = inc(t.ptbs)
	t.router, t.hop = a.from, a.hop
	t.claim = uint16(min(a.mtu, 65535))
	t.flags &^= notSmaller | unsent
	if a.mtu >= int(size) {
		t.flags |= notSmaller
	}
	t.hi = min(t.hi, size-1)
	t.clip()
	least := 68
	if !t.addr.is4() {
		least = 1280 // RFC 8201 section 4: a smaller number is no PMTU
	}
	switch {
	case t.flags&following != 0 && t.lo == t.hi:
		// As the router said.
	case a.mtu >= least && a.mtu > int(t.lo) && a.mtu <= int(t.hi) && t.flags&lied == 0:
		t.hint = uint16(a.mtu)
		t.flags &^= following
	default:
		t.hint = 0
		t.flags &^= following
	}
}

func inc(v uint8) uint8 {
	if v < 255 {
		v++
	}
	return v
}
