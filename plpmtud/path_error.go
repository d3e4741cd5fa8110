package plpmtud

import "time"

// In ERROR, the PLPMTU is MIN_PLPMTU. BASE_PLPMTU is probed; if that is lost
// MAX_PROBES times, MIN_PLPMTU is; if that arrives, BASE_PLPMTU is tried again
// after a pause that doubles, otherwise the path is unusable: DISABLED.
const (
	firstBackoff = time.Second
	maxBackoff   = 10 * time.Minute
)

func (p *Path) enterError(t instant, cause Cause) {
	p.forget()
	p.clearEvidence()
	p.setSize(t, p.min(), cause)
	p.enter(t, Error, cause)
	p.backoff = 0
	if cause != ProbesLost {
		return
	}
	if p.min() < p.base() {
		p.minProbing = true
	} else {
		p.timerAt = p.backOff(t)
	}
}

// backOff returns when BASE_PLPMTU is to be tried again.
func (p *Path) backOff(t instant) instant {
	pause := min(firstBackoff<<p.backoff, maxBackoff)
	if pause < maxBackoff {
		p.backoff++
	}
	return t + instant(pause)
}

func (p *Path) errorProbeLost(t instant) {
	if p.count < p.set.maxProbes {
		return
	}
	p.count = 0
	if p.minProbing || p.min() == p.base() {
		p.disable(t, MinUnusable)
		return
	}
	p.minProbing = true
}

func (p *Path) creditError(t instant, size uint16) {
	switch {
	case size < p.base():
		p.minProbing = false
		p.timerAt = p.backOff(t)
	case p.stability.phase >= held:
		p.rise(t, size, BaseConfirmed)
		p.wait(t)
	default:
		p.setCeil(p.max, false)
		p.rise(t, size, BaseConfirmed)
		p.enter(t, Searching, BaseConfirmed)
	}
}
