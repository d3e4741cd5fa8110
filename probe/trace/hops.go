package trace

import (
	"net/netip"
	"time"
)

const (
	window  = 3 // hops that are asked at the same time
	mostGap = 6 // silent hops in a row after which to look no further
)

// Hop is one hop of the path.
type Hop struct {
	Hop    int        // 1: the first router
	Addr   netip.Addr // not valid: silent
	RTT    time.Duration
	Target bool
	Halt   bool // it said that the target can't or mustn't be reached
	// Passes is the largest size known to have arrived here, Fails the smallest
	// known not to; 0: none. Bytes.
	Passes, Fails int
	// MinPMTU is what the Minimum Path MTU option said when it arrived; -1: not
	// quoted.
	MinPMTU int
	// MSS is that of a SYN when it arrived; 0: not quoted.
	MSS int
}

// hopStep asks one hop after the other; true: all hops are known.
func (t *Trace) hopStep() bool {
	t.findDistance()
	if t.distance == 0 {
		return t.goOn()
	}
	pending := false
	for i, q := range t.asked {
		if i+1 > t.distance {
			q.end(cancelled)
		} else {
			pending = pending || q.result == open
		}
	}
	if pending || t.lookNearer() {
		return false
	}
	t.buildHops()
	return true
}

// findDistance notes the first hop with which the path ends.
func (t *Trace) findDistance() {
	for i, q := range t.asked {
		arrived := q.result == reached && q.event.kind != timeExceeded
		if arrived || q.result == blocked {
			t.distance, t.halt = i+1, !arrived
			return
		}
	}
}

// goOn asks farther hops; true: there is nothing more to ask.
func (t *Trace) goOn() bool {
	openCount, quiet := 0, 0
	for _, q := range t.asked {
		switch q.result {
		case open:
			openCount++
		case reached:
			quiet = 0
		case silent, unknown:
			quiet++
		}
	}
	for openCount < window && len(t.asked) < t.cfg.MaxHops && quiet < mostGap {
		t.asked = append(t.asked, t.ask(spec{Plain, t.cfg.small(), len(t.asked) + 1}))
		openCount++
	}
	if openCount > 0 {
		return false
	}
	t.buildHops()
	return true
}

// buildHops makes the list of hops of the answers.
func (t *Trace) buildHops() {
	if t.halt { // it is not the target that answered there
		t.halt = false
		defer func() { t.distance = 0 }()
	}
	last := 0
	for i, q := range t.asked {
		if q.result == reached || q.result == blocked {
			last = i + 1
		}
	}
	if t.distance != 0 {
		last = t.distance
	}
	t.hops = make([]Hop, last)
	for i := range t.hops {
		h, q := &t.hops[i], t.asked[i]
		h.Hop, h.MinPMTU = i+1, -1
		if q.result == reached || q.result == blocked {
			h.Addr, h.RTT = q.event.from, q.rtt
			h.Passes = q.size
			h.Target = q.result == reached && q.event.kind != timeExceeded
			h.Halt = q.result == blocked
		}
	}
}

// answers says whether a hop answered plain probes.
func (t *Trace) answers(h int) bool {
	return h >= 1 && h <= len(t.hops) && t.hops[h-1].Addr.IsValid() && !t.hops[h-1].Halt
}

// lastAnswer is the farthest hop that answers; 0: none.
func (t *Trace) lastAnswer() int {
	for h := len(t.hops); h >= 1; h-- {
		if t.answers(h) {
			return h
		}
	}
	return 0
}

// far is the farthest place that answers, as a hop, and the hop limit to reach
// it; 0: there is none.
func (t *Trace) far() (hop, limit int) {
	if o, ok := t.end(); ok && o.PMTU != nil && o.Method.Method == "udp" || t.distance != 0 {
		if t.distance != 0 {
			return t.distance, initialHopLimit
		}
		return len(t.hops) + 1, initialHopLimit
	}
	h := t.lastAnswer()
	return h, h
}

// limitOf is the hop limit of a packet that is to expire at a hop, or to arrive
// at the target.
func (t *Trace) limitOf(h int) int {
	if t.distance != 0 && h >= t.distance || h > len(t.hops) {
		return initialHopLimit
	}
	return h
}

// learn notes what an answered question says about sizes.
func (t *Trace) learn(hop, size int, passes bool) {
	if hop < 1 || hop > len(t.hops) {
		return
	}
	h := &t.hops[hop-1]
	if passes {
		h.Passes = max(h.Passes, size)
	} else if h.Fails == 0 || size < h.Fails {
		h.Fails = size
	}
}
