package plpmtud

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"sort"
)

// Bounds of a Prior, so that one from an untrusted file costs little.
const (
	minPathMTU  = 68 // RFC 791: what every IPv4 network carries
	maxPathMTU  = maxSize
	maxWeight   = 1e12
	minWeight   = 1e-12
	maxPriorLen = 8192 // points and ranges together
)

// PriorPoint is the weight of one path MTU.
type PriorPoint struct {
	Size   int     // bytes of a whole IP packet, 68 to 65535
	Weight float64 // relative to all other weights of the Prior, 1e-12 to 1e12
}

// PriorRange is a weight spread evenly over all path MTUs from Lo to Hi.
type PriorRange struct {
	Lo, Hi int     // bytes of a whole IP packet, both included, 68 to 65535
	Weight float64 // of the whole range, relative to all other weights
}

// Prior says how frequent which path MTU is: what Optimal knows of a path
// before its first probe. Weights are relative; they need not sum to anything.
// A Prior doesn't change, and is safe for concurrent use.
type Prior struct {
	points []PriorPoint // ascending, no size twice
	ranges []PriorRange // ascending by Lo, then Hi; they may overlap
	total  float64
}

// PriorError reports what is wrong with a prior.
type PriorError struct {
	Line int    // of the file, from 1; 0: not from a file, or the file as a whole
	Msg  string // names the field and the value
}

func (e *PriorError) Error() string {
	if e.Line == 0 {
		return "plpmtud: prior: " + e.Msg
	}
	return fmt.Sprintf("plpmtud: prior: line %d: %s", e.Line, e.Msg)
}

// NewPrior makes a Prior of points and ranges in any order. Its errors are
// *PriorError: a size or weight out of range, a size given twice, more than
// 8192 entries, or none.
func NewPrior(points []PriorPoint, ranges []PriorRange) (*Prior, error) {
	p := &Prior{points: slices.Clone(points), ranges: slices.Clone(ranges)}
	if n := len(points) + len(ranges); n == 0 || n > maxPriorLen {
		return nil, &PriorError{Msg: fmt.Sprintf("%d entries, want 1 to %d", n, maxPriorLen)}
	}
	for _, q := range p.points {
		if err := q.check(); err != nil {
			return nil, err
		}
	}
	for _, r := range p.ranges {
		if err := r.check(); err != nil {
			return nil, err
		}
	}
	sort.Slice(p.points, func(i, j int) bool { return p.points[i].Size < p.points[j].Size })
	sort.Slice(p.ranges, func(i, j int) bool {
		a, b := p.ranges[i], p.ranges[j]
		return a.Lo < b.Lo || a.Lo == b.Lo && a.Hi < b.Hi
	})
	for _, q := range p.points { // in one order, so that a copy sums to the same
		p.total += q.Weight
	}
	for _, r := range p.ranges {
		p.total += r.Weight
	}
	for i := 1; i < len(p.points); i++ {
		if p.points[i].Size == p.points[i-1].Size {
			return nil, &PriorError{Msg: fmt.Sprintf("size %d is given twice", p.points[i].Size)}
		}
	}
	return p, nil
}

func checkSize(name string, size int) error {
	if size < minPathMTU || size > maxPathMTU {
		return &PriorError{Msg: fmt.Sprintf("%s is %d, want %d to %d bytes", name, size, minPathMTU, maxPathMTU)}
	}
	return nil
}

func checkWeight(w float64) error {
	if math.IsNaN(w) || w < minWeight || w > maxWeight {
		return &PriorError{Msg: fmt.Sprintf("weight is %v, want %v to %v", w, minWeight, maxWeight)}
	}
	return nil
}

func (q PriorPoint) check() error {
	if err := checkSize("size", q.Size); err != nil {
		return err
	}
	return checkWeight(q.Weight)
}

func (r PriorRange) check() error {
	if err := checkSize("lo", r.Lo); err != nil {
		return err
	}
	if err := checkSize("hi", r.Hi); err != nil {
		return err
	}
	if r.Lo > r.Hi {
		return &PriorError{Msg: fmt.Sprintf("lo is %d, want at most hi (%d)", r.Lo, r.Hi)}
	}
	return checkWeight(r.Weight)
}

// All yields every path MTU that the prior thinks possible, ascending, with
// its probability. The probabilities sum to 1.
func (p *Prior) All() iter.Seq2[int, float64] {
	return func(yield func(int, float64) bool) {
		mass := p.masses()
		for size, w := range mass {
			if w > 0 && !yield(size, w) {
				return
			}
		}
	}
}

// masses returns the probability of each path MTU, by size.
func (p *Prior) masses() []float64 {
	mass := make([]float64, maxPathMTU+1)
	for _, r := range p.ranges {
		each := r.Weight / p.total / float64(r.Hi-r.Lo+1)
		for size := r.Lo; size <= r.Hi; size++ {
			mass[size] += each
		}
	}
	for _, q := range p.points {
		mass[q.Size] += q.Weight / p.total
	}
	return mass
}
