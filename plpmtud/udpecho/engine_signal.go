package udpecho

import (
	"net/netip"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpsock"
)

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
