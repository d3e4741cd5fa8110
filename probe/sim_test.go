package probe

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
)

var (
	host4   = netip.MustParseAddr("192.0.2.9")
	host6   = netip.MustParseAddr("2001:db8::9")
	source4 = netip.MustParseAddr("192.0.2.1")
	source6 = netip.MustParseAddr("2001:db8::1")
	router4 = netip.MustParseAddr("198.51.100.1")
	router6 = netip.MustParseAddr("2001:db8:ff::1")
	epoch   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// path is a simulated path to a host that answers. Sizes are IP packets.
type path struct {
	v6       bool
	link     int // of the first hop; a larger packet can't be sent
	forward  int // larger packets don't arrive
	reverse  int // larger answers don't come back; 0: no limit
	rtt      time.Duration
	jitter   func() time.Duration              // added to each answer's way back; nil: none
	twice    bool                              // everything that comes back comes twice
	ptb      func(size int) (mtu int, ok bool) // what the router says about a packet that is too big; nil: nothing
	ptbAlso  func(size int) (mtu int, ok bool) // about one that it forwards all the same
	short    bool                              // routers quote 8 bytes only, as RFC 792 asks
	dead     bool                              // the host doesn't answer
	lose     func(size int) bool               // whether a packet, or its answer, gets lost on the way
	burst    int                               // answers at once; 0: no rate limit
	every    time.Duration
	rival    time.Duration // somebody else asks for answers as often; 0: nobody
	refusal  *ICMPError    // what a firewall says to everything
	lastOnly time.Duration // the host answers as often, and then the last packet that came (RFC 9869 section 3.3)
	dieAfter int           // packets after which the host stops answering; 0: never
	sendFail func(size int) *Failure
	whole    func(now time.Time, b []byte, back func([]byte)) // what becomes of IP packets, in place of all that

	tokens  float64
	filled  time.Time
	free    time.Time // when the next answer may leave
	waiting []byte    // the answer that will; nil: none
	sent    int
	sizes   []int
}

type arrival struct {
	at  time.Time
	seq int
	do  func(now time.Time)
}

func (p *path) target() netip.Addr {
	if p.v6 {
		return host6
	}
	return host4
}

func (p *path) router() netip.Addr {
	if p.v6 {
		return router6
	}
	return router4
}

func (p *path) method(t testing.TB, name string) Method {
	t.Helper()
	target := targetOf(p.target(), Key{1, 2, 3})
	target.LinkMTU = p.link
	m, err := NewMethod(name, target, 0, 4711)
	require.NoError(t, err)
	return m
}

// allowed says whether the host's rate limit lets it answer now.
func (p *path) allowed(now time.Time) bool {
	if p.burst == 0 {
		return true
	}
	if p.filled.IsZero() {
		p.tokens = float64(p.burst)
		p.filled = now
	}
	for p.rival > 0 && !p.filled.Add(p.rival).After(now) {
		p.refill(p.filled.Add(p.rival))
		if p.tokens >= 1 {
			p.tokens--
		}
	}
	if p.rival == 0 {
		p.refill(now)
	} else {
		// Between the rival's turns there is what it left.
		if p.tokens+float64(now.Sub(p.filled))/float64(p.every) < 1 {
			return false
		}
	}
	if p.tokens < 1 {
		return false
	}
	p.tokens--
	return true
}

func (p *path) refill(now time.Time) {
	p.tokens = min(p.tokens+float64(now.Sub(p.filled))/float64(p.every), float64(p.burst))
	p.filled = now
}

func (p *path) quote(m Method, size int, data []byte) Quote {
	q := Quote{Length: size, TTL: 64, Payload: data}
	room := 576 - 28 - m.Traits().Below
	if p.v6 {
		room = 1280 - 48 - m.Traits().Below
	}
	if p.short {
		room = 28 - m.Traits().Below // IP header and 8 bytes
		if p.v6 {
			room += 20
		}
	}
	if m.Traits().Carrier == UDP {
		q.Transport = make([]byte, 8)
		binary.BigEndian.PutUint16(q.Transport[2:], m.Traits().Port)
		binary.BigEndian.PutUint16(q.Transport[4:], uint16(len(data)+8))
	}
	q.Payload = append([]byte(nil), data[:max(min(room, len(data)), 0)]...)
	return q
}

func (p *path) tooBigError(mtu int, q Quote) ICMPError {
	e := ICMPError{From: p.router(), Type: 3, Code: 4, MTU: mtu, Quote: q}
	if p.v6 {
		e.Type, e.Code = 2, 0
	}
	return e
}

// run drives a session over the path in virtual time, until it is done.
func (p *path) run(t testing.TB, s *Session) Outcome {
	t.Helper()
	now := epoch
	var queue []arrival
	seq := 0
	schedule := func(at time.Time, do func(time.Time)) {
		if p.jitter != nil {
			at = at.Add(p.jitter())
		}
		if p.twice {
			seq++
			queue = append(queue, arrival{at.Add(p.rtt), seq, do})
		}
		seq++
		queue = append(queue, arrival{at, seq, do})
		sort.Slice(queue, func(i, j int) bool {
			if queue[i].at.Equal(queue[j].at) {
				return queue[i].seq < queue[j].seq
			}
			return queue[i].at.Before(queue[j].at)
		})
	}
	idle := 0
	for !s.Done() {
		busy := false
		for {
			send, ok := s.Poll(now)
			if !ok {
				break
			}
			busy = true
			require.Equal(t, send.Size, len(send.Data)+s.traits.Below, "size of packet %d", send.ID)
			p.transmit(t, now, s, send, schedule)
			require.Less(t, p.sent, 50000, "endless sending")
		}
		if s.Done() {
			break
		}
		next := s.Next()
		require.False(t, next.IsZero(), "Next is zero though the session isn't done")
		if len(queue) > 0 && !queue[0].at.After(next) {
			a := queue[0]
			queue = queue[1:]
			now = later(now, a.at)
			a.do(now)
			idle = 0
			continue
		}
		if !next.After(now) && !busy {
			idle++
			require.Less(t, idle, 5, "busy loop at %v", now.Sub(epoch))
		} else {
			idle = 0
		}
		now = later(now, next)
	}
	return s.Outcome()
}

// handIn hands a whole IPv6 packet that arrived to a session.
func handIn(t testing.TB, s *Session, now time.Time, b []byte) {
	pkt, err := ip6.Parse(b)
	require.NoError(t, err)
	e, err := ip6.ParseErrorPacket(pkt, ip6.Limits{})
	if err != nil {
		require.ErrorIs(t, err, ip6.ErrNotICMPError)
		s.Received(now, b)
		return
	}
	s.ICMP(now, ICMPError{From: pkt.Src(), Type: e.Type, Code: e.Code, MTU: int(e.Param),
		Quote: Quote{Length: e.Quote.TotalLen(), TTL: int(e.Quote.HopLimit()), Payload: e.Quote}})
}

func (p *path) transmit(t testing.TB, now time.Time, s *Session, send Send, schedule func(time.Time, func(time.Time))) {
	size, data := send.Size, append([]byte(nil), send.Data...)
	m := s.cfg.Method
	if p.sendFail != nil {
		if f := p.sendFail(size); f != nil {
			s.SendFailed(now, send.ID, *f)
			return
		}
	}
	if size > p.link {
		s.SendFailed(now, send.ID, Failure{TooBig: true, MTU: p.link, Err: fmt.Errorf("message too long")})
		return
	}
	p.sent++
	p.sizes = append(p.sizes, size)
	if p.whole != nil {
		p.whole(now, data, func(b []byte) {
			b = append([]byte(nil), b...)
			schedule(now.Add(p.rtt), func(now time.Time) { handIn(t, s, now, b) })
		})
		return
	}
	if p.refusal != nil {
		e := *p.refusal
		e.Quote = p.quote(m, size, data)
		schedule(now.Add(p.rtt/2), func(now time.Time) { s.ICMP(now, e) })
		return
	}
	if p.lose != nil && p.lose(size) {
		return
	}
	if p.ptbAlso != nil {
		if mtu, ok := p.ptbAlso(size); ok {
			e := p.tooBigError(mtu, p.quote(m, size, data))
			schedule(now.Add(p.rtt/2), func(now time.Time) { s.ICMP(now, e) })
		}
	}
	if size > p.forward {
		if p.ptb != nil {
			if mtu, ok := p.ptb(size); ok {
				e := p.tooBigError(mtu, p.quote(m, size, data))
				schedule(now.Add(p.rtt/2), func(now time.Time) { s.ICMP(now, e) })
			}
		}
		return
	}
	if p.dead || p.dieAfter != 0 && p.sent > p.dieAfter || !p.allowed(now.Add(p.rtt/2)) {
		return
	}
	if m.Traits().ClosedPort {
		e := ICMPError{From: p.target(), Type: 3, Code: 3, Quote: p.quote(m, size, data)}
		if p.v6 {
			e.Type, e.Code = 1, 4
		}
		schedule(now.Add(p.rtt), func(now time.Time) { s.ICMP(now, e) })
		return
	}
	back := respond(m, p.v6, data)
	if back == nil || p.reverse != 0 && len(back)+m.Traits().Below > p.reverse {
		return
	}
	if p.lastOnly > 0 {
		if held := p.waiting != nil; held {
			p.waiting = back
			return
		}
		p.waiting = back
		leaves := later(now.Add(p.rtt/2), p.free)
		schedule(leaves.Add(p.rtt-p.rtt/2), func(now time.Time) {
			back, p.waiting, p.free = p.waiting, nil, leaves.Add(p.lastOnly)
			s.Received(now, back)
		})
		return
	}
	schedule(now.Add(p.rtt), func(now time.Time) { s.Received(now, back) })
}

// chance loses packets at random, from a fixed seed.
func chance(seed uint64, p float64) func(int) bool {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(int) bool { return r.Float64() < p }
}

func says(mtu int) func(int) (int, bool) { return func(int) (int, bool) { return mtu, true } }

func newSession(t testing.TB, p *path, name string, change func(*Config)) *Session {
	t.Helper()
	if p.link == 0 {
		p.link = 1500
	}
	if p.rtt == 0 {
		p.rtt = 20 * time.Millisecond
	}
	c := Config{Method: p.method(t, name), Target: p.target(), FirstHop: p.link}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	require.NoError(t, err)
	return s
}
