package trace

// peek is for a target that doesn't answer: what do routers on the way refuse?
// It sends the largest size towards it, then what a router named, and then one
// byte more.
type peek struct {
	size  int
	fail  int // the smallest size refused
	hop   int // by whom
	next  int // the size that it named
	q     *question
	asked int
	check bool // next was not refused; now one byte more
}

const mostPeeks = 10

// step returns true when nothing more is refused.
func (p *peek) step(t *Trace) bool {
	if p.q != nil {
		if p.q.result == open {
			return false
		}
		if !p.absorb(t) {
			return true
		}
	}
	if p.asked++; p.asked > mostPeeks {
		return true
	}
	p.q = t.ask(spec{Plain, p.size, initialHopLimit})
	p.q.control = false // it couldn't be answered
	return false
}

// absorb returns whether there is another size to try.
func (p *peek) absorb(t *Trace) bool {
	q := p.q
	if q.result == refused {
		p.fail, p.hop = q.size, t.hopOf(q.event, q.spec)
		if p.check || q.event.mtu <= t.cfg.small() || q.event.mtu >= q.size {
			return false
		}
		p.size, p.next = q.event.mtu, q.event.mtu
		return true
	}
	if p.next == 0 || p.check || p.next+1 == p.fail {
		return false
	}
	p.check, p.size = true, p.next+1
	return true
}

// shrink is what was found.
func (p *peek) shrink() (Shrink, bool) {
	if p.hop == 0 || p.next == 0 {
		return Shrink{}, false
	}
	return Shrink{Hop: p.hop, Next: p.hop + 1, MTU: p.next, Fails: p.fail, Refused: true}, true
}
