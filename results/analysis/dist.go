package analysis

import (
	"cmp"
	"math"
	"slices"
)

// Bin is a number of paths with one path MTU.
type Bin struct {
	Size  int   `json:"size"` // bytes
	Count int64 `json:"count"`
}

// Dist is a distribution of sizes. The zero value is empty.
type Dist struct {
	N    int64 `json:"n"`
	Bins []Bin `json:"bins"` // ascending
}

// sizes counts path MTUs.
type sizes map[int]int64

func (s sizes) dist() Dist {
	d := Dist{Bins: []Bin{}}
	for size, n := range s {
		d.N += n
		d.Bins = append(d.Bins, Bin{size, n})
	}
	slices.SortFunc(d.Bins, func(a, b Bin) int { return a.Size - b.Size })
	return d
}

// Quantile returns the least size that at least a share q of paths don't exceed;
// 0 of an empty distribution.
func (d Dist) Quantile(q float64) int {
	var sum int64
	for _, b := range d.Bins {
		if sum += b.Count; float64(sum) >= q*float64(d.N) {
			return b.Size
		}
	}
	return 0
}

// AtLeast returns how many paths carry a packet of that size.
func (d Dist) AtLeast(size int) int64 {
	var sum int64
	for _, b := range d.Bins {
		if b.Size >= size {
			sum += b.Count
		}
	}
	return sum
}

// Top returns the most frequent sizes, at most n, the most frequent first.
func (d Dist) Top(n int) []Bin {
	top := slices.Clone(d.Bins)
	slices.SortStableFunc(top, func(a, b Bin) int { return cmp.Compare(b.Count, a.Count) })
	return top[:min(n, len(top))]
}

// Wilson returns the 95 % confidence interval of the share k/n (Wilson's score).
func Wilson(k, n int64) (lo, hi float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	p, m := float64(k)/float64(n), float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	lo, hi = max(0, mid-half), min(1, mid+half)
	if k == 0 {
		lo = 0
	}
	if k == n {
		hi = 1
	}
	return lo, hi
}

// Cost is a distribution of what measuring one target cost. Quantiles are exact
// below 128, and at most 1.6 % too large above.
type Cost struct {
	N    int64   `json:"n"`
	Mean float64 `json:"mean"`
	P50  int64   `json:"p50"`
	P90  int64   `json:"p90"`
	P99  int64   `json:"p99"`
	Max  int64   `json:"max"`
	// Bins are the counts behind it: by the largest value of each bin.
	Bins []CostBin `json:"bins"`
}

// CostBin is a number of targets.
type CostBin struct {
	UpTo  int64 `json:"up_to"`
	Count int64 `json:"count"`
}

// costs counts values: each one below 128, then 64 bins for each power of two.
type costs struct {
	bins map[int64]int64
	n    int64
	sum  float64
	max  int64
}

func (c *costs) add(v int64) {
	if c.bins == nil {
		c.bins = map[int64]int64{}
	}
	v = max(v, 0)
	c.n++
	c.sum += float64(v)
	c.max = max(c.max, v)
	c.bins[upTo(v)]++
}

// upTo returns the largest value in the bin of v.
func upTo(v int64) int64 {
	shift := 0
	for v>>shift >= 128 {
		shift++
	}
	return v | (1<<shift - 1)
}

func (c *costs) cost() Cost {
	out := Cost{N: c.n, Max: c.max, Bins: []CostBin{}}
	if c.n == 0 {
		return out
	}
	out.Mean = c.sum / float64(c.n)
	for v, n := range c.bins {
		out.Bins = append(out.Bins, CostBin{v, n})
	}
	slices.SortFunc(out.Bins, func(a, b CostBin) int { return cmp.Compare(a.UpTo, b.UpTo) })
	quantile := func(q float64) int64 {
		var sum int64
		for _, b := range out.Bins {
			if sum += b.Count; float64(sum) >= q*float64(c.n) {
				return min(b.UpTo, c.max)
			}
		}
		return c.max
	}
	out.P50, out.P90, out.P99 = quantile(0.5), quantile(0.9), quantile(0.99)
	return out
}
