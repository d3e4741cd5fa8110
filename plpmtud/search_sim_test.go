package plpmtud

import (
	"math/rand"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// testPrior reads a prior of testdata: a, b, c and d are those of the reports.
func testPrior(t testing.TB, name string) *Prior {
	t.Helper()
	f, err := os.Open("testdata/prior-" + name + ".txt")
	require.NoError(t, err)
	defer f.Close()
	p, err := ParsePrior(f)
	require.NoError(t, err)
	return p
}

// walk is what one search did on one path.
type walk struct {
	time         float64 // RTT
	probes, lost int
	final        int // IP packet, bytes
	sizes        []int
	endless      bool // stopped by the simulation
}

// walkConfig is a path, and how a search uses it. Sizes are those of IP packets.
type walkConfig struct {
	pathMTU, base, max int
	lossCost           float64
	known              float32    // Evidence.LossCost; 0: lossCost
	loss               float64    // probability that a probe that fits is lost
	rng                *rand.Rand // for loss
	maxProbes          int        // 0: 3
	overhead           int        // 0: 28
	trace              bool
}

// run walks a search over a path as a Path does while SEARCHING: one probe at a
// time, each answered or declared lost, evidence kept as RFC 8899 section 5.1.3
// and Counting say.
func (c walkConfig) run(s Search) walk {
	if c.overhead == 0 {
		c.overhead = 28
	}
	if c.maxProbes == 0 {
		c.maxProbes = DefaultMaxProbes
	}
	if c.known == 0 {
		c.known = float32(c.lossCost)
	}
	perSize := s.Counting() == PerSize
	e := Evidence{
		Floor: c.base - c.overhead, Ceiling: c.max - c.overhead,
		MaxProbes: c.maxProbes, LossCost: c.known, Overhead: c.overhead,
	}
	var w walk
	for {
		n := s.Next(e)
		if n < e.Floor || n > e.Ceiling || n == 0 {
			break
		}
		if w.probes++; w.probes > 100000 {
			w.endless = true
			break
		}
		if c.trace {
			w.sizes = append(w.sizes, n+c.overhead)
		}
		if n+c.overhead <= c.pathMTU && (c.loss == 0 || c.rng.Float64() >= c.loss) {
			w.time++
			e.Consecutive = 0
			if n > e.Floor {
				e.Floor = n
				drop := 0
				for drop < e.N && int(e.Lost[drop].Size) <= n {
					drop++
				}
				e.N = copy(e.Lost[:], e.Lost[drop:e.N])
			}
			if e.Floor == e.Ceiling {
				break
			}
			continue
		}
		w.lost++
		w.time += c.lossCost
		e.Consecutive++
		if n > e.Floor {
			e.lose(n, perSize)
		}
		if !perSize && e.Consecutive >= e.MaxProbes {
			break
		}
	}
	w.final = e.Floor + c.overhead
	return w
}

func (e *Evidence) lose(size int, perSize bool) {
	i := 0
	for i < e.N && int(e.Lost[i].Size) < size {
		i++
	}
	switch {
	case i < e.N && int(e.Lost[i].Size) == size:
		e.Lost[i].Count++
	case i == maxLost:
		return
	default:
		e.N = min(e.N+1, maxLost)
		copy(e.Lost[i+1:e.N], e.Lost[i:])
		e.Lost[i] = LostSize{Size: uint16(size), Count: 1}
	}
	pooled := 0
	for i, l := range e.Lost[:e.N] {
		if perSize {
			pooled = 0
		}
		if pooled += int(l.Count); pooled >= e.MaxProbes {
			e.Ceiling, e.GaveUp, e.N = int(l.Size)-1, true, i
			return
		}
	}
}

// expectation is the average of walks over all path MTUs of a prior from base up.
type expectation struct {
	time, probes, lost float64
	final              float64 // share of the payload that the final size carries
	short              float64 // probability of a final size more than 1 % short
}

func (c walkConfig) expect(s Search, prior *Prior) expectation {
	var sum expectation
	total := 0.0
	for size, p := range prior.All() {
		if size < c.base {
			continue
		}
		c.pathMTU = min(size, c.max)
		w := c.run(s)
		share := float64(w.final-28) / float64(c.pathMTU-28)
		total += p
		sum.time += p * w.time
		sum.probes += p * float64(w.probes)
		sum.lost += p * float64(w.lost)
		sum.final += p * share
		if share < 0.99 {
			sum.short += p
		}
	}
	sum.time /= total
	sum.probes /= total
	sum.lost /= total
	sum.final /= total
	sum.short /= total
	return sum
}
