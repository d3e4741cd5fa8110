package udpecho

import (
	"hash/maphash"
	"net/netip"
	"time"

	"pathmtu/plpmtud"
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

// Stats counts what a Conn did.
type Stats struct {
	Greetings   uint64 // probes of the least size, to learn whether a peer has this layer
	Probes      uint64 // probes sent
	Answered    uint64 // probes of others that were answered
	Limited     uint64 // and those over the limit, not answered
	Acked       uint64 // answers to own probes
	Stray       uint64 // answers that match no probe: late, repeated or forged
	Reflected   uint64 // own probes that came back
	Malformed   uint64 // datagrams of this layer that make no sense
	Hints       uint64 // ICMP messages about size that were believed
	Evicted     uint64 // peers forgotten because there were too many
	Peers       int    // peers known now
	ErrorQueue  udpsock.QueueStats
	ErrorsNoted uint64 // socket errors of earlier datagrams, kept from the application
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

// outgoing is something that the owner of the socket is to do.
type outgoing struct {
	to    netip.AddrPort
	look  bool // call hop with the first hop's MTU
	token uint64
	size  int // send a probe of this UDP payload
}

// poll appends to out what is to be done now.
func (e *engine) poll(now time.Time, out []outgoing) []outgoing {
	for _, p := range e.peers {
		idle := e.idle(now, p)
		switch p.stage {
		case greeting:
			out = e.greet(now, p, idle, out)
		case looking:
			out = append(out, outgoing{to: p.addr, look: true})
		case running:
			p.path.SetIdle(idle)
			if p.flying != 0 && !now.Before(p.lostAt) {
				p.path.Lost(now, p.flying)
				p.flying = 0
				e.after(now, p)
			}
			if !idle && !now.Before(p.lookAt) {
				out = append(out, outgoing{to: p.addr, look: true})
			}
			probe, ok := p.path.Poll(now)
			e.after(now, p)
			if !ok {
				continue
			}
			if e.cfg.AppAcks {
				p.flying, p.lostAt = probe.ID, now.Add(e.cfg.ProbeTimeout)
			}
			s := sentToken{token: e.token(), id: probe.ID, size: probe.Size}
			p.remember(s)
			e.stats.Probes++
			out = append(out, outgoing{to: p.addr, token: s.token, size: s.size})
		}
	}
	return out
}

// greet sends the next greeting to a peer, if it is due.
func (e *engine) greet(now time.Time, p *peer, idle bool, out []outgoing) []outgoing {
	if idle || now.Before(p.greetAt) || !e.greetings.Take(now) {
		return out
	}
	p.greeted++
	p.greetAt = now.Add(e.cfg.ProbeTimeout)
	if p.greeted%e.cfg.MaxProbes == 0 {
		p.greetAt = now.Add(max(p.pause, e.cfg.ProbeTimeout))
		p.pause = min(2*p.pause, lastPause)
	}
	s := sentToken{token: e.token(), size: headerLen}
	p.remember(s)
	e.stats.Greetings++
	return append(out, outgoing{to: p.addr, token: s.token, size: s.size})
}

// nextAt returns when to call poll again without a further event; the zero time:
// after an event.
func (e *engine) nextAt(now time.Time) time.Time {
	var at time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, p := range e.peers {
		idle := e.idle(now, p)
		switch p.stage {
		case greeting:
			if !idle {
				sooner(later(p.greetAt, now, time.Second/greetingsPerSecond))
			}
		case looking:
			sooner(now)
		case running:
			p.path.SetIdle(idle)
			sooner(p.path.Next())
			if p.flying != 0 {
				sooner(p.lostAt)
			}
			if !idle {
				sooner(p.lookAt)
			}
		}
	}
	return at
}

// later returns t, or shortly after now if t is past: the budget is used up.
func later(t, now time.Time, d time.Duration) time.Time {
	if t.After(now) {
		return t
	}
	return now.Add(d)
}

// hop tells the first hop's MTU towards a peer, in bytes of IP packet; 0: not
// known.
func (e *engine) hop(now time.Time, to netip.AddrPort, mtu int) {
	p := e.peers[to]
	if p == nil || p.stage != looking && p.stage != running {
		return
	}
	_, _, p.hop = e.cfg.limits(p.family, mtu)
	p.reader = 0
	p.lookAt = now.Add(e.lookInterval())
	if p.stage == running {
		p.applyMax(now)
		e.after(now, p)
		return
	}
	cfg := e.cfg.path(p.family, mtu)
	cfg.Trace = func(ev plpmtud.Event) {
		if ev.Kind == plpmtud.SizeChange || ev.Kind == plpmtud.StateChange {
			p.cause = ev.Cause
		}
		if e.cfg.Trace != nil {
			e.cfg.Trace(p.addr, ev)
		}
	}
	path, err := plpmtud.New(cfg)
	if err != nil {
		p.stage = mute // the first hop leaves no room
		return
	}
	p.path, p.stage, p.flying = path, running, 0
	p.path.Start(now, headerLen)
	e.after(now, p)
}

func (e *engine) lookInterval() time.Duration {
	if e.cfg.RaiseInterval > 0 {
		return e.cfg.RaiseInterval
	}
	return plpmtud.DefaultRaiseInterval
}

// tooLong tells that the host itself refused a datagram of size bytes of UDP
// payload; mtu is the first hop's, 0 if it is not known.
func (e *engine) tooLong(now time.Time, to netip.AddrPort, size, mtu int) {
	p := e.peers[to]
	if p == nil {
		return
	}
	m := size - 1
	if mtu != 0 {
		m = min(m, mtu-p.family.Overhead())
	}
	m = max(m, headerLen)
	if p.hop == 0 || m < p.hop {
		p.hop = m
	}
	p.applyMax(now)
	e.after(now, p)
}

// notice tells what the error queue says, validated.
func (e *engine) notice(now time.Time, n udpsock.Notice) {
	switch n.Kind {
	case udpsock.LocalTooBig:
		for _, p := range e.peers {
			if p.addr.Addr() == n.Sent.Dst.Addr() {
				e.tooLong(now, p.addr, n.MTU-p.family.Overhead()+1, n.MTU)
			}
		}
	case udpsock.TooBig:
		p := e.peers[key(n.Sent.Dst)]
		if p == nil {
			return
		}
		e.stats.Hints++
		if p.stage == running {
			p.path.Hint(now, plpmtud.Hint{Source: plpmtud.PacketTooBig, MTU: n.MTU})
		} else {
			// Nothing is probed, so that nothing can tell whether it is true. It
			// lowers what is assumed, and never below MIN_PLPMTU.
			least, _, _ := e.cfg.limits(p.family, 0)
			if s := n.MTU - p.family.Overhead(); s >= least {
				p.assumed = min(p.assumed, s)
			}
			p.cause = plpmtud.TooBig
		}
		e.after(now, p)
	}
}

// after follows what happened to a peer's path, and notes what to tell.
func (e *engine) after(now time.Time, p *peer) {
	least, base, _ := e.cfg.limits(p.family, 0)
	p.settle(now, least, base)
	if p.maxPayload() != p.told && !p.queued {
		p.queued = true
		e.changed = append(e.changed, p)
	}
}

// changes returns what OnChange is to be told.
func (e *engine) changes() []Change {
	var out []Change
	for _, p := range e.changed {
		p.queued = false
		if n := p.maxPayload(); n != p.told {
			out = append(out, Change{Peer: p.addr, Old: p.told, New: n, State: p.state(), Cause: p.cause})
			p.told = n
		}
	}
	e.changed = e.changed[:0]
	return out
}

// delivered and undelivered tell what became of the application's datagrams.
func (e *engine) delivered(now time.Time, to netip.AddrPort, size int, sent time.Time) {
	if p := e.peers[to]; p != nil && p.stage == running {
		p.path.PacketAcked(now, size, sent)
		e.after(now, p)
	}
}

func (e *engine) undelivered(now time.Time, to netip.AddrPort, size int, sent time.Time) {
	if p := e.peers[to]; p != nil && p.stage == running {
		p.path.PacketLost(now, size, sent)
		e.after(now, p)
	}
}
