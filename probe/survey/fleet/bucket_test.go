package fleet_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// sending is something that was sent: some packets, or bits.
type sending struct {
	at     time.Time
	amount float64
}

// excess returns by how much the sendings exceed a rate, a second: the most, over
// all stretches of time, that was sent above what the rate allows in that time.
// It is the highest level of a bucket that leaks at that rate.
func excess(all []sending, rate float64) float64 {
	slices.SortFunc(all, func(a, b sending) int { return a.at.Compare(b.at) })
	level, most := 0.0, 0.0
	for i, s := range all {
		if i > 0 {
			level = max(0, level-rate*s.at.Sub(all[i-1].at).Seconds())
		}
		level += s.amount
		most = max(most, level)
	}
	return most
}

// TestExcess: it is what all stretches of time say.
func TestExcess(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var all []sending
	at := time.Unix(1000, 0)
	for range 200 {
		at = at.Add(time.Duration(random.Int64N(int64(20 * time.Millisecond))))
		all = append(all, sending{at, 1 + random.Float64()})
	}
	for _, rate := range []float64{50, 150, 1000} {
		want := 0.0
		for i := range all {
			sum := 0.0
			for _, s := range all[i:] {
				sum += s.amount
				want = max(want, sum-rate*s.at.Sub(all[i].at).Seconds())
			}
		}
		assert.InDelta(t, want, excess(all, rate), 1e-6)
	}
	// Three who send at the whole rate instead of a third are found out within
	// two tenths of a second.
	var greedy []sending
	for i := range 3 * 20 {
		greedy = append(greedy, sending{time.Unix(0, int64(i/3)*int64(10*time.Millisecond)), 1})
	}
	assert.Greater(t, excess(greedy, 100), 39.0)
	assert.LessOrEqual(t, excess(greedy, 300), 3.0)
}
