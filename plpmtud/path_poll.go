package plpmtud

import "time"

// Poll returns a probe to send now, if one is due. Call it whenever a datagram
// could be sent, and at the time that Next names. The probe is one standalone
// datagram of exactly Size bytes, not fragmented, outside of any batch that the
// kernel segments (RFC 8899 section 3, items 1 and 2); if sending it fails with
// "message too long", call SetMax with what does fit.
func (p *Path) Poll(now time.Time) (Probe, bool) {
	t := p.at(now)
	p.expire(t)
	p.judge(t)
	if p.flying || p.next == 0 || p.idle || t < p.earliest() {
		return Probe{}, false
	}
	if p.advance(t); p.next == 0 { // what a loss costs may have become known
		return Probe{}, false
	}
	probe := Probe{ID: p.nextID, Size: int(p.next)}
	p.probes[int(probe.ID)%keptProbes] = sentProbe{size: p.next, fate: inFlight}
	p.nextID++
	p.flying = true
	p.lastSent = t
	cause := NoCause
	if p.confirm != notConfirming {
		cause = Confirming
	}
	if p.next == p.candidate {
		p.candidate = 0
	}
	p.emit(t, Event{Kind: ProbeSent, Cause: cause, ID: probe.ID, Size: probe.Size})
	return probe, true
}

// Next returns when to call Poll again without a further event: a time that may
// be past, or the zero time, which means: after the next event.
func (p *Path) Next() time.Time {
	switch {
	case p.flying:
		if p.set.layer == Unacknowledged {
			return p.time(p.lastSent + p.set.probeTimeout.instant())
		}
		return time.Time{}
	case p.idle || p.state == Disabled:
		return time.Time{}
	case p.next != 0:
		return p.time(p.earliest())
	}
	wake := p.raiseAt.instant()
	if p.timerAt != 0 && (wake == 0 || p.timerAt < wake) {
		wake = p.timerAt
	}
	if wake == 0 {
		return time.Time{}
	}
	return p.time(wake)
}

// earliest returns when the next probe may leave: a round trip and
// ProbeInterval after the last one (D3-7b, D8-1), and in ERROR after the
// back-off.
func (p *Path) earliest() instant {
	var at instant
	if p.lastSent != 0 {
		at = p.lastSent + instant(max(p.set.interval, p.rtt).duration())
	}
	if p.state == Error {
		at = max(at, p.timerAt)
	}
	return at
}

// expire does what timers ask for.
func (p *Path) expire(t instant) {
	if p.flying {
		if p.set.layer == Unacknowledged && t >= p.lastSent+p.set.probeTimeout.instant() {
			p.probeLost(t)
		}
		return
	}
	if p.idle {
		return
	}
	switch p.state {
	case SearchComplete:
		switch {
		case p.raiseAt != 0 && t >= p.raiseAt.instant():
			p.grey = greyHole{}
			p.restart(t, Raise)
			p.advance(t)
		case p.timerAt != 0 && t >= p.timerAt && p.confirm == notConfirming:
			p.beginConfirm(confirmOrFall)
			p.advance(t)
		}
	case Error:
		if p.stability.phase == waiting && t >= p.timerAt {
			p.endHold(t)
		}
	}
}

// restart begins a new search with nothing ruled out but what MAX_PLPMTU does.
func (p *Path) restart(t instant, cause Cause) {
	p.clearEvidence()
	p.setCeil(p.max, false)
	p.enter(t, Searching, cause)
}

func (p *Path) beginConfirm(c confirmation) {
	p.confirm, p.confirmLost = c, 0
}

// advance decides what is probed next, and whether the search is over.
func (p *Path) advance(t instant) {
	p.next = 0
	switch p.state {
	case Base:
		p.next = p.base()
	case Error:
		p.next = p.base()
		if p.minProbing {
			p.next = p.min()
		} else if p.stability.phase == waiting {
			p.next = 0
		}
	case Searching:
		p.next = p.searchNext(t)
	case SearchComplete:
		if p.confirm != notConfirming {
			p.next = p.size
		}
	}
}

// searchNext returns the size that the search, or a hint, wants to probe; if
// there is none, the search is complete.
func (p *Path) searchNext(t instant) uint16 {
	if p.confirm != notConfirming {
		return p.size
	}
	if p.candidate > p.size && p.candidate <= p.ceil {
		return p.candidate
	}
	p.candidate = 0
	if p.size < p.ceil {
		if n := p.search.Next(p.evidence()); n >= int(p.size) && n <= int(p.ceil) {
			return uint16(n)
		}
	}
	cause := NothingLarger
	if p.size == p.max {
		cause = MaxReached
	}
	p.enter(t, SearchComplete, cause)
	return 0
}
