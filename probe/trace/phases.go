package trace

import "time"

// advance goes on to the next step when the present one has all its answers.
func (t *Trace) advance(now time.Time) {
	for !t.Done() {
		if t.phase == findEnd {
			if t.session != nil {
				if !t.session.Done() {
					return
				}
				t.closeSession()
			}
			if t.startSession(now) {
				return
			}
			t.enter(findShrinks)
			continue
		}
		if !t.phaseDone() {
			return
		}
		t.enter(t.phase + 1)
		if t.phase == finished {
			t.finish(now)
		}
	}
}

func (t *Trace) phaseDone() bool {
	switch t.phase {
	case findHops:
		return t.hopStep()
	case findShrinks, findMore:
		return t.idle || t.shrinkStep()
	case tryOptions:
		return t.idle || t.optionStep()
	case followMinPMTU:
		return t.idle || settled(t.minAsks)
	case tryTruncation:
		return t.idle || t.truncAsk.result != open
	case tryMSS:
		return t.idle || settled(t.mssAsks)
	}
	return true
}

// enter begins a phase; idle says that it has nothing to do.
func (t *Trace) enter(p phase) {
	t.phase, t.questions = p, nil
	switch p {
	case findShrinks:
		t.idle = !t.startShrinks()
	case tryOptions:
		t.idle = !t.startOptions()
	case followMinPMTU:
		t.idle = !t.startMinPMTU()
	case tryTruncation:
		t.idle = !t.startTruncation()
	case tryMSS:
		t.idle = !t.startMSS()
	case findMore:
		t.idle = false
	}
}
