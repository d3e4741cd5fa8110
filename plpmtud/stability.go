package plpmtud

import "time"

// maxFalls is how often, within one window, a size may be lost after it had
// been regained, before the path is taken to contradict itself (several paths
// of different MTU, or one that flaps): D3-d, D3-e, D8-4.
const maxFalls = 3

// stability notices a PLPMTU that goes up and down, and holds it down.
//
//	size  1500 ──┐    ┌────┐    ┌────┐
//	             │    │    │    │    │ third fall: ERROR, a conservative size
//	base         └────┘    └────┘    └───────────── hold ───────────┐ search again
type stability struct {
	last    instant // of the last fall
	size    uint16  // the PLPMTU it fell from
	falls   uint8   // falls from a size that had been regained
	back    bool    // that size was regained since
	held    bool    // in ERROR because of it
	waiting bool    // BASE_PLPMTU is confirmed; only time has to pass
}

func (s *stability) fell(t instant, size uint16, window time.Duration) {
	if s.last != 0 && t-s.last > instant(window) {
		*s = stability{}
	}
	if s.falls == 0 || s.back {
		s.falls++
	}
	s.last, s.size, s.back = t, size, false
}

func (s *stability) regained(size uint16) {
	if s.size != 0 && size >= s.size {
		s.back = true
	}
}

// window is how long a fall is remembered, and how long a hold lasts.
func (p *Path) window() time.Duration {
	if p.set.raise > 0 {
		return p.set.raise
	}
	return DefaultRaiseInterval
}

// hold enters ERROR until the window has passed.
func (p *Path) hold(t instant) {
	p.stability.held = true
	p.stability.waiting = false
	p.enterError(t, Contradiction)
}

// wait begins once BASE_PLPMTU is known to work.
func (p *Path) wait(t instant) {
	p.stability.waiting = true
	p.timerAt = max(p.stability.last+instant(p.window()), t)
}

func (p *Path) endHold(t instant) {
	p.stability = stability{}
	p.restart(t, Contradiction)
	p.advance(t)
}
