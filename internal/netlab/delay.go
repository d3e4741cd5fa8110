package netlab

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// defaultQueue is the number of packets in flight in one direction of a delayed
// link when the topology names none.
const defaultQueue = 1000

// delayQueue is one direction of a delayed link: a queue ordered by the time a
// packet arrives at the far end. It reads no clock and does no I/O. Packets that
// arrive at the same time come out in the order they went in.
type delayQueue struct {
	delay   Delay
	mtu     int // of the receiving end: larger packets disappear
	rng     *rand.Rand
	flying  flight
	entered uint64

	dropped Drops
}

// Drops counts the packets of one direction of a delayed link that never
// arrive: larger than the far end's MTU, queue full, lost by chance.
type Drops struct{ TooBig, Full, Lost uint64 }

type flyingPacket struct {
	due   time.Time
	order uint64
	data  []byte
}

func newDelayQueue(d Delay, mtu int, stream uint64) *delayQueue {
	if d.Queue == 0 {
		d.Queue = defaultQueue
	}
	return &delayQueue{delay: d, mtu: mtu, rng: rand.New(rand.NewPCG(d.Seed, stream))}
}

// Push takes a packet that entered the link at now. It keeps a copy.
func (q *delayQueue) Push(now time.Time, packet []byte) {
	if len(packet) > q.mtu {
		q.dropped.TooBig++
		return
	}
	if q.chance(q.delay.Loss) {
		q.dropped.Lost++
		return
	}
	copies := 1
	if q.chance(q.delay.Duplicate) {
		copies = 2
	}
	for range copies {
		if len(q.flying) >= q.delay.Queue {
			q.dropped.Full++
			continue
		}
		due := now.Add(q.delay.OneWay)
		if q.chance(q.delay.Reorder) {
			due = now
		} else if q.delay.Jitter > 0 {
			due = due.Add(time.Duration(q.rng.Int64N(int64(q.delay.Jitter) + 1)))
		}
		q.entered++
		heap.Push(&q.flying, flyingPacket{due: due, order: q.entered, data: append([]byte(nil), packet...)})
	}
}

// Pop returns a packet that has arrived by now.
func (q *delayQueue) Pop(now time.Time) ([]byte, bool) {
	if len(q.flying) == 0 || q.flying[0].due.After(now) {
		return nil, false
	}
	return heap.Pop(&q.flying).(flyingPacket).data, true
}

// Next returns when the next packet arrives; the zero time when none is in
// flight.
func (q *delayQueue) Next() time.Time {
	if len(q.flying) == 0 {
		return time.Time{}
	}
	return q.flying[0].due
}

// chance draws only for a probability above zero, so that a fault that is
// switched off doesn't shift the random numbers of the others.
func (q *delayQueue) chance(p float64) bool { return p > 0 && q.rng.Float64() < p }

// flight is a heap by arrival, then by entry.
type flight []flyingPacket

func (f flight) Len() int { return len(f) }
func (f flight) Less(i, j int) bool {
	if f[i].due.Equal(f[j].due) {
		return f[i].order < f[j].order
	}
	return f[i].due.Before(f[j].due)
}
func (f flight) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flight) Push(x any)   { *f = append(*f, x.(flyingPacket)) }
func (f *flight) Pop() any {
	old := *f
	last := old[len(old)-1]
	old[len(old)-1] = flyingPacket{}
	*f = old[:len(old)-1]
	return last
}
