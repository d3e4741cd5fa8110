package compare

import (
	"time"

	"pathmtu/internal/pathsim"
	"pathmtu/internal/pathsim/detectors"
	"pathmtu/plpmtud"
)

// PathEndpoint makes a plpmtud.Path drive a flow.
type PathEndpoint struct {
	*plpmtud.Path
	// RTT, if not nil, returns the flow's own round-trip time, which the path is
	// then told.
	RTT func() time.Duration
	// Hints says whether Packet Too Big messages are passed on.
	Hints bool
}

// Size implements pathsim.Endpoint.
func (e *PathEndpoint) Size() int { return e.PLPMTU() }

// Poll implements pathsim.Endpoint.
func (e *PathEndpoint) Poll(now time.Time) (id uint32, size int, ok bool) {
	p, ok := e.Path.Poll(now)
	return uint32(p.ID), p.Size, ok
}

// ProbeAcked implements pathsim.Endpoint.
func (e *PathEndpoint) ProbeAcked(now time.Time, id uint32) {
	e.Path.Acked(now, plpmtud.ProbeID(id))
}

// ProbeLost implements pathsim.Endpoint.
func (e *PathEndpoint) ProbeLost(now time.Time, id uint32) {
	e.Path.Lost(now, plpmtud.ProbeID(id))
}

// Acked implements pathsim.Endpoint.
func (e *PathEndpoint) Acked(now time.Time, p pathsim.Sent) { e.PacketAcked(now, p.Size, p.At) }

// Lost implements pathsim.Endpoint.
func (e *PathEndpoint) Lost(now time.Time, p pathsim.Sent) { e.PacketLost(now, p.Size, p.At) }

// AckDone implements pathsim.Endpoint.
func (e *PathEndpoint) AckDone(time.Time) {
	if e.RTT != nil {
		if rtt := e.RTT(); rtt > 0 {
			e.SetRTT(rtt)
		}
	}
}

// TooBig implements pathsim.Endpoint.
func (e *PathEndpoint) TooBig(now time.Time, mtu int) {
	if e.Hints {
		e.Hint(now, plpmtud.Hint{Source: plpmtud.PacketTooBig, MTU: mtu})
	}
}

// watched is an endpoint of constant size, with detectors that look on.
type watched struct {
	size      int
	detectors []detectors.Detector
	verdict   func(i int) // detector i found a black hole
}

func (w *watched) Size() int                          { return w.size }
func (w *watched) Poll(time.Time) (uint32, int, bool) { return 0, 0, false }
func (w *watched) Next() time.Time                    { return time.Time{} }
func (w *watched) ProbeAcked(time.Time, uint32)       {}
func (w *watched) ProbeLost(time.Time, uint32)        {}
func (w *watched) TooBig(time.Time, int)              {}
func (w *watched) Acked(now time.Time, p pathsim.Sent) {
	w.each(func(d detectors.Detector) { d.Acked(now, p) })
}
func (w *watched) Lost(now time.Time, p pathsim.Sent) {
	w.each(func(d detectors.Detector) { d.Lost(now, p) })
}
func (w *watched) each(f func(detectors.Detector)) {
	for _, d := range w.detectors {
		f(d)
	}
}

func (w *watched) AckDone(now time.Time) {
	for i, d := range w.detectors {
		if d.Verdict(now) {
			w.verdict(i)
		}
	}
}
