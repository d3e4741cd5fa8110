package router

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

var t0 = time.Unix(1_000_000, 0)

// RFC 4443 section 2.4 (f), the example B=10, N=10 a second.
func TestBucketOfRFC4443(t *testing.T) {
	b := NewBucket(Rate{PerSecond: 10, Burst: 10})
	taken := 0
	for range 100 {
		if b.Take(t0) {
			taken++
		}
	}
	assert.Equal(t, 10, taken, "burst")
	assert.False(t, b.Take(t0.Add(99*time.Millisecond)))
	assert.True(t, b.Take(t0.Add(100*time.Millisecond)))
	assert.False(t, b.Take(t0.Add(50*time.Millisecond)), "time that runs backwards adds nothing")
	assert.False(t, b.Take(t0.Add(150*time.Millisecond)))
	assert.True(t, b.Take(t0.Add(200*time.Millisecond)))
}

func TestBucketNeverExceedsItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{PerSecond: float64(rapid.IntRange(0, 1000).Draw(t, "rate")), Burst: float64(rapid.IntRange(0, 50).Draw(t, "burst"))}
		b := NewBucket(r)
		now, taken := t0, 0
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "ms")) * time.Millisecond)
			if b.Take(now) {
				taken++
			}
		}
		if limit := r.Burst + r.PerSecond*now.Sub(t0).Seconds() + 1e-6; float64(taken) > limit {
			t.Fatalf("%d taken, at most %v allowed", taken, limit)
		}
	})
}

func TestBucketForbids(t *testing.T) {
	b := NewBucket(Rate{PerSecond: -1, Burst: 10})
	assert.False(t, b.Take(t0))
	g := newBudget(Rate{PerSecond: -1, Burst: 10})
	assert.False(t, g.take(1, t0))
}

// One noisy source leaves room for others.
func TestBudgetIsShared(t *testing.T) {
	b := newBudget(Rate{PerSecond: 100, Burst: 40})
	n := 0
	for range 1000 {
		if b.take(0x20010db800000000, t0) {
			n++
		}
	}
	assert.Equal(t, 10, n, "a quarter for one /64")
	others := 0
	for i := range uint64(100) {
		if b.take(0x20010db800000001+i<<16, t0) {
			others++
		}
	}
	assert.Equal(t, 30, others, "the rest for others")
}
