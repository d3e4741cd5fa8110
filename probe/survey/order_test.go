package survey

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestOrderIsBijective: each value is at exactly one position, for any number of
// values and any seed.
func TestOrderIsBijective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 5000).Draw(t, "n")
		o := NewOrder(n, rapid.Uint64().Draw(t, "seed"))
		seen := make([]bool, n)
		for i := range n {
			v := o.At(i)
			require.Less(t, v, n)
			require.False(t, seen[v], "%d twice", v)
			seen[v] = true
		}
	})
}

// TestOrderOfMany: the same for numbers that can't be walked through.
func TestOrderOfMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 1<<62).Draw(t, "n")
		o := NewOrder(n, rapid.Uint64().Draw(t, "seed"))
		a, b := rapid.Uint64Range(0, n-1).Draw(t, "a"), rapid.Uint64Range(0, n-1).Draw(t, "b")
		require.Less(t, o.At(a), n)
		require.Equal(t, a == b, o.At(a) == o.At(b))
	})
}

// TestOrderSpreads: neighbours in the list lie far apart in time.
func TestOrderSpreads(t *testing.T) {
	const n = 1 << 16
	o := NewOrder(n, 5)
	at := make([]int, n)
	for i := range uint64(n) {
		at[o.At(i)] = int(i)
	}
	near := 0
	for v := 1; v < n; v++ {
		if d := at[v] - at[v-1]; d > -100 && d < 100 {
			near++
		}
	}
	// By chance, 200 of 65536 positions are that near.
	assert.InDelta(t, 200, near, 80)
	p := NewOrder(n, 6)
	same := 0
	for i := range uint64(n) {
		if o.At(i) == p.At(i) {
			same++
		}
	}
	assert.Less(t, same, 20, "another seed is another order")
}

// TestShardsPartition: the shards of a survey have every target once.
func TestShardsPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "n")
		shards := rapid.Uint64Range(1, 9).Draw(t, "shards")
		seed := rapid.Uint64().Draw(t, "seed")
		l := &List{}
		for i := range n {
			l.spans = append(l.spans, span{number{0, 0xffff<<32 | uint64(10<<24+2*i)}, number{0, 0xffff<<32 | uint64(10<<24+2*i)}})
		}
		set, _, err := Selection{Lab: true}.Select(l)
		require.NoError(t, err)
		seen := map[string]int{}
		for shard := range shards {
			c := Config{Seed: seed, Shard: shard, Shards: shards, Link4: 1500, Tries: 1, Final: func(f Final) { seen[f.Addr.String()]++ }}
			e, err := New(c, set, nil, epoch)
			require.NoError(t, err)
			now := epoch
			for !e.Done() {
				for {
					if _, ok := e.Poll(now, nil); !ok {
						break
					}
				}
				now = e.Next(now)
			}
		}
		require.Len(t, seen, n)
		for a, k := range seen {
			require.Equal(t, 1, k, a)
		}
	})
}

// TestLedger: whatever the order in which targets finish, Progress says which
// are missing, and an Engine that goes on begins exactly those.
func TestLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 500).Draw(t, "n")
		l, err := newLedger(n, nil)
		require.NoError(t, err)
		var open []uint64
		finished := map[uint64]bool{}
		for range rapid.IntRange(0, 700).Draw(t, "steps") {
			if len(open) > 0 && rapid.Bool().Draw(t, "finish") {
				k := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				l.finish(open[k])
				finished[open[k]] = true
				open = append(open[:k], open[k+1:]...)
			} else if i, ok := l.begin(); ok {
				open = append(open, i)
			}
		}
		p := l.progress()
		m, err := newLedger(n, &p)
		require.NoError(t, err)
		begun := map[uint64]bool{}
		for {
			i, ok := m.begin()
			if !ok {
				break
			}
			require.False(t, begun[i])
			begun[i] = true
		}
		for i := range n {
			require.Equal(t, !finished[i], begun[i], "target %d", i)
		}
	})
}

func TestProgressErrors(t *testing.T) {
	for want, p := range map[string]Progress{
		"base is 11":             {Base: 11},
		"target 73 is finished":  {Base: 10, Finished: []uint64{1 << 63}},
		"1048577 words":          {Finished: make([]uint64, mostBitmap+1)},
		"target 10 is finished,": {Finished: []uint64{1 << 10}},
	} {
		_, err := newLedger(10, &p)
		assert.ErrorContains(t, err, want)
	}
}
