package detectors

import (
	"time"

	"pathmtu/internal/pathsim"
)

// picoquic counts lost packets of exactly the PLPMTU since the last one that
// was acknowledged. More than ten are a black hole.
type picoquic struct {
	plpmtu, count int
}

func newPicoquic(s Setting) Detector { return &picoquic{plpmtu: s.PLPMTU} }

func (d *picoquic) Acked(_ time.Time, p pathsim.Sent) {
	if p.Size >= d.plpmtu {
		d.count = 0
	}
}

func (d *picoquic) Lost(_ time.Time, p pathsim.Sent) {
	if p.Size == d.plpmtu {
		d.count++
	}
}

func (d *picoquic) Verdict(time.Time) bool {
	if d.count <= 10 {
		return false
	}
	d.count = 0
	return true
}

// mvfst counts lost packets above the base within five seconds, whatever
// arrives meanwhile. More than eight are a black hole.
type mvfst struct {
	base int
	lost []time.Time
}

func newMvfst(s Setting) Detector { return &mvfst{base: s.Base} }

func (d *mvfst) Acked(time.Time, pathsim.Sent) {}

func (d *mvfst) Lost(now time.Time, p pathsim.Sent) {
	if p.Size > d.base {
		d.lost = append(d.lost, now)
	}
}

func (d *mvfst) Verdict(now time.Time) bool {
	for len(d.lost) > 0 && now.Sub(d.lost[0]) > 5*time.Second {
		d.lost = d.lost[1:]
	}
	if len(d.lost) <= 8 {
		return false
	}
	d.lost = nil
	return true
}

// neqoOld counts losses for each size of neqo's table: a lost packet counts
// against its size and all larger ones, an acknowledged one clears its size and
// all smaller ones. Three at any size are a black hole.
type neqoOld struct {
	base   int
	counts [len(neqoSizes)]int
}

// neqoSizes are UDP payloads over IPv4.
var neqoSizes = [...]int{1280 - 28, 1380 - 28, 1420 - 28, 1472 - 28, 1500 - 28}

func newNeqoOld(s Setting) Detector { return &neqoOld{base: s.Base} }

func (d *neqoOld) Acked(_ time.Time, p pathsim.Sent) {
	for i, size := range neqoSizes {
		if size <= p.Size {
			d.counts[i] = 0
		}
	}
}

func (d *neqoOld) Lost(_ time.Time, p pathsim.Sent) {
	if p.Size <= d.base {
		return
	}
	for i, size := range neqoSizes {
		if size >= p.Size {
			d.counts[i]++
		}
	}
}

func (d *neqoOld) Verdict(time.Time) bool {
	for _, n := range d.counts {
		if n >= 3 {
			d.counts = [len(neqoSizes)]int{}
			return true
		}
	}
	return false
}

// neqo, as of PR 3335, counts loss events with a packet above the base, and
// remembers the smallest such packet. One of at least that size that arrives
// ends the suspicion. Three events, and a smaller packet that arrives, are a
// black hole; packets sent before it no longer count.
type neqo struct {
	base     int
	smallest int // 0: no suspicion
	events   int
	event    bool // the current ACK frame has a loss
	smaller  bool // it acknowledges a smaller packet
	since    time.Time
}

func newNeqo(s Setting) Detector { return &neqo{base: s.Base} }

func (d *neqo) Acked(_ time.Time, p pathsim.Sent) {
	if d.smallest == 0 || p.At.Before(d.since) {
		return
	}
	if p.Size >= d.smallest {
		d.smallest, d.events = 0, 0
		return
	}
	d.smaller = true
}

func (d *neqo) Lost(_ time.Time, p pathsim.Sent) {
	if p.Size <= d.base || p.At.Before(d.since) {
		return
	}
	d.event = true
	if d.smallest == 0 || p.Size < d.smallest {
		d.smallest = p.Size
	}
}

func (d *neqo) Verdict(now time.Time) bool {
	if d.event {
		d.events++
	}
	hole := d.events >= 3 && d.smaller
	d.event, d.smaller = false, false
	if hole {
		d.smallest, d.events, d.since = 0, 0, now
	}
	return hole
}
