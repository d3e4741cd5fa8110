package udpecho

import (
	"net/netip"
	"time"
)

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
