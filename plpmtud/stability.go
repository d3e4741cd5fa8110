package plpmtud

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
	last  seconds // of the last fall
	size  uint16  // the PLPMTU it fell from
	falls uint8   // falls from a size that had been regained
	phase phase
}

type phase uint8

const (
	steady   phase = iota
	sunk           // fallen, and not regained yet
	regained       // the size it fell from was acknowledged since
	held           // in ERROR because of falling too often
	waiting        // held, with BASE_PLPMTU confirmed: only time has to pass
)

func (s *stability) fell(t instant, size uint16, window instant) {
	if s.last != 0 && t-s.last.instant() > window {
		*s = stability{}
	}
	if s.falls == 0 || s.phase == regained {
		s.falls++
	}
	s.last, s.size, s.phase = t.seconds(), size, sunk
}

func (s *stability) rose(size uint16) {
	if s.phase == sunk && size >= s.size {
		s.phase = regained
	}
}

// window is how long a fall is remembered, and how long a hold lasts.
func (p *Path) window() instant {
	if p.set.raise > 0 {
		return p.set.raise.instant()
	}
	return instant(DefaultRaiseInterval)
}

// hold enters ERROR until the window has passed.
func (p *Path) hold(t instant) {
	p.stability.phase = held
	p.enterError(t, Contradiction)
}

// wait begins once BASE_PLPMTU is known to work.
func (p *Path) wait(t instant) {
	p.stability.phase = waiting
	p.timerAt = max(p.stability.last.instant()+p.window(), t)
}

func (p *Path) endHold(t instant) {
	p.stability = stability{}
	p.restart(t, Contradiction)
	p.advance(t)
}
