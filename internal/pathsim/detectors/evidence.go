package detectors

import (
	"math"
	"slices"
	"time"

	"pathmtu/internal/pathsim"
)

// inet is INET's PmtuValidator: two lost packets above the base, sent at least
// a round trip apart, with no later packet of their size or more acknowledged.
type inet struct {
	set  Setting
	lost []pathsim.Sent
	hole bool
}

func newINET(s Setting) Detector { return &inet{set: s} }

func (d *inet) Acked(_ time.Time, p pathsim.Sent) {
	d.lost = slices.DeleteFunc(d.lost, func(l pathsim.Sent) bool {
		return l.Number < p.Number && l.Size <= p.Size
	})
}

func (d *inet) Lost(_ time.Time, p pathsim.Sent) {
	if p.Size <= d.set.Base {
		return
	}
	for _, l := range d.lost {
		if p.At.Sub(l.At) >= d.set.RTT {
			d.hole = true
		}
	}
	d.lost = append(d.lost, p)
}

func (d *inet) Verdict(time.Time) bool {
	if !d.hole {
		return false
	}
	d.hole, d.lost = false, nil
	return true
}

// sketch is the plain sequential likelihood test: after the first loss of a
// large packet, an acknowledgement of a later one of at least its size refutes
// the suspicion; n losses that random loss would explain with a probability
// below one in a million are a black hole, once a smaller packet arrived and
// the losses span a round trip.
type sketch struct {
	set     Setting
	rate    float64 // running loss rate
	n       int
	first   pathsim.Sent
	last    time.Time
	smaller bool
}

const (
	sketchAlpha = 1e-6
	sketchFloor = 0.02
	sketchGain  = 1.0 / 256
)

func newSketch(s Setting) Detector { return &sketch{set: s} }

func (d *sketch) Acked(_ time.Time, p pathsim.Sent) {
	d.rate -= d.rate * sketchGain
	if d.n == 0 || p.Number < d.first.Number {
		return
	}
	if p.Size >= d.first.Size {
		d.n = 0
		return
	}
	d.smaller = true
}

func (d *sketch) Lost(_ time.Time, p pathsim.Sent) {
	if d.n == 0 { // while in doubt, losses don't count as random ones
		d.rate += (1 - d.rate) * sketchGain
	}
	if p.Size <= d.set.Base {
		return
	}
	if d.n == 0 {
		d.first, d.smaller = p, false
	}
	d.n++
	d.last = p.At
}

func (d *sketch) Verdict(time.Time) bool {
	if d.n == 0 {
		return false
	}
	q := max(d.rate, sketchFloor)
	if float64(d.n)*math.Log(1/q) < math.Log(1/sketchAlpha) || !d.smaller || d.last.Sub(d.first.At) < d.set.RTT {
		return false
	}
	d.n = 0
	return true
}
