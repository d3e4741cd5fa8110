package pathsim

import (
	"math/rand/v2"
	"time"
)

// Packet is one IP packet on a path.
type Packet struct {
	Size int    // bytes of the whole IP packet
	Flow uint64 // what a router hashes to choose among links
	Data []byte // the packet itself, if somebody cares; a link doesn't change it
	Meta any    // the sender's own
}

// MTUs is how a link's MTU changes. It is ascending in After; the first entry
// holds from the beginning.
type MTUs []MTUChange

// MTUChange sets the MTU from a moment on.
type MTUChange struct {
	After time.Duration // since Epoch
	MTU   int           // bytes of IP packet
}

// MTU is an MTU that never changes.
func MTU(mtu int) MTUs { return MTUs{{MTU: mtu}} }

// at returns the MTU at a time after Epoch; without entries there is no limit.
func (m MTUs) at(t time.Duration) int {
	mtu := 1 << 30
	for i, c := range m {
		if i > 0 && t < c.After {
			break
		}
		mtu = c.MTU
	}
	return mtu
}

// TooBig is a Packet Too Big message as it reaches the sender.
type TooBig struct {
	Hop    int // index of the hop that sent it
	MTU    int // what it claims
	Packet Packet
}

// Claim says what a router writes into a Packet Too Big message, given the
// link's MTU and the packet's size.
type Claim func(mtu, size int) int

// Honest claims the link's MTU.
func Honest(mtu, _ int) int { return mtu }

// Link is one link of a hop. The zero Link is perfect: no limit, no delay, no
// loss, and silent about what it can't carry.
type Link struct {
	MTU   MTUs
	Delay time.Duration // of propagation
	Rate  int           // bytes per second, 0: no limit
	Queue int           // bytes that may wait for the rate, 0: 64 KiB; more are dropped
	Loss  Loss          // nil: none
	Grey  Grey
	// Reorder is how many packets, as a share, are held back by Late.
	Reorder float64
	Late    time.Duration
	// Duplicate is how many packets, as a share, arrive twice.
	Duplicate float64
	// TooBig, if not nil, answers packets that exceed the MTU. TooBigRate is the
	// share of them that are answered; 0: all.
	TooBig     Claim
	TooBigRate float64
}

const defaultQueue = 64 << 10

// link is a Link at work.
type link struct {
	Link
	rng  *rand.Rand
	busy time.Time // until then the rate is used up
}

// carry returns when copies of a packet of this size, put on the link now,
// reach its other end: none, one or two.
func (l *link) carry(now time.Time, size int) (arrivals [2]time.Time, n int) {
	if l.Loss != nil && l.Loss.Lose(l.rng) || l.Grey.lose(size, l.rng) {
		return arrivals, 0
	}
	sent := now
	if l.Rate > 0 {
		if sent.Before(l.busy) {
			sent = l.busy
		}
		limit := l.Queue
		if limit == 0 {
			limit = defaultQueue
		}
		if waiting := sent.Sub(now).Seconds() * float64(l.Rate); int(waiting)+size > limit {
			return arrivals, 0
		}
		sent = sent.Add(time.Duration(float64(size) / float64(l.Rate) * float64(time.Second)))
		l.busy = sent
	}
	arrivals[0], n = sent.Add(l.Delay), 1
	if l.Reorder > 0 && l.rng.Float64() < l.Reorder {
		arrivals[0] = arrivals[0].Add(l.Late)
	}
	if l.Duplicate > 0 && l.rng.Float64() < l.Duplicate {
		arrivals[1], n = sent.Add(l.Delay), 2
	}
	return arrivals, n
}
