package plpmtud

// Binary is a textbook binary search: it halves the range between the largest
// acknowledged size and the smallest failed one. It knows nothing of which
// path MTUs exist, so it needs two to three times the time of Optimal; it is
// here as a yardstick, and for paths of which nothing at all is known.
//
// It probes IP packet sizes that are multiples of Step. When none is left it
// tries the ceiling itself, so that an interface MTU of 1500 bytes is found
// exactly whatever Step is.
type Binary struct {
	// Step is the granularity in bytes: the search ends within Step-1 bytes of
	// the path MTU. Zero: 4. At most 1024.
	Step int
}

const (
	defaultStep = 4
	maxStep     = 1024
)

// Counting returns PerSize: a binary search can't use a size that is only
// half refused.
func (Binary) Counting() Counting { return PerSize }

// Next implements Search. It does not allocate.
func (b Binary) Next(e Evidence) int {
	if e.Floor >= e.Ceiling {
		return 0
	}
	if s := e.lowestLost(); s != 0 {
		return s
	}
	step := b.Step
	if step <= 0 {
		step = defaultStep
	}
	step = min(step, maxStep)
	floor, ceiling := e.Floor+e.Overhead, e.Ceiling+e.Overhead
	lo := floor/step + 1 // the multiples of step in (floor, ceiling] are lo*step .. hi*step
	hi := ceiling / step
	if lo <= hi {
		return (lo+hi)/2*step - e.Overhead
	}
	if e.GaveUp {
		return 0
	}
	return e.Ceiling
}
