package udpsock

import "time"

// Budget is a token bucket: it bounds the work that others can cause. It reads
// no clock. The zero Budget allows nothing. It is not safe for concurrent use.
type Budget struct {
	perSecond, burst, tokens float64
	last                     time.Time
}

// NewBudget returns a full bucket that refills at perSecond tokens a second and
// holds burst of them.
func NewBudget(perSecond float64, burst int) Budget {
	return Budget{perSecond: perSecond, burst: float64(burst), tokens: float64(burst)}
}

// Take takes one token; false: there is none. A time before that of an earlier
// call adds none.
func (b *Budget) Take(now time.Time) bool {
	b.refill(now)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// put gives a token back.
func (b *Budget) put() { b.tokens = min(b.burst, b.tokens+1) }

func (b *Budget) refill(now time.Time) {
	if d := now.Sub(b.last); !b.last.IsZero() && d > 0 {
		b.tokens = min(b.burst, b.tokens+d.Seconds()*b.perSecond)
	}
	if now.After(b.last) {
		b.last = now
	}
}
