package probe

import "time"

// pacer says when the next packet may leave. It models the responder's rate
// limit, if one is known, and slows down when small packets get lost.
type pacer struct {
	burst, tokens float64
	every         time.Duration // one token
	at            time.Time     // when tokens was right
	gap           time.Duration // least time between packets, learnt
	last          time.Time
	scarce        bool // answers were missing although the model had some left
	random        uint64
}

const (
	firstGap = 50 * time.Millisecond
	maxGap   = 2 * time.Second
)

func newPacer(t Traits, seed uint64) pacer {
	return pacer{burst: float64(t.Burst), tokens: float64(t.Burst), every: t.Every, random: seed | 1}
}

func (p *pacer) limited() bool { return p.burst > 0 && p.every > 0 }

// ready returns when the next packets may leave: this many in a row.
func (p *pacer) ready(now time.Time, n int) time.Time {
	at := now
	if !p.last.IsZero() && p.gap > 0 {
		at = later(at, p.last.Add(p.gap))
	}
	if p.limited() {
		p.refill(now)
		if need := min(float64(n), p.burst); p.tokens < need {
			wait := time.Duration((need - p.tokens) * float64(p.every))
			at = later(at, now.Add(wait+time.Microsecond))
		}
	}
	return at
}

// close is how soon a control probe has to follow a packet that wasn't answered,
// so that hardly an answer more becomes available in between: only then does
// its own answer prove that the other one didn't fail for want of answers.
func (p *pacer) close() time.Duration { return p.every / 50 }

func (p *pacer) refill(now time.Time) {
	if !p.at.IsZero() {
		p.tokens = min(p.tokens+float64(now.Sub(p.at))/float64(p.every), p.burst)
	}
	p.at = now
}

func (p *pacer) take(now time.Time) {
	p.last = now
	if p.limited() {
		p.refill(now)
		p.tokens--
	}
}

// refund takes back the token of a packet that never reached the responder.
func (p *pacer) refund() { p.tokens = min(p.tokens+1, p.burst) }

// starved is for when a small packet was lost: the responder may have had no
// answer left, whatever was assumed of it. If somebody else uses them up, don't
// keep in step with them.
func (p *pacer) starved() {
	if !p.limited() {
		return
	}
	p.scarce = true
	p.random ^= p.random << 13
	p.random ^= p.random >> 7
	p.random ^= p.random << 17
	p.tokens = min(p.tokens, -float64(p.random%1024)/1024)
}

// slow is for when that happened although small packets had been answered before.
func (p *pacer) slow() {
	p.gap = min(max(2*p.gap, firstGap), maxGap)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// rtt estimates round-trip times as RFC 6298 does.
type rtt struct {
	smoothed, variation time.Duration
}

func (r *rtt) sample(d time.Duration) {
	d = max(d, time.Microsecond)
	if r.smoothed == 0 {
		r.smoothed, r.variation = d, d/2
		return
	}
	diff := r.smoothed - d
	if diff < 0 {
		diff = -diff
	}
	r.variation += (diff - r.variation) / 4
	r.smoothed += (d - r.smoothed) / 8
}

// timeout returns how long to wait for an answer.
func (r *rtt) timeout(least, most time.Duration) time.Duration {
	if r.smoothed == 0 {
		return most
	}
	return min(max(r.smoothed+4*r.variation, 2*r.smoothed, least), most)
}
