package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"pathmtu/results"
)

// priorCount counts the path MTUs that say what paths carry.
type priorCount struct {
	sizes            sizes
	confirmed, limit int64
}

func (p *priorCount) add(r *results.Record) {
	if r.PMTU == nil {
		return
	}
	p.confirmed++
	switch r.Verdict {
	case results.OK, results.OKSilent, results.LossyAbove, results.ReverseLimit:
		p.sizes.add(r.PMTU)
	case results.LocalLimit:
		if r.Vantage.MTU != 0 && *r.PMTU >= r.Vantage.MTU {
			p.sizes.add(r.PMTU)
			return
		}
		p.limit++
	default:
		p.limit++
	}
}

// Weights are a measured prior: how frequent which path MTU is.
type Weights struct {
	Points    []Weight // ascending
	Ranges    []Weight // spread evenly from Size to To
	Used      int64    // paths
	Confirmed int64    // path MTUs, of which some say only what a host or a limit allows
	Unseen    float64  // share of the weight that is left to sizes that were not seen
}

// Weight is the weight of one size, or of all from Size to To. Bytes of IP packet.
type Weight struct {
	Size, To int
	Weight   float64
}

// Bounds of a prior's file.
const (
	leastSize  = 68
	mostSize   = 65535
	mostPoints = 4096
	ipv6Least  = 1280
)

// Prior returns the weights of all path MTUs that say what a path carries: those
// that are a limit of the host that answered, or of what was tried, are left
// out. Smoothing:
//
//   - a share of (1 + sizes seen once) / (1 + paths), at most a half, is left to
//     sizes that were not seen (Good and Turing's estimate, plus one);
//   - nine tenths of it are spread evenly from the smaller of 1280 and the least
//     size seen to the largest, one tenth from 68 to 65535, so that nothing is
//     impossible;
//   - the other share goes to the sizes seen, as often as they were. Of more than
//     4096 the rarest are spread too.
//
// The weights sum to the number of paths. It is an error if there are none.
func (c *Collector) Prior() (*Weights, error) {
	d := c.prior.sizes.dist()
	w := &Weights{Used: d.N, Confirmed: c.prior.confirmed}
	if d.N == 0 {
		return nil, fmt.Errorf("no record has a path MTU that says what a path carries (%d have one that is a limit of something else)", c.prior.limit)
	}
	once := 0
	counts := map[int]int64{}
	for _, b := range d.Bins {
		if b.Count == 1 {
			once++
		}
		counts[min(max(b.Size, leastSize), mostSize)] += b.Count
	}
	w.Unseen = min(0.5, float64(1+once)/float64(1+d.N))
	seen := slices.SortedFunc(maps.Keys(counts), func(a, b int) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), a-b) })
	spread := w.Unseen * float64(d.N)
	for i, size := range seen {
		each := float64(counts[size]) * (1 - w.Unseen)
		if i < mostPoints {
			w.Points = append(w.Points, Weight{size, size, readable(each)})
		} else {
			spread += each
		}
	}
	slices.SortFunc(w.Points, func(a, b Weight) int { return a.Size - b.Size })
	lo, hi := min(ipv6Least, slices.Min(seen)), slices.Max(seen)
	w.Ranges = []Weight{{lo, hi, readable(0.9 * spread)}, {leastSize, mostSize, readable(0.1 * spread)}}
	slices.SortFunc(w.Ranges, func(a, b Weight) int { return cmp.Or(a.Size-b.Size, a.To-b.To) })
	return w, nil
}

// readable rounds a weight to a millionth.
func readable(w float64) float64 { return max(1e-6, math.Round(w*1e6)/1e6) }
