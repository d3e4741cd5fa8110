package plpmtud

import "time"

// hintInterval is how long after a hop-by-hop hint that cost probes the next
// one is heeded: a peer that reports a new size each round trip must not cause
// a probe each round trip.
const hintInterval = time.Minute

// Hint tells of a path MTU that somebody else claims; see Hint for what the
// caller must have checked. With s the hint's MTU less Overhead:
//
//	s                        PacketTooBig, Truncated              HopByHop
//	below Min                ignored                              ignored
//	Min to below Base        ERROR, use Min                       one confirming probe
//	Base to below PLPMTU     use Base, state BASE, then try s     confirm PLPMTU; if that fails, the same
//	PLPMTU                   SEARCHING ends                       the same
//	up to the probe flying   nothing above s; probe s next        the same
//	larger, or none flying   ignored                              nothing above s; probe s next, at most Max;
//	                                                              may restart a finished search
//
// This is RFC 8899 section 4.6.2, and RFC 9268 section 6.3 for the last column.
func (p *Path) Hint(now time.Time, h Hint) {
	t := p.at(now)
	used := p.useHint(t, h)
	kind := HintIgnored
	if used {
		kind = HintUsed
	}
	p.emit(t, Event{Kind: kind, Cause: h.cause(), Hint: h, Size: h.MTU - int(p.set.overhead)})
	if used {
		p.advance(t)
	}
}

func (h Hint) cause() Cause {
	if h.Source == HopByHop {
		return HopByHopOption
	}
	return TooBig
}

func (p *Path) useHint(t instant, h Hint) bool {
	if p.state == Disabled || h.Source > Truncated {
		return false
	}
	size := h.MTU - int(p.set.overhead)
	if size < int(p.min()) {
		return false // D4.6.2-2
	}
	s := uint16(min(size, int(p.max)))
	switch {
	case h.Source == HopByHop && s < p.size:
		return p.hopByHopBelow(t, s)
	case h.Source == HopByHop && s > p.size:
		return p.hopByHopAbove(t, s)
	case s < p.base() && h.Source != HopByHop:
		return p.tooBigBelowBase(t)
	case s < p.size:
		p.fall(t, fallen{cause: TooBig, to: p.base(), ceil: s, candidate: s})
		p.ptbUntil = (t + instant(ptbHold)).seconds()
		return true
	case s == p.size:
		return p.endSearch(t, h)
	default:
		return p.tooBigAbove(t, s)
	}
}

// tooBigBelowBase: BASE_PLPMTU does not fit, somebody says (D4.6.2-3).
func (p *Path) tooBigBelowBase(t instant) bool {
	if p.state == Error {
		return false
	}
	p.enterError(t, TooBig)
	p.ptbUntil = (t + instant(ptbHold)).seconds()
	return true
}

// tooBigAbove: a size between the PLPMTU and the probe in flight is the next
// to try (D4.6.2-5). One that is not below the probe says nothing (D3-6d).
func (p *Path) tooBigAbove(t instant, s uint16) bool {
	if p.state != Searching || s >= p.flyingSize() {
		return false
	}
	p.withdraw()
	p.lowerCeil(s)
	p.candidate = s
	p.ptbUntil = (t + instant(ptbHold)).seconds()
	return true
}

// endSearch: the hint names what is in use already.
func (p *Path) endSearch(t instant, h Hint) bool {
	if p.state != Searching {
		return false
	}
	p.withdraw()
	p.lowerCeil(p.size)
	if h.Source != HopByHop {
		p.ptbUntil = (t + instant(ptbHold)).seconds()
	}
	p.enter(t, SearchComplete, h.cause())
	return true
}

// hopByHopBelow: the option reports less than what is in use. That may be
// stale or forged, so the PLPMTU is confirmed first.
func (p *Path) hopByHopBelow(t instant, s uint16) bool {
	if p.state != Searching && p.state != SearchComplete || p.confirm != notConfirming || !p.hintDue(t) {
		return false
	}
	p.hintAt = t.seconds()
	if s < p.base() {
		p.beginConfirm(confirmOnce)
		return true
	}
	p.beginConfirm(confirmOrFall)
	p.candidate = s
	return true
}

// hopByHopAbove: every link whose router took part carries s, and one of them
// carries no more.
func (p *Path) hopByHopAbove(t instant, s uint16) bool {
	switch p.state {
	case Base:
		p.candidate = s
		p.lowerCeil(max(s, p.base()))
		return true
	case Searching:
		if s > p.ceil || s == p.flyingSize() || s == p.candidate {
			return false
		}
		if s < p.flyingSize() {
			p.withdraw()
		}
		p.lowerCeil(s)
		p.candidate = s
		return true
	case SearchComplete:
		if p.confirm != notConfirming || !p.hintDue(t) || s > p.ceil && t < p.ptbUntil.instant() {
			return false
		}
		p.hintAt = t.seconds()
		p.restart(t, HopByHopOption)
		p.lowerCeil(s)
		p.candidate = s
		return true
	}
	return false
}

func (p *Path) hintDue(t instant) bool {
	return p.hintAt == 0 || t >= p.hintAt.instant()+instant(hintInterval)
}

// flyingSize returns the size of the probe in flight, 0 if there is none.
func (p *Path) flyingSize() uint16 {
	if !p.flying {
		return 0
	}
	return p.kept(p.newest()).size
}

// withdraw gives up waiting for the probe in flight without counting it as
// lost. If it is acknowledged after all, that counts.
func (p *Path) withdraw() {
	if p.flying {
		p.kept(p.newest()).fate = withdrawn
		p.flying = false
	}
}
