package plpmtud

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// exactSearch is the optimum that Optimal is measured against: the least
// expected time of any search that
//   - probes sizes of the support, and the floor;
//   - pools losses as RFC 8899 section 5.1.3 does: the third that counts
//     against a size rules it out, and the third in a row ends the search;
//   - stops only where the expected unused share of the payload is at most
//     0.2 %, each path MTU weighed by its prior and by judgedLoss for each loss
//     that counts against it;
//
// on paths that lose nothing but what is too large. It shares no code with
// solve: values are memoised from the top over the full evidence, and beliefs
// are plain sums.
type exactSearch struct {
	sizes    []int
	masses   []float64           // by path MTU
	cell     [exactSizes]float64 // mass from each size up to the next
	used     [exactSizes]float64 // the same, each path MTU divided by its payload
	memo     []exactChoice       // by exactState.key
	lossCost float64
}

const (
	exactSizes = 28
	exactLimit = 0.002
)

type exactState struct {
	floor, below int // indices: acknowledged; the smallest impossible
	n            int // losses that count
	lost         [2]int
	count        int // PROBE_COUNT
}

func (s exactState) key() int {
	k := s.floor*(exactSizes+1) + s.below
	for i := range s.lost {
		l := exactSizes
		if i < s.n {
			l = s.lost[i]
		}
		k = k*(exactSizes+1) + l
	}
	return k*solvedProbes + s.count
}

type exactChoice struct {
	known bool
	next  int8 // index, -1: stop
	time  float32
}

// belief returns the weight of each size's cell, and whether the search may
// stop.
func (x *exactSearch) belief(s exactState) (cell [exactSizes]float64, enough bool) {
	total, above, used := 0.0, 0.0, 0.0
	for i := s.floor; i < s.below; i++ {
		w := 1.0
		for _, l := range s.lost[:s.n] {
			if i >= l {
				w *= judgedLoss
			}
		}
		cell[i] = w * x.cell[i]
		total += cell[i]
		if i > s.floor { // what no size of the support can tell apart is no waste
			above += cell[i]
			used += w * x.used[i]
		}
	}
	return cell, above-float64(x.sizes[s.floor]-headers)*used <= exactLimit*total
}

func (x *exactSearch) acked(s exactState, size int) exactState {
	s.count = 0
	for s.n > 0 && s.lost[0] <= size {
		s.lost[0] = s.lost[1]
		s.n--
	}
	s.floor = size
	return s
}

func (x *exactSearch) missed(s exactState, size int) exactState {
	s.count++
	if size == s.floor {
		return s
	}
	lost := [3]int{size}
	n := 1 + copy(lost[1:], s.lost[:s.n])
	slices.Sort(lost[:n])
	if n == len(lost) {
		s.below = lost[2]
		for n = 0; lost[n] < s.below; n++ {
		}
	}
	s.n = copy(s.lost[:], lost[:n])
	return s
}

// choose returns the best choice and its expected time.
func (x *exactSearch) choose(s exactState) (next int, time float64) {
	if s.count == solvedProbes {
		if _, enough := x.belief(s); enough {
			return -1, 0
		}
		return -1, math.Inf(1)
	}
	if c := x.memo[s.key()]; c.known {
		return int(c.next), float64(c.time)
	}
	cell, enough := x.belief(s)
	total := 0.0
	for _, w := range cell {
		total += w
	}
	next, time = -1, 0
	if !enough && total > 0 && s.floor+1 < s.below {
		time = math.Inf(1)
		if s.count > 0 {
			_, after := x.choose(x.acked(s, s.floor))
			next, time = s.floor, 1+after
		}
		tail := 0.0
		for size := s.below - 1; size > s.floor; size-- {
			tail += cell[size]
			p := tail / total
			t := 0.0
			if p > 0 {
				_, after := x.choose(x.acked(s, size))
				t += p * (1 + after)
			}
			if p < 1 && t < time {
				_, after := x.choose(x.missed(s, size))
				t += (1 - p) * (x.lossCost + after)
			}
			if t < time {
				next, time = size, t
			}
		}
	}
	x.memo[s.key()] = exactChoice{known: true, next: int8(next), time: float32(time)}
	return next, time
}

// expect walks the choices over all path MTUs.
func (x *exactSearch) expect() (time, final float64) {
	total := 0.0
	top := x.sizes[len(x.sizes)-1]
	for mtu := x.sizes[0]; mtu < len(x.masses); mtu++ {
		w := x.masses[mtu]
		if w == 0 {
			continue
		}
		total += w
		mtu := min(mtu, top)
		s := exactState{below: len(x.sizes)}
		for {
			next, _ := x.choose(s)
			if next < 0 {
				break
			}
			if x.sizes[next] <= mtu {
				time += w
				s = x.acked(s, next)
			} else {
				time += w * x.lossCost
				s = x.missed(s, next)
			}
		}
		final += w * float64(x.sizes[s.floor]-28) / float64(mtu-28)
	}
	return time / total, final / total
}

func newExact(prior *Prior, lossCost float64) *exactSearch {
	masses := prior.masses()
	x := &exactSearch{masses: masses, lossCost: lossCost}
	n := exactSizes + 1
	x.memo = make([]exactChoice, n*n*n*n*solvedProbes)
	for _, size := range newSupport(prior, masses, ethernetMTU, exactSizes, 0).size {
		x.sizes = append(x.sizes, int(size))
	}
	for mtu := ethernetMTU + 1; mtu < len(masses); mtu++ { // no use
		masses[ethernetMTU] += masses[mtu]
		masses[mtu] = 0
	}
	for i, size := range x.sizes {
		end := ethernetMTU + 1
		if i+1 < len(x.sizes) {
			end = x.sizes[i+1]
		}
		for mtu := size; mtu < end; mtu++ {
			x.cell[i] += masses[mtu]
			x.used[i] += masses[mtu] / float64(mtu-headers)
		}
	}
	return x
}

// The optimal search takes at most 1.1 times the computed optimum's time
// (D5.3.2), and the final size is within 0.2 % on average.
func TestOptimalAgainstExact(t *testing.T) {
	for _, name := range []string{"a", "b"} {
		prior := testPrior(t, name)
		search := OptimalFor(prior)
		for _, lossCost := range []float64{1.25, 20, 300} {
			x := newExact(prior, lossCost)
			optimum, final := x.expect()
			ours := walkConfig{base: usualFloor, max: ethernetMTU, lossCost: lossCost}.expect(search, prior)
			t.Logf("prior %s, loss %6.2f RTT: optimum on %d sizes %.2f RTT (final %.2f %%), search %.2f RTT (final %.2f %%), ratio %.3f",
				name, lossCost, len(x.sizes), optimum, 100*final, ours.time, 100*ours.final, ours.time/optimum)
			assert.LessOrEqual(t, ours.time, 1.1*optimum)
			assert.GreaterOrEqual(t, ours.final, 0.998)
		}
	}
}
