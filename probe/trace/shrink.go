package trace

import (
	"net/netip"
	"slices"

	"pathmtu/probe"
	"pathmtu/results"
)

// Shrink is a place where the path gets narrower.
type Shrink struct {
	Hop  int // packets above MTU come to this hop; 0: to none that answers
	Next int // and not to this one
	// MTU is the largest size that comes to Next and Fails the smallest that
	// doesn't. Bytes.
	MTU, Fails int
	Refused    bool // a router says so with Packet Too Big
}

// steps is where the search for shrinks stands.
type steps struct {
	narrow *narrow
	bisect *bisect
	peek   *peek
	pass   int
}

// sureAlready is how many losses of a size mean that it doesn't come to a hop, if it
// is known not to come to the target, and no small packet got lost so far.
const sureAlready = 2

// mostShrinks bounds how many are looked for.
const mostShrinks = 8

// top is the largest size that leaves by the first link.
func (t *Trace) top() int {
	top := t.cfg.FirstHop
	for _, o := range t.outcomes {
		if o.LocalMTU != 0 {
			top = min(top, o.LocalMTU)
		}
	}
	return top
}

// startShrinks prepares the search; false: there is nothing to search for.
func (t *Trace) startShrinks() bool {
	far, limit := t.far()
	if o, ok := t.end(); ok && o.PMTU != nil {
		pass := *o.PMTU
		t.learn(far, pass, true)
		if pass >= t.top() {
			return false
		}
		if t.distance != 0 {
			far = t.distance
		} else {
			far = len(t.hops) + 1
		}
		t.learn(far, pass+1, false)
		b := newBisect(Plain, pass+1, 0, far, t.hints(pass)...)
		b.enough = sureAlready
		if hop := t.refuser(o); hop != 0 && hop < far {
			b.lo, b.hi, b.refused = hop, hop+1, true
			t.learn(hop, o.RefusedMost, true)
			t.learn(hop+1, pass+1, false)
		}
		t.steps = steps{pass: pass, bisect: b}
		return true
	}
	t.steps = steps{peek: &peek{size: t.top()}}
	if far == 0 {
		return true
	}
	t.steps.narrow = &narrow{hop: far, limit: limit, pass: t.cfg.small(), fail: t.top() + 1}
	return true
}

// shrinkStep returns true when the last shrink, which limits the path, is found;
// in the phase findMore, when the others are.
func (t *Trace) shrinkStep() bool {
	for {
		s := &t.steps
		switch {
		case t.phase == findShrinks && len(t.shrinks) > 0:
			return true
		case s.peek != nil:
			if !s.peek.step(t) {
				return false
			}
			if found, ok := s.peek.shrink(); ok {
				t.shrank(found)
			}
			s.peek = nil
		case s.bisect != nil:
			if !s.bisect.step(t) {
				return false
			}
			b := s.bisect
			*s = steps{pass: s.pass}
			t.shrank(Shrink{Hop: b.lo, Next: b.hi, MTU: s.pass, Fails: b.size, Refused: b.refused || t.speaks(b.lo)})
			if b.lo == 0 || len(t.shrinks) >= mostShrinks || t.repeated(s.pass) {
				*s = steps{}
				return true
			}
			*s = steps{narrow: &narrow{hop: b.lo, limit: b.lo, pass: max(b.size, t.hops[b.lo-1].Passes), fail: t.top() + 1}}
		case s.narrow != nil:
			n := s.narrow
			if !n.step(t) {
				return false
			}
			if *s = (steps{}); n.fail > t.top() || n.lost {
				return true
			}
			*s = steps{pass: n.pass, bisect: newBisect(Plain, n.fail, 0, n.hop, t.hints(n.pass)...)}
		default:
			return true
		}
	}
}

// refuser returns the hop whose router got the size just above the path MTU and
// refused it, so that nothing has to be asked about where that one ends: the list of
// hops has its address, and what it quotes doesn't speak against it. 0: not known.
func (t *Trace) refuser(o probe.Outcome) (hop int) {
	if o.PMTU == nil || o.Refused != *o.PMTU+1 {
		return 0
	}
	for _, h := range t.hops {
		if !h.Addr.IsValid() || !sameHost(h.Addr, o.RefusedBy) {
			continue
		}
		if hop != 0 {
			return 0 // one router twice: it isn't known which time it was
		}
		hop = h.Hop
	}
	for _, c := range t.claims {
		if sameHost(c.from, o.RefusedBy) && c.hop != 0 && c.hop != hop {
			return 0
		}
	}
	return hop
}

// shrank notes a shrink; of two at one hop the later one was measured better.
func (t *Trace) shrank(s Shrink) {
	if i := slices.IndexFunc(t.shrinks, func(o Shrink) bool { return o.Hop == s.Hop }); i >= 0 {
		t.shrinks[i] = s
		return
	}
	t.shrinks = append(t.shrinks, s)
}

// repeated looks for a farther router that named the MTU of the last shrink: a
// packet too large for it came there before the nearer one refused such packets.
// So the nearer one repeats what it heard, the farther one is the bottleneck, and
// nothing can be learnt any more about larger packets in between.
func (t *Trace) repeated(mtu int) bool {
	s := &t.shrinks[len(t.shrinks)-1]
	far := s.Hop
	for _, c := range t.claims {
		if h := t.claimHop(c); c.mtu == mtu && h > far && h <= len(t.hops) {
			far = h
		}
	}
	if far == s.Hop {
		return false
	}
	s.Hop, s.Next, s.Refused = far, far+1, true
	for i := range t.hops[:far] {
		t.hops[i].Fails = 0
	}
	return true
}

// hints are the hops whose routers name this MTU, and those after them.
func (t *Trace) hints(mtu int) (out []int) {
	for _, c := range t.claims {
		if h := t.claimHop(c); h > 0 && c.mtu == mtu && !slices.Contains(out, h) {
			out = append(out, h, h+1)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return b - a }) // the farther one is the bottleneck
	return out
}

// speaks says whether the router at a hop sent Packet Too Big, whatever it named.
func (t *Trace) speaks(hop int) bool {
	return slices.ContainsFunc(t.claims, func(c claim) bool { return hop != 0 && t.claimHop(c) == hop })
}

// claim is one router's claim of one MTU.
type claim struct {
	from  netip.Addr
	hop   int // 0: not known
	mtu   int
	size  int // of the largest packet that it complained about
	count int
	grade results.Grade // as the Session sees it; "": it doesn't know of it
}

const mostClaims = 32

// claim notes a Packet Too Big message about one of our packets.
func (t *Trace) claim(e event, s spec) {
	c := claim{from: e.from, hop: t.hopOf(e, s), mtu: e.mtu, size: s.size, count: 1}
	for i := range t.claims {
		k := &t.claims[i]
		if sameHost(k.from, c.from) && k.mtu == c.mtu {
			k.count++
			k.size = max(k.size, c.size)
			if k.hop == 0 {
				k.hop = c.hop
			}
			return
		}
	}
	if len(t.claims) < mostClaims {
		t.claims = append(t.claims, c)
	}
}

func (t *Trace) claimHop(c claim) int {
	if c.hop != 0 {
		return c.hop
	}
	return t.hopOf(event{from: c.from}, spec{limit: initialHopLimit})
}

// grade compares a claim with what was found where it came from.
func (t *Trace) grade(c claim) results.Grade {
	g := c.grade
	if g == "" {
		g = probe.GradePTB(t.v6, c.mtu, c.size, 0, 0)
	}
	switch g {
	case results.Zero, results.TooSmall, results.NotSmaller:
		return g
	}
	hop := t.claimHop(c)
	for _, s := range t.shrinks {
		if s.Hop == hop && hop != 0 {
			return probe.GradePTB(t.v6, c.mtu, c.size, s.MTU, s.Fails)
		}
	}
	for _, s := range t.shrinks {
		if s.MTU == c.mtu && hop != 0 && hop < s.Hop {
			return results.CachedNearer
		}
	}
	if c.grade != "" {
		return c.grade
	}
	if o, ok := t.end(); ok && o.PMTU != nil {
		failed := *o.PMTU + 1
		if failed > t.top() {
			failed = 0
		}
		return probe.GradePTB(t.v6, c.mtu, c.size, *o.PMTU, failed)
	}
	return results.Exact
}
