package udpopt

import (
	"net/netip"
	"slices"
	"time"
)

// DefaultResponseInterval is how often one socket pair gets a datagram that
// carries an RES and nothing else (RFC 9869 section 3.1: for instance one per
// second).
const DefaultResponseInterval = time.Second

// Pair is a socket pair as this end sees it.
type Pair struct{ Local, Remote netip.AddrPort }

// ResponderConfig says how a Responder answers. The zero value never answers.
type ResponderConfig struct {
	// Enabled has to be set before any REQ is answered (RFC 9869 section 3).
	Enabled bool
	// Interval is the least time, in the long run, between two datagrams sent to
	// one socket pair solely to carry an RES: one RTT or one second, says
	// section 3.1. Zero: one second.
	Interval time.Duration
	// Burst is how many of them may leave at once after a quiet time. Zero: 1.
	Burst int
	// Pairs bounds the socket pairs that are remembered. Zero: 1024. Requests of
	// further ones are ignored.
	Pairs int
}

func (c ResponderConfig) normalise(prefix string) (ResponderConfig, error) {
	if c.Interval == 0 {
		c.Interval = DefaultResponseInterval
	}
	if c.Burst == 0 {
		c.Burst = 1
	}
	if c.Pairs == 0 {
		c.Pairs = 1024
	}
	switch {
	case c.Interval < 0:
		return c, &ConfigError{prefix + "Interval", c.Interval, "more than 0"}
	case c.Burst < 1 || c.Burst > 64:
		return c, &ConfigError{prefix + "Burst", c.Burst, "1 to 64"}
	case c.Pairs < 1:
		return c, &ConfigError{prefix + "Pairs", c.Pairs, "at least 1"}
	}
	return c, nil
}

// echo is what a responder keeps of one socket pair: the last token asked about,
// and a token bucket as the time at which it will be full again.
type echo struct {
	pair    Pair
	token   Token
	pending bool
	full    time.Time
}

// ready returns when a datagram may be sent solely for the RES.
func (e *echo) ready(c ResponderConfig) time.Time {
	return e.full.Add(-time.Duration(c.Burst-1) * c.Interval)
}

// request takes note of a REQ: only the last one is answered.
func (e *echo) request(t Token) { e.token, e.pending = t, true }

// spend takes a datagram out of the bucket.
func (e *echo) spend(now time.Time, c ResponderConfig) Token {
	if e.full.Before(now) {
		e.full = now
	}
	e.full = e.full.Add(c.Interval)
	e.pending = false
	return e.token
}

// Responder answers the echo requests of any number of socket pairs. It is pure:
// time is passed in, and datagrams are left to the caller. Memory is bounded. It
// is not safe for concurrent use.
//
// Once enabled, it answers whoever asks, and so tells that the port is in use
// (RFC 9869 section 6, last case).
type Responder struct {
	config  ResponderConfig
	pairs   map[Pair]*echo
	queue   []*echo // those with an RES to be sent, by time of readiness
	sweepAt time.Time
}

// NewResponder returns a Responder. The error is a *ConfigError.
func NewResponder(c ResponderConfig) (*Responder, error) {
	c, err := c.normalise("ResponderConfig.")
	if err != nil {
		return nil, err
	}
	return &Responder{config: c, pairs: make(map[Pair]*echo)}, nil
}

// Request says that a REQ arrived. An answer is due from Poll or Take, unless
// the Responder is not enabled or knows too many socket pairs already.
func (r *Responder) Request(now time.Time, p Pair, t Token) {
	if !r.config.Enabled {
		return
	}
	e := r.pairs[p]
	if e == nil {
		if len(r.pairs) >= r.config.Pairs && !r.sweep(now) {
			return
		}
		e = &echo{pair: p, full: now}
		r.pairs[p] = e
	}
	if !e.pending {
		r.enqueue(e)
	}
	e.request(t)
}

// Poll returns a socket pair that is to get a datagram with the RES, if one is
// due. Call it until it reports false.
func (r *Responder) Poll(now time.Time) (Pair, Token, bool) {
	if len(r.queue) == 0 || r.queue[0].ready(r.config).After(now) {
		return Pair{}, 0, false
	}
	e := r.queue[0]
	r.queue = slices.Delete(r.queue, 0, 1)
	return e.pair, e.spend(now, r.config), true
}

// Take returns the RES to put into a datagram that is being sent to the pair
// anyway; that is not rate-limited.
func (r *Responder) Take(p Pair) (Token, bool) {
	e := r.pairs[p]
	if e == nil || !e.pending {
		return 0, false
	}
	r.queue = slices.DeleteFunc(r.queue, func(q *echo) bool { return q == e })
	e.pending = false
	return e.token, true
}

// Next returns when to call Poll; the zero time: after a Request.
func (r *Responder) Next() time.Time {
	if len(r.queue) == 0 {
		return time.Time{}
	}
	return r.queue[0].ready(r.config)
}

func (r *Responder) enqueue(e *echo) {
	at := e.ready(r.config)
	i, _ := slices.BinarySearchFunc(r.queue, at, func(q *echo, at time.Time) int {
		if q.ready(r.config).After(at) {
			return 1
		}
		return -1
	})
	r.queue = slices.Insert(r.queue, i, e)
}

// sweep forgets the pairs that have nothing pending and a full bucket: they are
// as good as new. It reports whether there is room then.
func (r *Responder) sweep(now time.Time) bool {
	if now.Before(r.sweepAt) {
		return false
	}
	r.sweepAt = now.Add(r.config.Interval)
	for p, e := range r.pairs {
		if !e.pending && !e.full.After(now) {
			delete(r.pairs, p)
		}
	}
	return len(r.pairs) < r.config.Pairs
}
