package results

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict is the outcome of a measurement: one of a closed set, or NoVerdict.
type Verdict string

const (
	OK             Verdict = "ok"              // the PMTU is confirmed; it is the first hop's MTU, or routers report what is larger
	OKSilent       Verdict = "ok-silent"       // smaller than the first hop's MTU and the place that limits it sent no PTB: a black hole for larger packets
	LossyAbove     Verdict = "lossy-above"     // larger sizes pass but are lost more often
	ResponderLimit Verdict = "responder-limit" // the host answers no larger packet; the path may carry more
	ReverseLimit   Verdict = "reverse-limit"   // the way back carries less than the way there
	Inconsistent   Verdict = "inconsistent"    // the same size passes and fails, or flows differ
	Unresponsive   Verdict = "unresponsive"    // no answer to small packets either
	Refused        Verdict = "refused"         // somebody said that the probes are prohibited
	LocalLimit     Verdict = "local-limit"     // nothing larger could be sent from here; the path may carry more
)

// NoVerdict stands beside an error that ended the measurement before a verdict.
const NoVerdict Verdict = ""

// Verdicts returns the closed set.
func Verdicts() []Verdict {
	return []Verdict{OK, OKSilent, LossyAbove, ResponderLimit, ReverseLimit, Inconsistent, Unresponsive, Refused, LocalLimit}
}

// Grade says how a Packet Too Big message's MTU m compares with the path, from
// packets of m and m+1 bytes in the same flow: one of a closed set.
type Grade string

const (
	Exact        Grade = "exact"         // m passes, at least that router, and m+1 doesn't
	Understated  Grade = "understated"   // m+1 passes too
	Overstated   Grade = "overstated"    // m doesn't pass
	Zero         Grade = "zero"          // m is 0: a router that knows only RFC 792
	TooSmall     Grade = "too-small"     // m is below the protocol's least MTU: 68 (IPv4), 1280 (IPv6)
	NotSmaller   Grade = "not-smaller"   // m is not less than the size of the packet it complains about
	WrongFlow    Grade = "wrong-flow"    // it quotes a packet that was never sent
	CachedNearer Grade = "cached-nearer" // m is right, but the sender isn't the bottleneck: a nearer hop repeats it
)

// Grades returns the closed set.
func Grades() []Grade {
	return []Grade{Exact, Understated, Overstated, Zero, TooSmall, NotSmaller, WrongFlow, CachedNearer}
}

// Direction says which way of the path a result is about: one of a closed set.
type Direction string

const (
	Forward   Direction = "forward"    // answers are small: only the way there was measured
	RoundTrip Direction = "round-trip" // answers are as large as probes: the smaller of both ways
)

// Directions returns the closed set.
func Directions() []Direction { return []Direction{Forward, RoundTrip} }

// ValueError reports a field of a Record with a value that it can't have.
type ValueError struct {
	Field string // its JSON name, with the path to it
	Value any
	Want  string
}

func (e *ValueError) Error() string {
	v := e.Value
	if s, ok := v.(string); ok {
		v = fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%s is %v, want %s", e.Field, v, e.Want)
}

func oneOf[T ~string](field string, v T, set []T) error {
	if slices.Contains(set, v) {
		return nil
	}
	names := make([]string, len(set))
	for i, s := range set {
		names[i] = string(s)
	}
	return &ValueError{Field: field, Value: string(v), Want: "one of " + strings.Join(names, ", ")}
}
