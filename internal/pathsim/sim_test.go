package pathsim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEventsRunInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(1)
		var ran []int
		var at []time.Duration
		delays := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 50).Draw(t, "delays")
		for i, d := range delays {
			s.After(time.Duration(d), func() { ran = append(ran, i); at = append(at, s.Since()) })
		}
		for s.Step() {
		}
		require.Len(t, ran, len(delays))
		for i := 1; i < len(ran); i++ {
			require.GreaterOrEqual(t, at[i], at[i-1])
			if at[i] == at[i-1] {
				require.Greater(t, ran[i], ran[i-1], "events of one time run in the order given")
			}
			require.Equal(t, time.Duration(delays[ran[i]]), at[i])
		}
	})
}

func TestRunStopsTheClockAtItsEnd(t *testing.T) {
	s := New(1)
	ran := 0
	s.After(time.Second, func() { ran++; s.After(time.Second, func() { ran++ }) })
	s.Run(1500 * time.Millisecond)
	assert.Equal(t, 1, ran)
	assert.Equal(t, 1500*time.Millisecond, s.Since())
	assert.False(t, s.RunUntil(100*time.Millisecond, func() bool { return ran == 2 }))
	assert.True(t, s.RunUntil(time.Second, func() bool { return ran == 2 }))
	assert.Equal(t, 2*time.Second, s.Since())
	s.At(Epoch, func() { ran++ }) // past: now
	s.Run(0)
	assert.Equal(t, 3, ran)
}

func TestRandDependsOnSeedAndName(t *testing.T) {
	draw := func(seed uint64, name string) uint64 { return New(seed).Rand(name).Uint64() }
	assert.Equal(t, draw(7, "a"), draw(7, "a"))
	assert.NotEqual(t, draw(7, "a"), draw(7, "b"))
	assert.NotEqual(t, draw(7, "a"), draw(8, "a"))
	assert.Equal(t, "seed 7 at 0s", New(7).String())
}

func TestLossRates(t *testing.T) {
	const n = 400_000
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name       string
		loss       Loss
		rate, mean float64 // of bursts
	}{
		{"iid 1%", IID(0.01), 0.01, 1 / 0.99},
		{"iid 13%", IID(0.13), 0.13, 1 / 0.87},
		{"burst(5) 5%", &Burst{Rate: 0.05, Mean: 5}, 0.05, 5},
		{"burst(20) 2%", &Burst{Rate: 0.02, Mean: 20}, 0.02, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			lost, bursts, before := 0, 0, false
			for range n {
				now := c.loss.Lose(r)
				if now {
					lost++
					if !before {
						bursts++
					}
				}
				before = now
			}
			assert.InEpsilon(t, c.rate, float64(lost)/n, 0.1)
			assert.InEpsilon(t, c.mean, float64(lost)/float64(bursts), 0.1)
		})
	}
	assert.False(t, IID(0).Lose(r))
}
