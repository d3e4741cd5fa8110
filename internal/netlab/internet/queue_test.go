package internet

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestQueue: every packet comes out once, unchanged, not before it is due, and
// at most two milliseconds late if the queue is asked often enough.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q Queue
		now := time.Duration(0)
		due := map[uint64]time.Duration{}
		next := uint64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 3000).Draw(t, "step")) * time.Microsecond
			q.Advance(now)
			for {
				p, ok := q.Pop()
				if !ok {
					break
				}
				id := binary.BigEndian.Uint64(p)
				at, known := due[id]
				require.True(t, known, "twice or invented")
				require.LessOrEqual(t, at, now, "too early")
				require.Less(t, now-at, 8*time.Millisecond, "too late")
				for _, c := range p[8:] {
					require.Equal(t, byte(id), c)
				}
				delete(due, id)
			}
			for range rapid.IntRange(0, 4).Draw(t, "adds") {
				delay := time.Duration(rapid.IntRange(0, 500).Draw(t, "delay")) * time.Millisecond
				p := q.Add(delay, 8+rapid.IntRange(0, 2000).Draw(t, "size"))
				binary.BigEndian.PutUint64(p, next)
				for i := range p[8:] {
					p[8+i] = byte(next)
				}
				due[next] = now + delay
				next++
			}
			require.Equal(t, len(due), q.Pending())
		}
		for range 600 {
			now += time.Millisecond
			q.Advance(now)
			for {
				p, ok := q.Pop()
				if !ok {
					break
				}
				delete(due, binary.BigEndian.Uint64(p))
			}
		}
		require.Empty(t, due)
		require.Zero(t, q.Pending())
	})
}

func TestQueueIsBounded(t *testing.T) {
	q := Queue{Most: 3}
	for range 5 {
		q.Add(0, 100)
	}
	require.Equal(t, 3, q.Pending())
	require.EqualValues(t, 2, q.Dropped)
}
