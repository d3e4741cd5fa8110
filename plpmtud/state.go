package plpmtud

// State is one of the five states of RFC 8899 section 5.2.
type State uint8

const (
	Disabled       State = iota // no connectivity: nothing is probed
	Base                        // BASE_PLPMTU is being confirmed
	Searching                   // probing for a larger PLPMTU
	SearchComplete              // no larger size is worth a probe, for now
	Error                       // BASE_PLPMTU does not get through, or the path contradicts itself: a conservative size is in use
)

func (s State) String() string {
	switch s {
	case Disabled:
		return "DISABLED"
	case Base:
		return "BASE"
	case Searching:
		return "SEARCHING"
	case SearchComplete:
		return "SEARCH_COMPLETE"
	case Error:
		return "ERROR"
	}
	return "BUG"
}

// ProbeID names one probe of a Path. IDs are never reused while a Path lives,
// so that a late or replayed answer can't be taken for another probe's
// (RFC 8899 section 4.1). The zero ProbeID names no probe.
type ProbeID uint32

// Probe is one datagram to send now.
type Probe struct {
	ID ProbeID
	// Size is the PL size in bytes: what the packetization layer hands down as
	// one datagram, padding included.
	Size int
}
