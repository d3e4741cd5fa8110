package trace

import (
	"net/netip"
	"slices"
)

// bisect finds the hop by which packets of one kind are stopped: they come to
// lo, and not to hi, and no hop between the two answers.
type bisect struct {
	arm     Arm
	size    int
	lo, hi  int // lo 0: nothing but the first link itself is known to carry them
	hints   []int
	skip    map[int]bool // hops that did not answer in the end
	enough  int          // see question
	q       *question
	asked   []*question
	refused bool       // a router said that it is too big
	fault   netip.Addr // who complained about the header
	code    uint8
}

func newBisect(arm Arm, size, lo, hi int, hints ...int) *bisect {
	return &bisect{arm: arm, size: size, lo: lo, hi: hi, hints: hints, skip: make(map[int]bool)}
}

// step returns true when the place is found.
func (b *bisect) step(t *Trace) bool {
	if b.q != nil {
		if b.q.result == open {
			return false
		}
		b.absorb(t)
	}
	h := b.next(t)
	if h == 0 {
		return true
	}
	b.q = t.ask(spec{b.arm, b.size, h})
	b.q.enough = b.enough
	b.asked = append(b.asked, b.q)
	return false
}

func (b *bisect) absorb(t *Trace) {
	q, hop := b.q, b.q.limit
	b.q = nil
	if b.arm == Plain {
		switch q.result {
		case reached:
			t.learn(hop, b.size, true)
		case refused, silent:
			t.learn(hop, b.size, false)
		}
	}
	switch q.result {
	case reached:
		b.lo = max(b.lo, hop)
	case refused, faulty:
		b.hi = min(b.hi, hop)
		if q.result == refused {
			b.refused = true
		} else {
			b.fault, b.code = q.event.from, q.event.code
		}
		if g := t.hopOf(q.event, q.spec); g > b.lo && g < b.hi {
			b.lo = g
		}
	case silent, blocked:
		b.hi = min(b.hi, hop)
	default:
		b.skip[hop] = true
	}
}

// next returns the hop to ask next; 0: none is left.
func (b *bisect) next(t *Trace) int {
	var left []int
	for h := b.lo + 1; h < b.hi; h++ {
		if t.answers(h) && !b.skip[h] && t.limitOf(h) == h {
			left = append(left, h)
		}
	}
	for len(b.hints) > 0 {
		h := b.hints[0]
		b.hints = b.hints[1:]
		if slices.Contains(left, h) {
			return h
		}
	}
	if len(left) == 0 {
		return 0
	}
	return left[len(left)/2]
}

// hopOf returns how far the sender of an error is: as the quoted hop limit says,
// or else as the list of hops does. 0: not known.
func (t *Trace) hopOf(e event, s spec) int {
	if g := s.limit - e.quote.limit + 1; e.quote.limit > 0 && g >= 1 && g <= s.limit {
		return g
	}
	for _, h := range t.hops {
		if h.Addr.IsValid() && sameHost(h.Addr, e.from) {
			return h.Hop
		}
	}
	return 0
}

// usual are MTUs that links have, for a search where nobody names one.
var usual = []int{
	296, 508, 576, 1006, 1280, 1360, 1400, 1420, 1428, 1440, 1452, 1454, 1460, 1472, 1480, 1488, 1492, 1500,
	1546, 1600, 1998, 2000, 2002, 4078, 4352, 4464, 4470, 8000, 8166, 8950, 9000, 9001, 9180, 9216, 17914, 32000, 65535,
}

// mostSizes bounds the questions of one narrow.
const mostSizes = 14

// narrow finds the largest size that comes to a hop which answers. Where routers
// name a size it is exact; where they don't, it may remain a range.
type narrow struct {
	hop, limit int
	pass, fail int // the largest size that came there, the smallest that didn't
	q          *question
	hint       int
	verified   bool
	asked      int
	lost       bool // the hop stopped answering
}

// step returns true when no more can be found.
func (n *narrow) step(t *Trace) bool {
	size := 0
	switch {
	case n.q == nil:
		size = n.fail - 1
	case n.q.result == open:
		return false
	default:
		n.absorb(t)
		size = n.next()
	}
	if n.lost || size <= n.pass || size >= n.fail || n.asked >= mostSizes {
		return true
	}
	n.asked++
	n.q = t.ask(spec{Plain, size, n.limit})
	return false
}

func (n *narrow) absorb(t *Trace) {
	q := n.q
	n.hint = 0
	switch q.result {
	case reached:
		n.pass = max(n.pass, q.size)
		t.learn(n.hop, q.size, true)
		if !n.verified {
			n.verified = true
			n.hint = n.pass + 1
		}
	case refused:
		n.fail = min(n.fail, q.size)
		t.learn(n.hop, q.size, false)
		if n.hint, n.verified = q.event.mtu, false; n.hint == n.pass { // that much is known to pass
			n.hint, n.verified = n.pass+1, true
		}
	case silent:
		n.fail = min(n.fail, q.size)
		t.learn(n.hop, q.size, false)
	default:
		n.lost = true
	}
}

func (n *narrow) next() int {
	if n.hint > n.pass && n.hint < n.fail {
		return n.hint
	}
	var between []int
	for _, s := range usual {
		if s > n.pass && s < n.fail {
			between = append(between, s)
		}
	}
	if len(between) > 0 {
		return between[len(between)/2]
	}
	return 0
}
