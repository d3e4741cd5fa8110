package router

import "time"

// Rate is the size of a token bucket: PerSecond tokens flow in, Burst fit. The
// zero value stands for a default where it is used; a negative PerSecond
// forbids, and so does a Burst below 1 with a PerSecond above 0.
type Rate struct {
	PerSecond float64
	Burst     float64
}

// Bucket is a token bucket with explicit time. It starts full.
type Bucket struct {
	rate   Rate
	tokens float64
	last   time.Time
}

// NewBucket returns a full bucket.
func NewBucket(r Rate) Bucket { return Bucket{rate: r, tokens: r.Burst} }

// Take takes one token if there is one. Time that runs backwards adds nothing.
func (b *Bucket) Take(now time.Time) bool {
	if b.rate.PerSecond < 0 {
		return false
	}
	if d := now.Sub(b.last); b.last.IsZero() || d > 0 {
		if !b.last.IsZero() {
			b.tokens = min(b.rate.Burst, b.tokens+d.Seconds()*b.rate.PerSecond)
		}
		b.last = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// shares is the number of parts that sources are divided into.
const shares = 256

// budget limits something that many sources can cause: one bucket for all of
// them, and one for each of 256 groups of /64 prefixes with a quarter of it, so
// that one noisy source leaves most of the budget to others. Its memory does
// not depend on the number of sources.
type budget struct {
	all   Bucket
	group [shares]Bucket
}

func newBudget(r Rate) *budget {
	b := &budget{all: NewBucket(r)}
	part := Rate{PerSecond: r.PerSecond / 4, Burst: max(r.Burst/4, min(1, r.Burst))}
	for i := range b.group {
		b.group[i] = NewBucket(part)
	}
	return b
}

// take asks for one token for a source whose address starts with the 64 bits
// of prefix.
func (b *budget) take(prefix uint64, now time.Time) bool {
	// Fibonacci hashing: the high byte of the product depends on all bits.
	g := &b.group[prefix*0x9e3779b97f4a7c15>>56]
	if b.all.rate.PerSecond < 0 || !g.Take(now) {
		return false
	}
	return b.all.Take(now)
}
