package stacks

// voelker is Völker's binary search as INET has it, on a grid of four bytes. A
// loss only moves the search on to a smaller size; the larger one is tried
// again later ("deferred"). A size is given up when it is the smallest one
// outstanding and was lost three times. The "Opt" variant tries the largest
// size first.
type voelker struct {
	ok, max  int
	maxFirst bool
	started  bool        // the base is a candidate until the first acknowledgement
	lost     map[int]int // size to losses
	hi       int         // smallest lost size, 0: none but perhaps max
}

const voelkerStep = 4

func newVoelker(s Setting, opt bool) Search {
	return &voelker{ok: s.base(1200), max: s.max(s.local()), maxFirst: opt, lost: map[int]int{}}
}

func (v *voelker) Next() int {
	if v.maxFirst {
		return v.max
	}
	hi := v.hi
	if hi == 0 {
		hi = v.max
	}
	if hi-v.ok <= voelkerStep {
		if n := v.lost[hi]; n == 0 || n >= maxProbes {
			return 0
		}
		return hi
	}
	lo, top := v.ok+voelkerStep, hi
	if !v.started {
		lo = v.ok
	}
	if v.hi != 0 {
		top = hi - voelkerStep
	}
	n := (top-lo)/voelkerStep + 1
	return lo + n/2*voelkerStep
}

func (v *voelker) Acked() {
	v.ok, v.started, v.maxFirst = v.Next(), true, false
	v.hi = 0
	for size := range v.lost {
		if size <= v.ok {
			delete(v.lost, size)
		} else if size != v.max && (v.hi == 0 || size < v.hi) {
			v.hi = size
		}
	}
}

func (v *voelker) Lost() {
	size := v.Next()
	v.lost[size]++
	if size != v.max && (v.hi == 0 || size < v.hi) {
		v.hi = size
	}
	v.maxFirst = false
}

func (v *voelker) Size() int { return v.ok }
