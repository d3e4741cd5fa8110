package probe

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
)

// lossAbove loses all packets with one probability, and those above a size with
// another.
func lossAbove(seed uint64, all float64, above int, more float64) func(int) bool {
	r := rand.New(rand.NewPCG(seed, 2))
	return func(size int) bool {
		p := all
		if size > above {
			p = more
		}
		return r.Float64() < p
	}
}

// TestLossBySize: where larger packets get lost more often, the largest size of
// which that isn't so; and no such verdict where they don't.
func TestLossBySize(t *testing.T) {
	const runs = 40
	for _, test := range []struct {
		all, more float64
		above     int // 0: size doesn't matter
		loss      int
	}{
		{0, 0, 0, 100},
		{0.02, 0.02, 0, 100},
		{0.05, 0.05, 0, 200},
		{0, 0.30, 1400, 150},
		{0.02, 0.40, 1413, 200},
		{0, 0.05, 1280, 1000},
	} {
		t.Run(fmt.Sprintf("%v,%v>%d", test.all, test.more, test.above), func(t *testing.T) {
			wrong := 0
			for i := range runs {
				above := test.above
				if above == 0 {
					above = 1500
				}
				p := &path{forward: 1500, rtt: 10 * time.Millisecond, lose: lossAbove(uint64(i), test.all, above, test.more)}
				o := p.run(t, newSession(t, p, "icmp", func(c *Config) {
					c.Loss = test.loss
					c.Probes = 5
					c.Budget = Budget{Packets: 50000, Bytes: 1 << 30, Time: time.Hour}
				}))
				require.NotNil(t, o.PMTU, o.Error)
				want, verdict := 1500, results.OK
				if test.above != 0 {
					want, verdict = test.above, results.LossyAbove
				}
				if *o.PMTU != want || o.Verdict != verdict {
					wrong++
					t.Logf("run %d: %d, %s: %v", i, *o.PMTU, o.Verdict, o.Evidence)
				}
			}
			assert.LessOrEqual(t, wrong, runs/20, "the test's errors are 1%% each way for each size")
		})
	}
}

func TestLossCutShort(t *testing.T) {
	p := &path{forward: 1420, ptb: says(1420)}
	o := p.run(t, newSession(t, p, "icmp", func(c *Config) { c.Loss, c.Budget.Packets = 1000, 50 }))
	require.NotNil(t, o.PMTU)
	assert.Equal(t, 1420, *o.PMTU, "it was confirmed before")
	assert.Equal(t, results.OK, o.Verdict)
	assert.Contains(t, o.Evidence[len(o.Evidence)-1], "cut short: budget of packets used up")
	assert.Equal(t, 50, o.ProbesSent)
	assert.Equal(t, results.Exact, o.PTB[0].Grade)
}

func TestBinomialTail(t *testing.T) {
	assert.InDelta(t, 1, binomialTail(10, 0), 1e-12)
	assert.InDelta(t, 0.5, binomialTail(1, 1), 1e-12)
	assert.InDelta(t, 0.0078125, binomialTail(7, 7), 1e-12)
	assert.InDelta(t, 0.6230469, binomialTail(10, 5), 1e-6)
}

// TestDecide: the sequential test's errors, over many trials, are what it says.
func TestDecide(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const trials, most = 2000, 300
	trial := func(large, small float64) lossDecision {
		w := &weighing{}
		for {
			a, b := r.Float64() < large, r.Float64() < small
			if a && !b {
				w.large++
			} else if b && !a {
				w.small++
			}
			w.pairs++
			if d := w.decide(most); d != undecided {
				return d
			}
		}
	}
	for _, c := range []struct{ large, small, most float64 }{
		{0, 0, 0}, {0.05, 0.05, 0.025}, {0.3, 0.3, 0.02},
	} {
		n := 0
		for range trials {
			if trial(c.large, c.small) == lossier {
				n++
			}
		}
		assert.LessOrEqual(t, float64(n)/trials, c.most, "%+v", c)
	}
	n := 0
	for range trials {
		if trial(0.3, 0.02) != lossier {
			n++
		}
	}
	assert.LessOrEqual(t, float64(n)/trials, 0.02)
}
