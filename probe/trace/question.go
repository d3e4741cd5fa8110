package trace

import (
	"net/netip"
	"time"

	"pathmtu/probe"
)

// result is the answer to a question.
type result uint8

const (
	open    result = iota
	reached        // the hop said that the packet expired there, or the target answered
	refused        // somebody said that it is too big
	faulty         // somebody complained about a header (Parameter Problem)
	blocked        // somebody said that the target can't or mustn't be reached
	silent         // nobody, although plain packets to that hop were answered
	unknown        // nobody; nor was anything else answered by then
	cancelled
)

// question is: how far does such a packet come?
type question struct {
	spec
	control bool // whether silence has to be checked against a plain packet
	patient bool // waits for the target's answer even if a router refused the packet
	beyond  int  // hop limit of the plain packet, whose ration is drawn on; 0: as limit

	packet   *sentPacket // the one that is waited for; nil: to be sent
	checking bool        // that one is the plain packet, or it is to be
	notYet   time.Time   // nothing is to be sent before
	losses   int
	blind    int
	enough   int // losses that mean silence; 0: Config.Probes

	result result
	event  event
	rtt    time.Duration
}

// sentPacket is what has to be remembered to recognise answers.
type sentPacket struct {
	id      probe.ID
	spec    spec
	at      time.Time
	until   time.Time
	ipid    uint16
	proto   uint8
	start   [8]byte // of the upper layer
	payload bool    // a UDP payload: there was no header to remember
	q       *question
	checks  bool // the plain packet of q
	session probe.ID
	over    bool // answered, or no longer waited for
}

// maxBlind is how often in a row the plain packet may stay unanswered.
const maxBlind = 3

// maxOutstanding bounds the packets that are waited for at the same time.
const maxOutstanding = 8

func (t *Trace) ask(s spec) *question {
	q := &question{spec: s, control: s.arm != Plain || s.size != t.cfg.small()}
	t.questions = append(t.questions, q)
	return q
}

func (q *question) end(r result) {
	if q.result == open {
		q.result = r
		if q.packet != nil {
			q.packet.over = true
		}
	}
}

// key is which ration a question to a hop limit draws on.
func (t *Trace) key(limit int) int {
	if t.distance != 0 && limit >= t.distance || limit > t.cfg.MaxHops {
		return initialHopLimit
	}
	return limit
}

func (t *Trace) bucket(limit int) *bucket {
	k := t.key(limit)
	b := t.buckets[k]
	if b == nil {
		b = &bucket{tokens: burst, every: every4}
		if t.v6 {
			b.every = every6
		}
		t.buckets[k] = b
	}
	return b
}

// ration is what a question's packets draw on.
func (t *Trace) ration(q *question) *bucket { return t.bucket(q.checkLimit()) }

// checkLimit is the hop limit of the plain packet.
func (q *question) checkLimit() int {
	if q.beyond != 0 {
		return q.beyond
	}
	return q.limit
}

// due returns when a question has something to send; false: it waits.
func (t *Trace) due(now time.Time, q *question) (time.Time, bool) {
	if q.result != open || q.packet != nil {
		return time.Time{}, false
	}
	if q.checking {
		return q.notYet, true // at once, so that the hop's ration is the same
	}
	return later(q.notYet, t.ration(q).ready(now)), true
}

// expire looks for packets whose answer is overdue.
func (t *Trace) expire(now time.Time) {
	for _, q := range t.questions {
		p := q.packet
		if q.result != open || p == nil || now.Before(p.until) {
			continue
		}
		q.packet, p.over = nil, true
		t.lost++
		if p.spec.size == t.cfg.small() {
			t.small++
		}
		switch {
		case !q.control:
			if q.losses++; q.losses >= t.needs(q) {
				q.end(silent)
			}
		case !q.checking:
			q.checking = true
		default:
			q.checking = false
			t.ration(q).empty()
			if q.blind++; q.blind >= maxBlind {
				q.end(unknown)
			}
			q.notYet = now.Add(t.ration(q).every)
		}
	}
}

// needs returns how many losses of a question mean silence.
func (t *Trace) needs(q *question) int {
	if q.enough != 0 && t.small == 0 {
		return min(q.enough, t.cfg.Probes)
	}
	return t.cfg.Probes
}

// checked: the plain packet was answered, the other one before it wasn't.
func (t *Trace) checked(now time.Time, q *question) {
	q.packet, q.checking, q.blind = nil, false, 0
	if q.beyond != 0 {
		t.ration(q).refund() // whoever was silent took nothing of it
	}
	if q.losses++; q.losses >= t.needs(q) {
		q.end(silent)
		return
	}
	if q.losses > 1 { // in step with somebody else's packets? Step aside
		q.notYet = now.Add(t.jitter(t.ration(q).every))
	}
}

// refusal: a packet that routers may truncate was refused, by a router or by the
// target that got the rest of it.
func (q *question) refusal(t *Trace, e event) {
	if !sameHost(e.from, t.cfg.Target) {
		t.trunc.routers++
		return
	}
	t.trunc.mtu, q.event = e.mtu, e
	q.end(refused)
}

// jitter returns half to one and a half of d.
func (t *Trace) jitter(d time.Duration) time.Duration {
	x := t.random
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	t.random = x
	return d/2 + time.Duration(x%1024)*d/1024
}

// timeout is how long to wait for an answer.
func (t *Trace) timeout() time.Duration {
	if t.slowest == 0 {
		return t.cfg.Timeout
	}
	least := time.Duration(minTimeout)
	if t.phase == findHops {
		least = 2 * minTimeout // farther hops may be slower
	}
	return min(max(3*t.slowest, least), t.cfg.Timeout)
}

// settle takes an event that is about one of our packets.
func (t *Trace) settle(now time.Time, p *sentPacket, e event) {
	q := p.q
	if q == nil || q.result != open {
		return
	}
	if !p.over {
		t.slowest = max(t.slowest, now.Sub(p.at))
	}
	if p.checks {
		if q.packet == p && !p.over && e.kind != tooBig {
			p.over = true
			t.checked(now, q)
		}
		return
	}
	var r result
	switch e.kind {
	case timeExceeded:
		r = reached
	case segment, datagram:
		r = reached
	case portUnreachable:
		r = blocked
		if sameHost(e.from, t.cfg.Target) {
			r = reached
		}
	case tooBig:
		r = refused
		t.ration(q).refund()
		if q.patient {
			q.refusal(t, e)
			return
		}
		t.claim(e, p.spec)
	case parameterProblem:
		r = faulty
	case unreachable:
		r = blocked
	default:
		return
	}
	p.over = true
	q.event, q.rtt = e, now.Sub(p.at)
	q.end(r)
}

func sameHost(a, b netip.Addr) bool { return a.Unmap().WithZone("") == b.Unmap().WithZone("") }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
