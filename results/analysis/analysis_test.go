package analysis

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/results"
	"pathmtu/results/resultstest"
)

func collect(all []*results.Record) *Collector {
	c := new(Collector)
	for _, r := range all {
		c.Add(r)
	}
	return c
}

// TestCountsAddUp: whatever the records, no target, size, verdict, grade or
// packet is counted twice or not at all, and the order doesn't matter.
func TestCountsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []*results.Record
		for range rapid.IntRange(0, 6).Draw(t, "n") {
			all = append(all, resultstest.Draw(t))
		}
		c := collect(all)
		s := c.Summary(100)
		var measured, kinds, sent, lost int64
		for _, r := range all {
			if r.PMTU != nil {
				measured++
			}
			kinds += int64(len(r.PTB))
			for _, l := range r.Loss {
				if l.Size <= results.MaxSize {
					sent += int64(l.Sent)
					lost += int64(l.Lost)
				}
			}
		}
		require.EqualValues(t, len(all), s.Targets)
		require.Equal(t, measured, s.Measured)
		require.Equal(t, measured, s.PMTU().N)
		var targets, verdicts, systems, grades, losses, lossSent int64
		for _, f := range s.Families {
			targets += f.Targets
		}
		for _, v := range s.Verdicts {
			verdicts += v.Count()
		}
		for _, a := range s.Systems {
			systems += a.Targets
		}
		for _, g := range s.Grades {
			grades += g.Kinds
			require.LessOrEqual(t, g.Targets, g.Kinds)
			require.LessOrEqual(t, g.Kinds, g.Messages)
		}
		for _, l := range s.Loss {
			lossSent += l.FitsSent + l.AboveSent + l.UnknownSent
			losses += l.FitsLost + l.AboveLost + l.UnknownLost
		}
		require.Equal(t, s.Targets, targets)
		require.Equal(t, s.Targets, verdicts)
		require.LessOrEqual(t, systems, s.Targets)
		require.Equal(t, kinds, grades)
		require.Equal(t, sent, lossSent)
		require.Equal(t, lost, losses)
		for _, of := range []func(LossSize) (int64, int64){Fits, Above} {
			most := rapid.IntRange(1, 5).Draw(t, "bins")
			var want, got int64
			for _, l := range s.Loss {
				n, _ := of(l)
				want += n
			}
			bins := s.LossBins(most, of)
			require.LessOrEqual(t, len(bins), most)
			for i, b := range bins {
				got += b.Sent
				require.True(t, b.From <= b.To && (i == 0 || bins[i-1].To < b.From))
			}
			require.Equal(t, want, got)
		}
		slices.Reverse(all)
		a, err := json.Marshal(s)
		require.NoError(t, err)
		b, err := json.Marshal(collect(all).Summary(100))
		require.NoError(t, err)
		require.JSONEq(t, string(a), string(b))
	})
}

func TestDist(t *testing.T) {
	d := sizes{1500: 6, 1492: 3, 1280: 1}.dist()
	assert.EqualValues(t, 10, d.N)
	for q, want := range map[float64]int{0: 1280, 0.1: 1280, 0.11: 1492, 0.4: 1492, 0.5: 1500, 1: 1500} {
		assert.Equal(t, want, d.Quantile(q), q)
	}
	assert.EqualValues(t, 9, d.AtLeast(1281))
	assert.EqualValues(t, 0, d.AtLeast(1501))
	assert.Equal(t, []Bin{{1500, 6}, {1492, 3}}, d.Top(2))
	assert.Zero(t, Dist{}.Quantile(0.5))
}

// TestWilson against values worked out by hand from the formula.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n   int64
		lo, hi float64
	}{{0, 0, 0, 1}, {0, 10, 0, 0.27753}, {10, 10, 0.72247, 1}, {5, 10, 0.23659, 0.76341}, {1, 100, 0.00177, 0.05449}} {
		lo, hi := Wilson(c.k, c.n)
		assert.InDelta(t, c.lo, lo, 1e-5, "%d of %d", c.k, c.n)
		assert.InDelta(t, c.hi, hi, 1e-5, "%d of %d", c.k, c.n)
	}
}

// TestCosts: quantiles are exact below 128 and at most 1/64 too large above.
func TestCosts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(0, 1e12), 1, 50).Draw(t, "costs")
		var c costs
		sum := 0.0
		for _, v := range all {
			c.add(v)
			sum += float64(v)
		}
		got := c.cost()
		slices.Sort(all)
		require.Equal(t, all[len(all)-1], got.Max)
		require.InEpsilon(t, sum/float64(len(all))+1, got.Mean+1, 1e-9)
		for q, v := range map[float64]int64{0.5: got.P50, 0.9: got.P90, 0.99: got.P99} {
			want := all[int(math.Ceil(q*float64(len(all))))-1]
			require.GreaterOrEqual(t, v, want)
			require.LessOrEqual(t, v, want+want/64)
			if want < 128 {
				require.Equal(t, want, v)
			}
		}
	})
}

func record(pmtu int, v results.Verdict, link int) *results.Record {
	return &results.Record{Family: 4, Verdict: v, PMTU: &pmtu, Vantage: results.Vantage{MTU: link}, Direction: results.Forward}
}

func TestPrior(t *testing.T) {
	all := []*results.Record{
		record(576, results.OK, 1500), // seen once
		record(1400, results.ResponderLimit, 1500), record(1400, results.LocalLimit, 1500),
		{Family: 4, Verdict: results.Unresponsive},
	}
	for range 7 {
		all = append(all, record(1500, results.OK, 1500))
	}
	all = append(all, record(1492, results.OKSilent, 1500), record(1492, results.LocalLimit, 1492))
	w, err := collect(all).Prior()
	require.NoError(t, err)
	assert.EqualValues(t, 10, w.Used, "limits of hosts and of what was tried say nothing of the path")
	assert.EqualValues(t, 12, w.Confirmed)
	assert.InDelta(t, 2.0/11, w.Unseen, 1e-9)
	each := 1 - w.Unseen
	assert.Equal(t, []int{576, 1492, 1500}, []int{w.Points[0].Size, w.Points[1].Size, w.Points[2].Size})
	assert.InDelta(t, each, w.Points[0].Weight, 1e-5)
	assert.InDelta(t, 2*each, w.Points[1].Weight, 1e-5)
	assert.InDelta(t, 7*each, w.Points[2].Weight, 1e-5)
	assert.Equal(t, [][2]int{{68, 65535}, {576, 1500}}, [][2]int{{w.Ranges[0].Size, w.Ranges[0].To}, {w.Ranges[1].Size, w.Ranges[1].To}})

	_, err = collect([]*results.Record{record(1400, results.ResponderLimit, 1500)}).Prior()
	assert.ErrorContains(t, err, "no record has a path MTU that says what a path carries (1 have one")
}

// TestPriorWeights: whatever was measured, the weights sum to the number of
// paths, every size is possible, and there are few enough points for a file.
func TestPriorWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []*results.Record
		n := rapid.SampledFrom([]int{1, 2, 50, mostPoints + 100}).Draw(t, "n")
		first := rapid.IntRange(1, 2000).Draw(t, "first")
		step := rapid.IntRange(0, 3).Draw(t, "step")
		for i := range n {
			all = append(all, record(min(first+i*step, results.MaxSize), results.OK, 1500))
		}
		w, err := collect(all).Prior()
		require.NoError(t, err)
		sum := 0.0
		for _, p := range append(slices.Clone(w.Points), w.Ranges...) {
			sum += p.Weight
			require.Greater(t, p.Weight, 0.0)
			require.True(t, leastSize <= p.Size && p.Size <= p.To && p.To <= mostSize)
		}
		require.InEpsilon(t, float64(w.Used), sum, 1e-3)
		require.LessOrEqual(t, len(w.Points), mostPoints)
	})
}

// TestManyNames: texts that files make up don't cost memory without bound.
func TestManyNames(t *testing.T) {
	c := new(Collector)
	for i := range 3 * mostNames {
		r := resultstest.Example()
		name := string(rune(0x4e00 + i))
		r.Run, r.Methods[0].Method = name, name
		c.Add(r)
	}
	s := c.Summary(1)
	assert.Len(t, s.Methods, mostNames+1)
	assert.Equal(t, Named{Others, 2 * mostNames}, s.Runs[0])
}
