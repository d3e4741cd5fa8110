// Package detectors holds the black-hole detectors of other implementations,
// written from their described behaviour: given which packets of a flow are
// acknowledged and lost, does the path still carry packets of the size in use?
// They are baselines for a comparison.
package detectors

import (
	"time"

	"pathmtu/internal/pathsim"
)

// A Detector is told what became of each data packet. Within one ACK frame,
// acknowledgements come before losses, both in the order of sending; then
// Verdict is asked.
type Detector interface {
	Acked(now time.Time, p pathsim.Sent)
	Lost(now time.Time, p pathsim.Sent)
	// Verdict says whether the path has become a black hole. If so the detector
	// begins anew.
	Verdict(now time.Time) bool
}

// Setting is what a detector is told of a connection. Sizes are bytes of PL size.
type Setting struct {
	Base   int // what it would fall back to
	PLPMTU int // in use
	RTT    time.Duration
}

// Kind names a detector and makes it.
type Kind struct {
	Name string
	New  func(Setting) Detector
}

// All returns every detector, in the order of the tables.
func All() []Kind {
	return []Kind{
		{"quinn", func(s Setting) Detector { return newQuinn(s, false) }},
		{"quinn PR 2792", func(s Setting) Detector { return newQuinn(s, true) }},
		{"s2n-quic", newS2N},
		{"picoquic", newPicoquic},
		{"mvfst d6d", newMvfst},
		{"neqo to 2025-11", newNeqoOld},
		{"neqo 3335", newNeqo},
		{"INET", newINET},
		{"likelihood sketch", newSketch},
	}
}
