package plpmtud

// Counters count the events of one Path or of many. The zero value is ready;
// Count is a Config.Trace. Not safe for concurrent use.
type Counters struct {
	ProbesSent, ProbesAcked, ProbesLost uint64
	ProbeBytes                          uint64 // PL sizes of the probes sent
	LateAcks                            uint64 // probes acknowledged after they were declared lost
	Raised, Lowered                     uint64 // changes of the PLPMTU
	HintsUsed, HintsIgnored             uint64
	BlackHoles                          uint64 // falls because packets of the PLPMTU no longer arrived
	Suspicions, Refutations             uint64
	GreyHoles                           uint64
	Errors                              uint64 // times that ERROR was entered
	Contradictions                      uint64 // of those, because sizes came and went
}

// Count takes note of an event.
func (c *Counters) Count(e Event) {
	switch e.Kind {
	case ProbeSent:
		c.ProbesSent++
		c.ProbeBytes += uint64(e.Size)
	case ProbeAcked:
		c.ProbesAcked++
		if e.Late {
			c.LateAcks++
		}
	case ProbeLost:
		c.ProbesLost++
	case SizeChange:
		if e.New > e.Old {
			c.Raised++
		} else {
			c.Lowered++
		}
	case StateChange:
		c.countState(e)
	case HintUsed:
		c.HintsUsed++
	case HintIgnored:
		c.HintsIgnored++
	case Suspected:
		c.Suspicions++
	case Refuted:
		c.Refutations++
	case GreyHole:
		c.GreyHoles++
	}
}

func (c *Counters) countState(e Event) {
	if e.Cause == BlackHoled {
		c.BlackHoles++
	}
	if e.To == Error {
		c.Errors++
		if e.Cause == Contradiction {
			c.Contradictions++
		}
	}
}

// Traces calls several observers in turn; nil ones are left out.
func Traces(observers ...func(Event)) func(Event) {
	var all []func(Event)
	for _, o := range observers {
		if o != nil {
			all = append(all, o)
		}
	}
	return func(e Event) {
		for _, o := range all {
			o(e)
		}
	}
}
