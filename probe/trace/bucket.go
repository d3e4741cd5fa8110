package trace

import "time"

// Routers and hosts ration their ICMP errors. Linux sends 6 at once, then one a
// second (IPv4) or four a second to hosts of a /64 (IPv6); one is kept in reserve.
const (
	burst  = 5
	every4 = 1050 * time.Millisecond
	every6 = 260 * time.Millisecond
)

// bucket says how many errors one hop can be asked for.
type bucket struct {
	tokens float64
	at     time.Time
	every  time.Duration
}

func (b *bucket) refill(now time.Time) {
	if !b.at.IsZero() && now.After(b.at) {
		b.tokens = min(b.tokens+float64(now.Sub(b.at))/float64(b.every), burst)
	}
	b.at = now
}

// ready returns when another error can be asked for.
func (b *bucket) ready(now time.Time) time.Time {
	b.refill(now)
	if b.tokens >= 1 {
		return now
	}
	return now.Add(time.Duration((1-b.tokens)*float64(b.every)) + time.Microsecond)
}

func (b *bucket) take(now time.Time) {
	b.refill(now)
	b.tokens--
}

// refund: the hop was not the one that answered.
func (b *bucket) refund() { b.tokens = min(b.tokens+1, burst) }

// empty: the hop seems to have no errors left.
func (b *bucket) empty() { b.tokens = min(b.tokens, 0) }
