package udpecho

import (
	"hash/maphash"
	"net/netip"
	"time"

	"pathmtu/plpmtud/udpsock"
)

// greetingsPerSecond bounds the greetings to new peers: an application that
// answers forged requests must not make this layer multiply them.
const greetingsPerSecond = 64

// engine is all of this layer but the socket. It does no I/O and reads no clock;
// time, datagrams, and the random numbers for tokens are passed in. It is not
// safe for concurrent use.
type engine struct {
	cfg       Config
	codec     *codec
	responder *responder
	greetings udpsock.Budget
	token     func() uint64
	mayProbe  func(netip.Addr) bool
	peers     map[netip.AddrPort]*peer
	changed   []*peer
	stats     Stats
}

func newEngine(cfg Config, token func() uint64, seed maphash.Seed, mayProbe func(netip.Addr) bool) *engine {
	return &engine{
		cfg: cfg, codec: newCodec(cfg.Key), responder: newResponder(cfg.AnswersPerSecond, seed),
		greetings: udpsock.NewBudget(greetingsPerSecond, greetingsPerSecond),
		token:     token, mayProbe: mayProbe, peers: map[netip.AddrPort]*peer{},
	}
}

// key makes one address of the two that IPv4-mapping allows.
func key(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// sent notes that the application sends to an address; true: there may be
// something to do.
func (e *engine) sent(now time.Time, to netip.AddrPort) bool {
	p := e.peers[to]
	if p == nil {
		if !to.IsValid() || to.Port() == 0 || to.Addr().IsMulticast() {
			return false
		}
		p = e.add(now, to)
	}
	wake := p.used.IsZero() || e.idle(now, p)
	p.used = now
	return wake
}

func (e *engine) idle(now time.Time, p *peer) bool { return now.Sub(p.used) > e.cfg.IdleAfter }

// add begins to know a peer.
func (e *engine) add(now time.Time, to netip.AddrPort) *peer {
	if len(e.peers) >= e.cfg.MaxPeers {
		e.evict()
	}
	p := &peer{addr: to, family: udpsock.FamilyOf(to.Addr()), greetAt: now, pause: firstPause}
	_, p.assumed, _ = e.cfg.limits(p.family, 0)
	p.told = p.assumed
	if !e.mayProbe(to.Addr()) {
		p.stage = mute
	}
	e.peers[to] = p
	return p
}

// evict forgets the peer that was sent to least recently: of those that never
// answered, if there are any, since anybody can invent addresses.
func (e *engine) evict() {
	var worst *peer
	for _, p := range e.peers {
		if worst == nil || (p.path == nil) != (worst.path == nil) && p.path == nil ||
			(p.path == nil) == (worst.path == nil) && p.used.Before(worst.used) {
			worst = p
		}
	}
	delete(e.peers, worst.addr)
	e.stats.Evicted++
}

// received handles a datagram of this layer, of which n bytes were received. If
// reply is true, answer is to be sent back.
func (e *engine) received(now time.Time, from netip.AddrPort, h header, n int) (answer header, reply bool) {
	if !h.valid(n) {
		e.stats.Malformed++
		return header{}, false
	}
	p := e.peers[from]
	if h.kind == answerKind {
		if p == nil || !e.answered(now, p, h) {
			e.stats.Stray++
		}
		return header{}, false
	}
	if p != nil {
		if p.find(h.token) != nil {
			e.stats.Reflected++
			return header{}, false
		}
		if p.stage == greeting && p.greeted >= e.cfg.MaxProbes {
			// It has this layer after all, by now. Another round of greetings,
			// which no more than a round of forged probes can cause.
			p.greetAt, p.greeted = now, 0
		}
	}
	answer, reply = e.responder.answer(now, from, h, n)
	if reply {
		e.stats.Answered++
	} else {
		e.stats.Limited++
	}
	return answer, reply
}

// answered handles an answer; false: it matches no probe.
func (e *engine) answered(now time.Time, p *peer, h header) bool {
	s := p.find(h.token)
	if s == nil || h.length > s.size {
		return false
	}
	probe := *s
	*s = sentToken{}
	e.stats.Acked++
	if probe.id == 0 {
		if p.stage == greeting {
			p.stage, p.greeted, p.pause = looking, 0, firstPause
		}
		return true
	}
	if p.stage != running {
		return false
	}
	if probe.id == p.flying {
		p.flying = 0
	}
	if h.length == probe.size {
		ok := p.path.Acked(now, probe.id)
		e.after(now, p)
		return ok
	}
	// It arrived, but the peer's application reads no more than that at once.
	p.path.Lost(now, probe.id)
	p.reader = h.length
	p.applyMax(now)
	e.after(now, p)
	return true
}
