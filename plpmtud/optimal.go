package plpmtud

import (
	"sync"
	"sync/atomic"
)

// optimal is the search that takes the least expected time. What it knows
// before the first probe is a prior over path MTUs; what a probe costs is a
// round trip if it is acknowledged and LossCost round trips if not. Which size
// is best then follows from dynamic programming over all states of the
// evidence, once for each loss cost:
//
//	path MTU      1228   1280        1400   1420  1452   1492  1500
//	prior           .      #           #     #      .     #   ########
//	                |                        |            |     |
//	evidence       floor                   lost 1x      lost 1x open
//	weight          1 ........................ p ......... p*p .....
//
// The figure shows pooled evidence: a loss at 1420 counts against 1420 and
// every larger size, because a path that carries 1492 carries 1420 as well.
// Each loss that counts against a path MTU multiplies its weight by p, the
// probability that a probe that fits is lost all the same (judgedLoss). An
// acknowledged size clears the losses at it and below. So a retry of a large
// size is deferred until it is worth more than another size (RFC 8899
// section 5.3.1 allows that), and a size often needs no second loss: a smaller
// one that was lost, or a smaller one that arrived and leaves little to gain,
// settles it.
//
// The search stops where the expected unused share of the payload is at most
// 0.2 %. That is a rule for every single stop, not for the average over all
// paths: a rare path is not given up because it is rare. It costs time; giving
// the average 0.2 % to whatever is cheapest would sell out the few paths with
// small MTUs. With weights as for 10 % of lost probes, a path that does lose
// 10 % of them still gets nearly the right answer (RFC 8899 section 3, item 4);
// time is counted as on the usual path, which loses far less.
//
// MAX_PROBES losses in a row end a search, whatever their sizes. A probe of the
// floor costs one round trip, arrives, and sets PROBE_COUNT back; the solution
// puts one in where the end would come too soon.
//
// The states are those of a coarse support of some 28 sizes: the most frequent
// path MTUs, and sizes in the wide gaps between them. Beliefs are exact sums
// over all path MTUs. When the table is done, refine halves the gap between the
// floor and the next size of the support for as long as it may hide more than
// 0.2 %.
type optimal struct {
	ranges [3]searchRange
	mu     sync.Mutex // held while a table is solved
}

// searchRange is one range of path MTUs with its own support, so that a search
// below 1500 bytes needn't spread its sizes over jumbo frames.
type searchRange struct {
	*support
	tables [len(lossClasses)][maxSupport]atomic.Pointer[table] // by loss class and top
}

// maxSupport bounds the number of sizes in a support, and so the time to solve
// a table and its size, both of which grow with the fourth power.
const maxSupport = 40

// The ranges: up to which path MTU, with how many sizes.
var searchRanges = [3]struct{ top, limit int }{
	{ethernetMTU, 28},
	{9216, 32},
	{maxSize, 34},
}

// lossClasses are the loss costs, in RTT, for which tables are solved: a loss
// that later packets reveal, one that a timer of about the RTT reveals, and
// timers of ever more RTTs. lossBounds lie between them.
var (
	lossClasses = [...]float64{1.25, 3.5, 8, 20, 75, 300}
	lossBounds  = [...]float32{2.1, 5.3, 12.6, 39, 150}
)

// Optimal returns the default search: OptimalFor(BuiltinPrior()). All callers
// share it.
func Optimal() Search { return defaultOptimal() }

var defaultOptimal = sync.OnceValue(func() *optimal { return newOptimal(BuiltinPrior()) })

// OptimalFor returns the search that takes the least time on paths whose MTUs
// are distributed as the prior says. Share it between paths: its tables, some
// 100 kB each, are solved when first needed, in some 10 ms. A nil prior means
// the built-in one. It is safe for concurrent use.
func OptimalFor(prior *Prior) Search {
	if prior == nil || prior == BuiltinPrior() {
		return Optimal()
	}
	return newOptimal(prior)
}

func newOptimal(prior *Prior) *optimal {
	o := &optimal{}
	mass := prior.masses()
	for i, r := range searchRanges {
		o.ranges[i].support = newSupport(prior, mass, r.top, r.limit, gapWaste)
	}
	return o
}

// Counting returns AnySize.
func (*optimal) Counting() Counting { return AnySize }

// Next implements Search. It does not allocate, but for the first use of a
// loss class.
func (o *optimal) Next(e Evidence) int {
	if e.Floor >= e.Ceiling {
		return 0
	}
	st := o.locate(&e)
	if e.Floor+e.Overhead < lowFloor {
		return st.climb(&e)
	}
	if st.f+1 < st.u {
		t := o.table(st.r, st.top, lossClass(e.LossCost))
		i := t.index(st.f, st.u, st.a, st.b)
		act := t.act[st.count][i]
		if int(act) == st.f && e.Consecutive == 0 {
			act = t.act[0][i]
		}
		switch {
		case act == actStop:
		case int(act) == st.f:
			return e.Floor
		case e.Floor+e.Overhead < usualFloor:
			// The table takes the floor for usualFloor, but there may be more between.
			return e.guarded(min(int(st.r.size[act])-e.Overhead, e.Ceiling))
		default:
			return min(int(st.r.size[act])-e.Overhead, e.Ceiling)
		}
	}
	return st.refine(&e)
}

func lossClass(cost float32) int {
	for i, bound := range lossBounds {
		if cost < bound {
			return i
		}
	}
	return len(lossBounds)
}

// table returns a solved table.
func (o *optimal) table(r *searchRange, top, class int) *table {
	slot := &r.tables[class][top]
	if t := slot.Load(); t != nil {
		return t
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := slot.Load(); t != nil {
		return t
	}
	t := solve(r.support, top, lossClasses[class])
	t.value = [solvedProbes][]float32{}
	slot.Store(t)
	return t
}

// situation is Evidence in terms of a support: see table.
type situation struct {
	r          *searchRange
	top        int
	f, u, a, b int
	count      int  // PROBE_COUNT as if MAX_PROBES were solvedProbes
	open       bool // nothing speaks against the ceiling itself
}

// locate finds the situation that the evidence describes.
func (o *optimal) locate(e *Evidence) situation {
	floor, ceiling := e.Floor+e.Overhead, e.Ceiling+e.Overhead
	var st situation
	for i := range o.ranges {
		if st.r = &o.ranges[i]; ceiling <= searchRanges[i].top {
			break
		}
	}
	s := st.r.support
	st.f = s.last(floor)
	st.open = !e.GaveUp
	if st.open {
		st.top = s.first(ceiling)
		st.u = st.top + 1
	} else {
		st.top = len(s.size) - 1
		st.u = s.first(ceiling + 1)
	}
	st.u = max(st.u, st.f+1)
	st.a, st.b = st.u, st.u
	pooled := 0
	for _, l := range e.Lost[:e.N] {
		// The loss speaks against all path MTUs from its size up.
		i := min(max(s.first(int(l.Size)+e.Overhead), st.f+1), st.u)
		for range min(int(l.Count), solvedProbes) {
			switch pooled++; pooled {
			case 1:
				st.a = i
			case 2:
				st.b = i
			case solvedProbes:
				st.u = i
			}
		}
	}
	st.u = max(st.u, st.f+1)
	st.a, st.b = min(st.a, st.u), min(st.b, st.u)
	st.count = min(max(e.Consecutive+solvedProbes-e.MaxProbes, 0), solvedProbes-1)
	return st
}
