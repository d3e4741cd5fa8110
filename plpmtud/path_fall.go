package plpmtud

import "time"

// BlackHole says that the packetization layer itself found out that packets of
// the PLPMTU no longer arrive (RFC 8899 section 4.3). The PLPMTU becomes
// BASE_PLPMTU at most. A layer that reports its packets by PacketAcked and
// PacketLost need not call it.
func (p *Path) BlackHole(now time.Time) {
	if p.state != Searching && p.state != SearchComplete {
		return
	}
	t := p.at(now)
	p.fall(t, fallen{cause: BlackHoled, to: p.base(), lost: p.size})
	p.advance(t)
}

// fallen says how the PLPMTU is lowered.
type fallen struct {
	cause     Cause
	to        uint16 // the new PLPMTU, at least BASE_PLPMTU
	acked     bool   // whether a packet of that size arrived since the trouble began
	lost      uint16 // the smallest size known not to arrive, 0: none
	ceil      uint16 // nothing larger is possible, 0: not known
	candidate uint16 // what to try first, 0: what the search says
}

// fall lowers the PLPMTU because larger packets don't arrive.
func (p *Path) fall(t instant, f fallen) {
	p.forget()
	p.clearEvidence()
	p.resetDetector()
	p.stability.fell(t, p.size, p.window())
	if p.stability.falls >= maxFalls {
		p.hold(t)
		return
	}
	p.setCeil(p.max, false)
	if f.ceil != 0 {
		p.ceil = f.ceil
	}
	p.candidate = f.candidate
	p.setSize(t, min(f.to, p.size), f.cause)
	if f.lost > p.size && f.lost <= p.ceil && p.set.maxProbes > 1 {
		// All but one of MAX_PROBES losses: a single further one gives the size up.
		p.insertLost(f.lost)
		p.lost[0].Count = uint16(p.set.maxProbes - 1)
	}
	if f.acked {
		p.enter(t, Searching, f.cause)
		return
	}
	p.enter(t, Base, f.cause)
}

// SetMax sets MAX_PLPMTU, in bytes of PL size, to what is certain locally: the
// interface MTU less Overhead, the peer's limit, or, after "message too long"
// for a datagram of n bytes, n-1 or less. Lowering acts at once, also on the
// PLPMTU; raising lets the search go on. Below Min the path is unusable, and
// the state becomes DISABLED.
func (p *Path) SetMax(now time.Time, maxSize int) {
	t := p.at(now)
	m := uint16(max(min(maxSize, 65535-int(p.set.overhead)), 0))
	old := p.max
	if m == old {
		return
	}
	p.max = m
	if m > old {
		p.maxRaised(t, old)
	} else {
		p.maxLowered(t)
	}
	p.advance(t)
}

func (p *Path) maxRaised(t instant, old uint16) {
	if p.ceil != old {
		return // something smaller than MAX_PLPMTU limits the search
	}
	p.setCeil(p.max, false)
	if p.state == SearchComplete {
		p.restart(t, LocalLimit)
	}
}

func (p *Path) maxLowered(t instant) {
	if p.flyingSize() > p.max {
		p.withdraw()
	}
	p.lowerCeil(p.max)
	if p.candidate > p.max {
		p.candidate = 0
	}
	if p.max < p.set.min {
		if p.state != Disabled {
			p.disable(t, LocalLimit)
		}
		p.setSize(t, min(p.size, p.max), LocalLimit)
		return
	}
	if p.size > p.max {
		p.setSize(t, p.max, LocalLimit)
	}
}

// SetIdle says whether the application has stopped sending. While idle is true
// no probe is sent and Next names no time for one (RFC 8899 section 4.3: a
// sender may stay silent); timers that ran out meanwhile act when it ends.
func (p *Path) SetIdle(idle bool) { p.idle = idle }

// SetRTT gives the packetization layer's own smoothed round-trip time, which
// bounds the rate of probes and scales the cost of a lost one. Without it the
// probes' own round trips serve.
func (p *Path) SetRTT(rtt time.Duration) {
	p.rtt = micros(min(max(rtt.Microseconds(), 1), 1<<32-1))
}
