package detectors

import (
	"slices"
	"time"

	"pathmtu/internal/pathsim"
)

// quinn's detector collects loss bursts: packets lost in a row. A burst is
// suspicious if its smallest packet is above the base, and above every packet
// that was sent later and arrived. More than three suspicious bursts are a
// black hole. An acknowledgement clears the bursts that it contradicts.
//
// It remembers just one later packet: the largest acknowledged since the last
// suspicious burst. Before PR 2792, an equally large packet did not replace
// that one, so that a burst between the two looked suspicious although a packet
// of its size had arrived later, in the same ACK frame.
type quinn struct {
	base      int
	creditEq  bool
	bursts    []int // smallest size of each suspicious burst
	open      bool
	smallest  int // of the burst that is still open
	last      uint64
	acked     int // size of the largest packet acknowledged since the last suspicious burst
	ackedLast uint64
}

const burstThreshold = 3

func newQuinn(s Setting, creditEqual bool) Detector {
	return &quinn{base: s.Base, creditEq: creditEqual, acked: s.Base}
}

func (q *quinn) Acked(_ time.Time, p pathsim.Sent) {
	if q.creditEq && p.Size == q.acked {
		q.ackedLast = max(q.ackedLast, p.Number)
	}
	if p.Size <= q.acked {
		return
	}
	q.acked, q.ackedLast = p.Size, p.Number
	q.bursts = slices.DeleteFunc(q.bursts, func(smallest int) bool { return smallest <= p.Size })
}

func (q *quinn) Lost(_ time.Time, p pathsim.Sent) {
	if q.open && p.Number != q.last+1 {
		q.close()
	}
	if !q.open {
		q.open, q.smallest = true, p.Size
	}
	q.smallest, q.last = min(q.smallest, p.Size), p.Number
}

func (q *quinn) close() {
	if !q.open {
		return
	}
	q.open = false
	if q.smallest <= q.base || q.last < q.ackedLast && q.smallest <= q.acked {
		return
	}
	if q.last > q.ackedLast {
		q.acked = q.base
	}
	if len(q.bursts) <= burstThreshold {
		q.bursts = append(q.bursts, q.smallest)
		return
	}
	if i := slices.Index(q.bursts, slices.Min(q.bursts)); q.bursts[i] < q.smallest {
		q.bursts[i] = q.smallest
	}
}

func (q *quinn) Verdict(time.Time) bool {
	q.close()
	if len(q.bursts) <= burstThreshold {
		return false
	}
	q.bursts = q.bursts[:0]
	return true
}

// s2n counts loss bursts of packets in (base, PLPMTU] that were sent after the
// last acknowledged packet of at least the PLPMTU. More than three are a black
// hole.
type s2n struct {
	set   Setting
	count int
	full  uint64 // number of the last acknowledged full-size packet, plus one
	last  uint64 // number of the last lost packet, plus one
}

func newS2N(s Setting) Detector { return &s2n{set: s} }

func (d *s2n) Acked(_ time.Time, p pathsim.Sent) {
	if p.Size >= d.set.PLPMTU && p.Number+1 > d.full {
		d.full, d.count = p.Number+1, 0
	}
}

func (d *s2n) Lost(_ time.Time, p pathsim.Sent) {
	newBurst := d.last == 0 || p.Number != d.last
	d.last = p.Number + 1
	if p.Size > d.set.Base && p.Size <= d.set.PLPMTU && p.Number+1 > d.full && newBurst {
		d.count++
	}
}

func (d *s2n) Verdict(time.Time) bool {
	if d.count <= burstThreshold {
		return false
	}
	d.count = 0
	return true
}
