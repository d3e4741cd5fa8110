package probe

import (
	"sort"

	"pathmtu/plpmtud"
)

// common are path MTUs that are met often, in ascending order: links, tunnels
// and their overheads.
var common = []int{
	576, 1006, 1280, 1400, 1420, 1440, 1454, 1460, 1472, 1480, 1492, 1500,
	2002, 4352, 4470, 8166, 9000, 9192, 16110, 17914, 32000,
}

// usual is a size that nearly every path carries: IPv6 asks for it.
const usual = 1280

// exact is the search of a Session: it ends only when the size above the floor
// is ruled out. It tries the ceiling, then common sizes that halve what is
// left, then the size just above a common one, then halves. A lost size is not
// repeated until what is below it has been found out: most losses are not
// chance. One that nearly every path carries is repeated once, before a long
// search below it.
type exact struct {
	min   int // no smaller size is of interest
	step  int // sizes are min plus multiples of step
	first int // MAX_PLPMTU at the start, tried before anything else
	// expect is what another search found, tried before that, and then what is above
	// it; 0: nothing was found yet.
	expect int
}

// Counting returns PerSize: a size is given up when it was lost MAX_PROBES times.
func (exact) Counting() plpmtud.Counting { return plpmtud.PerSize }

// Next implements plpmtud.Search.
func (x exact) Next(e plpmtud.Evidence) int {
	floor, ceiling := e.Floor, e.Ceiling
	top := ceiling // nothing was lost at or below it
	if e.N > 0 {
		top = int(e.Lost[0].Size) - 1
	}
	up := x.up(floor + 1)
	ceiling, top = x.down(ceiling), x.down(top)
	switch {
	case up > ceiling:
		return 0
	case up > top:
		return int(e.Lost[0].Size) // the only question left
	case e.N > 0 && e.Lost[0].Size <= usual && e.Lost[0].Count < 2 && e.MaxProbes > 1:
		return int(e.Lost[0].Size)
	case e.N == 0 && x.expect > floor && x.expect <= ceiling:
		return x.expect
	case e.N == 0 && x.expect == floor:
		return up
	case e.N == 0 && e.Ceiling == x.first:
		return ceiling
	}
	return x.down(x.pick(floor, up, top))
}

func (x exact) pick(floor, up, top int) int {
	lo := sort.SearchInts(common, up)
	hi := sort.SearchInts(common, top+1)
	switch {
	case hi > lo:
		return common[lo+(hi-lo)/2]
	case isCommon(floor):
		return up
	case top-up < 4:
		return top
	}
	return up + (top-up)/2
}

func isCommon(size int) bool {
	i := sort.SearchInts(common, size)
	return i < len(common) && common[i] == size
}

// up returns the least size of interest that is not below n.
func (x exact) up(n int) int {
	n = max(n, x.min)
	return n + (x.step-(n-x.min)%x.step)%x.step
}

// down returns the largest size of interest that is not above n.
func (x exact) down(n int) int {
	if n < x.min {
		return 0
	}
	return n - (n-x.min)%x.step
}
