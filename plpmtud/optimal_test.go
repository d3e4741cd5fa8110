package plpmtud

import (
	"fmt"
	"math/rand"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var reportedLossCosts = []float64{1.25, 3.5, 20, 300}

// Expected time, probes and final size for the priors of the reports, by the
// search for that prior and by the default search, which knows none of them. On
// average the final size is within 0.2 % of the path MTU's payload (D5.3.2).
func TestOptimalExpectation(t *testing.T) {
	for _, name := range []string{"a", "b", "c", "d"} {
		prior := testPrior(t, name)
		top := ethernetMTU
		if name == "d" {
			top = 9001
		}
		own := OptimalFor(prior)
		for _, lossCost := range reportedLossCosts {
			c := walkConfig{base: usualFloor, max: top, lossCost: lossCost}
			mine, other := c.expect(own, prior), c.expect(Optimal(), prior)
			binary := c.expect(Binary{}, prior)
			for _, r := range []struct {
				search string
				expectation
			}{{"own", mine}, {"default", other}, {"binary", binary}} {
				t.Logf("prior %s, loss %6.2f RTT, %-7s: %7.2f RTT, %5.2f probes, %4.2f lost, final %.3f %%, over 1 %% short %.2f %%",
					name, lossCost, r.search, r.time, r.probes, r.lost, 100*r.final, 100*r.short)
			}
			assert.GreaterOrEqual(t, mine.final, 0.998)
			assert.Less(t, mine.time, binary.time)
			if name != "c" { // the default prior says that not all sizes are alike
				assert.GreaterOrEqual(t, other.final, 0.998)
				assert.Less(t, other.time, 1.35*mine.time, "the default search serves other priors too")
			}
		}
	}
}

// Unrelated losses are tolerated (D3-4c): on paths that lose 1, 5 or 10 % of all
// probes, whatever their size, few runs end materially short.
func TestOptimalToleratesLoss(t *testing.T) {
	const runs = 4000
	for _, mtu := range []int{1500, 1420} {
		for _, lossCost := range reportedLossCosts {
			for _, r := range []struct{ loss, short, mean float64 }{
				{0.01, 0.002, 0.9995}, {0.05, 0.01, 0.999}, {0.1, 0.035, 0.996},
			} {
				c := walkConfig{
					base: usualFloor, max: ethernetMTU, pathMTU: mtu, lossCost: lossCost,
					loss: r.loss, rng: rand.New(rand.NewSource(1)),
				}
				clean := c
				clean.loss = 0
				target := clean.run(Optimal()).final
				require.InDelta(t, mtu, target, 0.002*float64(mtu))
				short, below, sum := 0, 0, 0
				for range runs {
					w := c.run(Optimal())
					require.False(t, w.endless)
					sum += w.final
					if w.final < target {
						below++
					}
					if float64(w.final) < 0.99*float64(mtu) {
						short++
					}
				}
				t.Logf("path MTU %d, loss %6.2f RTT, %2.0f %% lost: below %.2f %%, over 1 %% short %.2f %%, mean %.1f",
					mtu, lossCost, 100*r.loss, 100*float64(below)/runs, 100*float64(short)/runs, float64(sum)/runs)
				assert.LessOrEqual(t, float64(short)/runs, r.short)
				assert.GreaterOrEqual(t, float64(sum)/runs, r.mean*float64(mtu))
			}
		}
	}
}

// Every size that an interface may have, and every path MTU below it, is found
// to 0.2 % or so, without help from the prior; a limit that is the path MTU is
// found exactly (D3-5a).
func TestOptimalFindsLimits(t *testing.T) {
	for _, limit := range []int{1280, 1300, 1334, 1400, 1420, 1442, 1450, 1466, 1480, 1486, 1492, 1500, 1998, 2000, 4352, 8996, 9000, 9001, 9216, 16110, 65535} {
		for _, lossCost := range reportedLossCosts {
			w := walkConfig{base: usualFloor, max: limit, pathMTU: limit, lossCost: lossCost}.run(Optimal())
			assert.Equal(t, limit, w.final, "limit %d, loss %v RTT", limit, lossCost)
			assert.Less(t, w.probes, 30)
		}
	}
}

// Path MTUs that the prior hardly knows are found all the same, from any floor:
// up to Ethernet's within 4 %, and among jumbo frames, where the prior leaves
// wide gaps, to a quarter at worst.
func TestOptimalFindsStrangePaths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := walkConfig{
			base:     rapid.IntRange(68, 3000).Draw(t, "base"),
			lossCost: rapid.SampledFrom(reportedLossCosts).Draw(t, "loss cost"),
			overhead: rapid.SampledFrom([]int{28, 48, 61}).Draw(t, "overhead"),
		}
		c.base = max(c.base, c.overhead+1)
		c.pathMTU = rapid.IntRange(c.base, 10000).Draw(t, "path MTU")
		c.max = rapid.IntRange(c.pathMTU, maxSize).Draw(t, "max")
		w := c.run(Optimal())
		require.False(t, w.endless)
		require.LessOrEqual(t, w.final, c.pathMTU)
		within := 0.96
		if c.pathMTU > ethernetMTU {
			within = 0.75
		}
		require.GreaterOrEqual(t, float64(w.final), within*float64(c.pathMTU), "%+v after %d probes", c, w.probes)
		require.Less(t, w.probes, 120)
	})
}

// A search ends, whatever is lost, for any prior, loss cost and MAX_PROBES, and
// never claims more than the path carries.
func TestOptimalEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		search := Optimal()
		if rapid.IntRange(0, 9).Draw(t, "other prior") == 0 {
			search = OptimalFor(drawPrior(t))
		}
		c := walkConfig{
			base:      rapid.IntRange(100, 2000).Draw(t, "base"),
			lossCost:  1,
			known:     rapid.SampledFrom([]float32{0.5, 3, 100}).Draw(t, "loss cost"),
			loss:      rapid.SampledFrom([]float64{0, 0.01, 0.3, 0.9}).Draw(t, "loss"),
			maxProbes: rapid.IntRange(1, 15).Draw(t, "MaxProbes"),
			rng:       rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))),
		}
		c.pathMTU = rapid.IntRange(c.base, maxSize).Draw(t, "path MTU")
		c.max = rapid.IntRange(c.base, maxSize).Draw(t, "max")
		w := c.run(search)
		require.False(t, w.endless)
		require.LessOrEqual(t, w.final, min(c.pathMTU, c.max))
		require.GreaterOrEqual(t, w.final, c.base)
		require.Less(t, w.probes, 1000)
	})
}

// Counting per size, as Config.PerSize asks for, ends as well.
func TestOptimalCountedPerSize(t *testing.T) {
	search := perSize{Optimal()}
	for mtu := usualFloor; mtu <= ethernetMTU; mtu += 7 {
		w := walkConfig{base: usualFloor, max: ethernetMTU, pathMTU: mtu, lossCost: 1.25}.run(search)
		require.False(t, w.endless)
		require.GreaterOrEqual(t, float64(w.final), 0.975*float64(mtu))
	}
}

type perSize struct{ Search }

func (perSize) Counting() Counting { return PerSize }

// The loss that would end the search too soon is averted by a probe of the
// floor, which sets PROBE_COUNT back (D5.1.2).
func TestOptimalProbesFloor(t *testing.T) {
	w := walkConfig{base: usualFloor, max: ethernetMTU, pathMTU: 1350, lossCost: 20, trace: true}.run(Optimal())
	row, longest, floors := 0, 0, 0
	floor := usualFloor
	for _, size := range w.sizes {
		switch {
		case size > 1350:
			row++
		case size == floor:
			floors++
			row = 0
		default:
			floor, row = size, 0
		}
		longest = max(longest, row)
	}
	assert.Less(t, longest, DefaultMaxProbes, "%v", w.sizes)
	assert.InDelta(t, 1350, w.final, 3)
	e := Evidence{Floor: 1200, Ceiling: 1472, MaxProbes: 3, Consecutive: 2, LossCost: 300, Overhead: 28}
	assert.Equal(t, e.Floor, Optimal().Next(e))
}

func TestLossClass(t *testing.T) {
	require.Len(t, lossClasses, len(lossBounds)+1)
	assert.Zero(t, lossClass(0), "not known yet: as if later packets revealed a loss")
	for i, cost := range lossClasses {
		assert.Equal(t, i, lossClass(float32(cost)))
		if i > 0 {
			assert.InDelta(t, lossClasses[i-1]*lossClasses[i], float64(lossBounds[i-1]*lossBounds[i-1]), 0.1*lossClasses[i-1]*lossClasses[i], "a bound is the geometric mean")
		}
	}
	assert.Equal(t, len(lossClasses)-1, lossClass(1e30))
}

func TestOptimalIsSharedAndFree(t *testing.T) {
	assert.Same(t, Optimal(), Optimal())
	assert.Same(t, Optimal(), OptimalFor(nil))
	assert.Same(t, Optimal(), OptimalFor(BuiltinPrior()))
	assert.Equal(t, AnySize, Optimal().Counting())
	e := Evidence{Floor: 1200, Ceiling: 1472, MaxProbes: 3, Overhead: 28, N: 1, Lost: [maxLost]LostSize{{Size: 1472, Count: 1}}}
	for _, s := range []Search{Optimal(), Binary{}, PlateauTable} {
		s.Next(e)
		assert.Zero(t, testing.AllocsPerRun(100, func() { s.Next(e) }), "%T", s)
	}
}

// Tables are solved by whoever comes first, and read without a lock.
func TestOptimalConcurrently(t *testing.T) {
	s := OptimalFor(testPrior(t, "a"))
	var results [8]string
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			for _, lossCost := range reportedLossCosts {
				w := walkConfig{base: 1228, max: 1500, pathMTU: 1430, lossCost: lossCost, trace: true}.run(s)
				results[i] += fmt.Sprint(w.sizes)
			}
		})
	}
	wg.Wait()
	for _, r := range results {
		assert.Equal(t, results[0], r)
	}
}

func BenchmarkOptimalNext(b *testing.B) {
	e := Evidence{Floor: 1252, Ceiling: 1472, MaxProbes: 3, Overhead: 28, N: 1, Lost: [maxLost]LostSize{{Size: 1432, Count: 1}}, Consecutive: 1}
	s := Optimal()
	s.Next(e)
	b.ReportAllocs()
	for b.Loop() {
		s.Next(e)
	}
}

func BenchmarkOptimalSolve(b *testing.B) {
	o := defaultOptimal()
	for i := range o.ranges {
		r := &o.ranges[i]
		b.Run(fmt.Sprint(searchRanges[i].top), func(b *testing.B) {
			var t *table
			for b.Loop() {
				t = solve(r.support, len(r.size)-1, 20)
			}
			b.ReportMetric(float64(len(r.size)), "sizes")
			b.ReportMetric(float64(len(t.start)*4+len(t.act[0])*solvedProbes), "table-bytes")
		})
	}
}

func BenchmarkOptimalFor(b *testing.B) {
	p := BuiltinPrior()
	b.ReportAllocs()
	for b.Loop() {
		newOptimal(p)
	}
}

// A limit that may itself be the path MTU is tried, whatever its number.
func TestOptimalTriesTheLimit(t *testing.T) {
	for _, limit := range []int{1281, 1423, 1473, 1483, 1499, 1500, 9001} {
		for _, cost := range reportedLossCosts {
			w := walkConfig{base: 1228, max: limit, pathMTU: limit, lossCost: cost}.run(Optimal())
			require.Equal(t, limit, w.final, "loss cost %v", cost)
		}
	}
}

// What a loss costs may become known after the first probe was chosen.
func TestFirstProbeKnowsTheLossCost(t *testing.T) {
	first := func(cfg Config, rtt time.Duration) int {
		pt := newPathTest(t, cfg).start(1200)
		if rtt != 0 {
			pt.p.SetRTT(rtt)
		}
		probe, ok := pt.p.Poll(pt.now)
		require.True(t, ok)
		return probe.Size
	}
	cheap := first(Config{Overhead: 28}, 0)
	slow := Config{Overhead: 28, Layer: Unacknowledged}
	require.Equal(t, 1472, cheap, "a loss is noticed after a round trip: aim high")
	require.Less(t, first(slow, 0), cheap, "a loss takes 16 s: climb")
	require.Less(t, first(slow, 50*time.Millisecond), cheap)
}
