package plpmtud

import "time"

// Kind says what an Event reports.
type Kind uint8

const (
	ProbeSent   Kind = iota // Poll handed out a probe
	ProbeAcked              // a probe arrived; Late says that it had been declared lost
	ProbeLost               // a probe was lost: not a congestion signal (RFC 8899 section 3, item 7)
	StateChange             // From became To
	SizeChange              // the PLPMTU changed from Old to New
	HintUsed                // a hint changed something
	HintIgnored             // a hint changed nothing
	Suspected               // losses look like a black hole
	Refuted                 // the suspicion was wrong
	GreyHole                // larger packets are lost more often; Size is the advised cap, 0: no more
)

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "BUG"
}

var kindNames = [...]string{
	"probe-sent", "probe-acked", "probe-lost", "state", "plpmtu",
	"hint-used", "hint-ignored", "suspected", "refuted", "grey-hole",
}

// Cause says why.
type Cause uint8

const (
	NoCause        Cause = iota
	Started              // Start: connectivity confirmed, or a new path
	Stopped              // Stop: connectivity lost
	BaseConfirmed        // a probe of BASE_PLPMTU, or a handshake of that size, arrived
	ProbeConfirmed       // a larger probe arrived
	LateAck              // an acknowledgement contradicted an earlier loss
	MaxReached           // MAX_PLPMTU is confirmed
	NothingLarger        // the search finds no size worth a probe
	ProbesLost           // MAX_PROBES probes were lost
	BlackHoled           // packets of the PLPMTU no longer arrive
	Confirming           // validating the PLPMTU
	Raise                // PMTU_RAISE_TIMER
	TooBig               // a PTB, or a destination's PTB
	HopByHopOption       // an RFC 9268 report
	LocalLimit           // SetMax
	Contradiction        // sizes are acknowledged and lost in turn
	MinUnusable          // not even MIN_PLPMTU gets through
)

func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "BUG"
}

var causeNames = [...]string{
	"none", "started", "stopped", "base-confirmed", "probe-confirmed", "late-ack",
	"max-reached", "nothing-larger", "probes-lost", "black-hole", "confirming",
	"raise-timer", "too-big", "hop-by-hop", "local-limit", "contradiction", "min-unusable",
}

// Event is something that happened to a Path, with its cause.
//
// For congestion control (RFC 8899 section 3, item 7): no event is a
// congestion signal; a congestion window in bytes must not grow because of a
// SizeChange; one that counts packets should be rescaled (ScalePackets).
type Event struct {
	Time     time.Time // when, by the clock of the caller
	Kind     Kind      // what
	Cause    Cause     // why
	From, To State     // the states before and after; equal unless Kind is StateChange
	Old, New int       // the PLPMTU before and after, bytes of PL size
	ID       ProbeID   // the probe, if any
	Size     int       // its size, or the size in question; bytes of PL size
	Hint     Hint      // HintUsed, HintIgnored
	Late     bool      // ProbeAcked: it had been declared lost before
}

// ScalePackets returns what a congestion window of so many packets becomes by
// a SizeChange, so that it stays the same number of bytes: at least 1. Other
// events leave it as it is.
func (e Event) ScalePackets(window int) int {
	if e.Kind != SizeChange || e.New <= 0 {
		return window
	}
	return max(window*e.Old/e.New, 1)
}
