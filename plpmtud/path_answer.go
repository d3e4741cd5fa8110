package plpmtud

import "time"

// Acked says that the probe arrived: the peer acknowledged exactly this ID. It
// returns false for an unknown ID, one of an earlier path or of before a black
// hole, or one acknowledged before; such an answer changes nothing. A late
// acknowledgement, after Lost, is credited.
func (p *Path) Acked(now time.Time, id ProbeID) bool {
	probe := p.kept(id)
	if probe == nil || probe.fate == answered {
		return false
	}
	t := p.at(now)
	late := probe.fate == lostInFlight
	if p.flying && id == p.newest() {
		p.flying = false
		p.rtt.smooth(t - p.lastSent)
		p.arrived(t, probe.size, p.lastSent)
	}
	probe.fate = answered
	p.emit(t, Event{Kind: ProbeAcked, ID: id, Size: int(probe.size), Late: late})
	p.credit(t, probe.size, late)
	p.advance(t)
	return true
}

// Lost says that the packetization layer declared the probe lost. It returns
// false for an ID that is not in flight. A lost probe is not a congestion
// signal (D3-7c, D3-7d). An Unacknowledged layer need not call it: PROBE_TIMER
// does.
func (p *Path) Lost(now time.Time, id ProbeID) bool {
	if !p.flying || id != p.newest() {
		return false
	}
	t := p.at(now)
	p.lossDelay.smooth(t - p.lastSent)
	p.probeLost(t)
	return true
}

// kept returns what is remembered of a probe of the path as it is now, or nil.
func (p *Path) kept(id ProbeID) *sentProbe {
	if id < p.firstID || id >= p.nextID || p.nextID-id > keptProbes {
		return nil
	}
	return &p.probes[int(id)%keptProbes]
}

// newest is the ID of the last probe that Poll handed out.
func (p *Path) newest() ProbeID { return p.nextID - 1 }

// credit takes note that a datagram of this PL size arrived.
func (p *Path) credit(t instant, size uint16, late bool) {
	p.count = 0
	cause := ProbeConfirmed
	if late {
		cause = LateAck
	}
	if size >= p.size {
		p.confirmed(t)
	}
	if size > p.max {
		return
	}
	switch p.state {
	case Base:
		if size >= p.base() {
			p.rise(t, size, BaseConfirmed)
			p.enter(t, Searching, BaseConfirmed)
		}
	case Error:
		p.creditError(t, size)
	case Searching:
		p.rise(t, size, cause)
	case SearchComplete:
		if size > p.size {
			p.rise(t, size, cause)
			p.enter(t, Searching, cause)
		}
	}
}

// rise raises the PLPMTU to a size that was acknowledged, and drops what the
// acknowledgement contradicts.
func (p *Path) rise(t instant, size uint16, cause Cause) {
	if size <= p.size {
		return
	}
	p.setSize(t, size, cause)
	p.stability.rose(size)
	p.dropLostUpTo(size)
	if size > p.ceil {
		p.setCeil(p.max, false) // what lowered the ceiling was wrong
	}
}

// confirmed ends a confirmation of the PLPMTU that succeeded.
func (p *Path) confirmed(t instant) {
	if p.confirm == notConfirming {
		return
	}
	p.confirm, p.confirmLost = notConfirming, 0
	if p.state == SearchComplete && p.set.layer == Unacknowledged {
		p.timerAt = t + p.set.confirm.instant()
	}
	p.hole.n = 0
}

// probeLost takes note that the probe in flight was lost.
func (p *Path) probeLost(t instant) {
	probe := p.kept(p.newest())
	p.flying = false
	probe.fate = lostInFlight
	p.count++
	p.emit(t, Event{Kind: ProbeLost, ID: p.newest(), Size: int(probe.size)})
	switch {
	case p.confirm != notConfirming && probe.size == p.size:
		p.hole.suspect(probe.size, p.lastSent.stamp())
		p.confirmationLost(t)
	case p.state == Base:
		if p.count >= p.set.maxProbes {
			p.enterError(t, ProbesLost)
		}
	case p.state == Error:
		p.errorProbeLost(t)
	case p.state == Searching:
		p.addLost(probe.size)
		if !p.set.perSize && p.count >= p.set.maxProbes {
			p.enter(t, SearchComplete, ProbesLost)
		}
	}
	p.advance(t)
}

func (p *Path) confirmationLost(t instant) {
	p.confirmLost++
	switch {
	case p.confirm == confirmOnce:
		p.confirm, p.confirmLost = notConfirming, 0
	case p.confirmLost < p.set.maxProbes:
	case p.hole.n > 0:
		p.verdict(t)
	default:
		p.fall(t, fallen{cause: BlackHoled, to: p.base(), lost: p.size, candidate: p.candidate})
	}
}

// smooth folds one measurement into a smoothed duration (RFC 6298's 1/8).
func (m *micros) smooth(d instant) {
	us := micros(min(max(time.Duration(d).Microseconds(), 1), 1<<32-1))
	if *m == 0 {
		*m = us
		return
	}
	*m = micros((uint64(*m)*7 + uint64(us)) / 8)
}
