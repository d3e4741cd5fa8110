package netlab

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

var epoch = time.Unix(1_000_000, 0)

func numbered(i, size int) []byte {
	b := make([]byte, max(size, 4))
	binary.BigEndian.PutUint32(b, uint32(i))
	return b
}

// drain pops everything until the queue is empty, going from due time to due
// time, and returns numbers and arrival times.
func drain(q *delayQueue) (order []int, at []time.Duration) {
	for !q.Next().IsZero() {
		now := q.Next()
		for {
			b, ok := q.Pop(now)
			if !ok {
				break
			}
			order = append(order, int(binary.BigEndian.Uint32(b)))
			at = append(at, now.Sub(epoch))
		}
	}
	return order, at
}

func TestDelayKeepsOrderAndTime(t *testing.T) {
	q := newDelayQueue(Delay{OneWay: 10 * time.Millisecond}, 1500, 0)
	assert.True(t, q.Next().IsZero())
	for i := range 5 {
		q.Push(epoch.Add(time.Duration(i/2)*time.Millisecond), numbered(i, 100))
	}
	_, early := q.Pop(epoch.Add(10*time.Millisecond - 1))
	assert.False(t, early)
	order, at := drain(q)
	assert.Equal(t, []int{0, 1, 2, 3, 4}, order)
	ms := time.Millisecond
	assert.Equal(t, []time.Duration{10 * ms, 10 * ms, 11 * ms, 11 * ms, 12 * ms}, at)
}

func TestDelayDropsBySizeAndByQueue(t *testing.T) {
	q := newDelayQueue(Delay{Queue: 3}, 1400, 0)
	q.Push(epoch, numbered(0, 1401))
	for i := range 5 {
		q.Push(epoch, numbered(i, 1400))
	}
	order, _ := drain(q)
	assert.Equal(t, []int{0, 1, 2}, order)
	assert.Equal(t, Drops{TooBig: 1, Full: 2}, q.dropped)
}

func TestDelayFaults(t *testing.T) {
	const n = 10000
	run := func(d Delay) (order []int, drops Drops) {
		d.Queue = 3 * n
		q := newDelayQueue(d, 1500, 7)
		for i := range n {
			q.Push(epoch.Add(time.Duration(i)*time.Millisecond), numbered(i, 4))
		}
		order, _ = drain(q)
		return order, q.dropped
	}
	order, drops := run(Delay{Loss: 0.1, Seed: 1})
	assert.InDelta(t, n/10, float64(drops.Lost), n/100)
	assert.Len(t, order, n-int(drops.Lost))
	again, _ := run(Delay{Loss: 0.1, Seed: 1})
	assert.Equal(t, order, again, "same seed, same faults")
	order, _ = run(Delay{Duplicate: 0.1, Seed: 1})
	assert.InDelta(t, n+n/10, float64(len(order)), n/100)
	late := 0
	order, _ = run(Delay{OneWay: 5 * time.Millisecond, Reorder: 0.1, Seed: 1})
	assert.Len(t, order, n)
	for i := 1; i < n; i++ {
		if order[i] < order[i-1] {
			late++
		}
	}
	assert.Greater(t, late, n/20)
}

// What goes in comes out once, unchanged, never before its delay nor after
// delay and jitter.
func TestDelayQueueConserves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Delay{
			OneWay: time.Duration(rapid.IntRange(0, 50).Draw(t, "delay")) * time.Millisecond,
			Jitter: time.Duration(rapid.IntRange(0, 50).Draw(t, "jitter")) * time.Millisecond,
			Seed:   rapid.Uint64().Draw(t, "seed"),
		}
		q := newDelayQueue(d, 1500, 0)
		gaps := rapid.SliceOfN(rapid.IntRange(0, 20), 0, 50).Draw(t, "gaps")
		sent := map[int]time.Duration{}
		now := epoch
		for i, g := range gaps {
			now = now.Add(time.Duration(g) * time.Millisecond)
			q.Push(now, numbered(i, 4))
			sent[i] = now.Sub(epoch)
		}
		order, at := drain(q)
		if len(order) != len(gaps) {
			t.Fatalf("%d in, %d out", len(gaps), len(order))
		}
		for k, i := range order {
			took := at[k] - sent[i]
			if took < d.OneWay || took > d.OneWay+d.Jitter {
				t.Fatalf("packet %d took %v", i, took)
			}
			delete(sent, i)
		}
		if len(sent) != 0 {
			t.Fatalf("never came: %v", sent)
		}
	})
}
