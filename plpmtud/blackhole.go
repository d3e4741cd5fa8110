package plpmtud

import (
	"math"
	"time"
)

// The black-hole detector (RFC 8899 section 4.3) tells a path whose MTU has
// shrunk from one that just loses packets. It looks at the packetization
// layer's own packets, as PacketAcked and PacketLost report them:
//
//	sent      L L s L L s L L L s L     L larger than BASE_PLPMTU, s smaller
//	fate      x x . x x . x x x . x     x lost, . acknowledged
//	          │   └ alive: the losses from here on count
//	          └ first                │ last
//
// A loss of size s is suspicious until a packet of at least that size, sent
// after it, is acknowledged: that refutes it, however late it comes. Were the
// losses independent of size, the chance that all n suspicious packets are lost
// would be q to the power n, q being the loss rate of everything else. The
// verdict falls when that chance is below 1e-6, counting only losses since a
// smaller packet is known to have passed (an outage lets none through), and the
// losses span a round trip (a burst does not). It falls in Poll, not when a
// loss is reported, so that all acknowledgements of one frame are counted
// first, in whatever order.
//
// Losses that are too few to judge by, since the application went on with
// smaller packets, are settled by probes of the PLPMTU.
type blackHole struct {
	lost  [suspects]suspect // ascending by size
	undo  stamp             // the last verdict's first loss, 0: none
	last  stamp             // sending time of the newest suspicious loss
	alive stamp             // and of the first smaller packet that passed after the first loss
	q     float32           // smoothed loss rate of packets that are not suspicious
	acked uint16            // largest size that arrived since the first suspicious loss
	n     uint8             // of lost
	stage stage
}

// stage is how far a suspicion has come.
type stage uint8

const (
	noSign stage = iota // nothing smaller arrived since: an outage, perhaps
	lived               // alive is set
	asked               // and a probe of the PLPMTU was asked for
)

// suspect is a size whose packets were lost, and no larger or equal ones sent
// later arrived.
type suspect struct {
	size  uint16
	count uint16 // those sent after alive
	first stamp  // sending time of the first of all
}

const (
	suspects = 3
	// verdictLog is ln(1e6): losses that have nothing to do with size lead to a
	// verdict once in a million suspicions.
	verdictLog = 13.8155
	minLoss    = 0.02 // least loss rate assumed
	maxLoss    = 0.5
	lossWeight = 1.0 / 64
	maxRefuted = 64 // refuted losses folded into the rate at once
)

// stamp is an instant in units of 16.384 microseconds, which wraps after 19
// hours; two stamps are compared by their signed difference.
type stamp uint32

const stampShift = 14

func (t instant) stamp() stamp          { return stamp(t >> stampShift) }
func (s stamp) since(first stamp) int32 { return int32(s - first) }
func stamps(d time.Duration) int32      { return int32(min(d>>stampShift, 1<<31-1)) + 1 }

// PacketAcked tells that one of the packetization layer's own datagrams, not a
// probe, arrived: its PL size in bytes, and when it was sent. Late
// acknowledgements, after PacketLost, are welcome: they prove a black hole
// wrong.
func (p *Path) PacketAcked(now time.Time, size int, sent time.Time) {
	if p.state == Disabled || size <= 0 || size > maxSize {
		return
	}
	t, at := p.at(now), p.at(sent)
	if p.rtt == 0 && at < t {
		p.rtt.smooth(t - at)
	}
	p.hole.observe(0)
	p.countGrey(t, uint16(size), false)
	p.undoFall(t, uint16(size), at)
	p.arrived(t, uint16(size), at)
}

// PacketLost tells that one of the packetization layer's own datagrams, not a
// probe, was lost: its PL size in bytes, and when it was sent.
func (p *Path) PacketLost(now time.Time, size int, sent time.Time) {
	if p.state == Disabled || size <= 0 || size > int(p.size) {
		return
	}
	t, at := p.at(now), p.at(sent)
	p.countGrey(t, uint16(size), true)
	if size <= int(p.base()) || p.state != Searching && p.state != SearchComplete {
		p.hole.observe(1)
		return
	}
	p.hole.suspect(uint16(size), at.stamp())
}

// arrived weighs the arrival of any datagram, a probe's too, against the
// suspicion.
func (p *Path) arrived(t instant, size uint16, sent instant) {
	h := &p.hole
	if h.n == 0 {
		h.arrival(size, sent.stamp())
		return
	}
	h.lives(size, sent.stamp())
	h.refute(size, sent.stamp())
	if h.n > 0 {
		return
	}
	h.acked = 0
	h.arrival(size, sent.stamp())
	if h.stage == asked {
		h.stage = noSign
		p.emit(t, Event{Kind: Refuted, Cause: BlackHoled, Size: int(size)})
		if p.confirm == confirmSuspicion {
			p.confirm = notConfirming
			p.advance(t)
		}
	}
}

// observe folds a fate into the loss rate: 1 lost, 0 arrived.
func (h *blackHole) observe(fate float32) { h.q += (fate - h.q) * lossWeight }

// arrival remembers the newest packet that arrived while nothing is suspicious:
// one ACK frame reports acknowledgements before the losses that they reveal.
func (h *blackHole) arrival(size uint16, at stamp) {
	if h.acked == 0 || at.since(h.alive) >= 0 {
		h.alive, h.acked = at, size
	}
}

// suspect notes a loss.
func (h *blackHole) suspect(size uint16, at stamp) {
	switch {
	case h.n == 0 && h.acked != 0 && h.alive.since(at) > 0:
		if h.acked >= size {
			h.observe(1)
			return
		}
		h.last, h.stage = at, lived
	case h.n == 0 || h.acked >= size: // that size arrived since the first loss: this is another story
		h.n = 0
		h.last, h.acked, h.stage = at, 0, noSign
	}
	if at.since(h.last) > 0 {
		h.last = at
	}
	loss := suspect{size: size, count: 1, first: at}
	if h.stage != noSign && at.since(h.alive) < 0 {
		loss.count = 0
	}
	i := 0
	for i < int(h.n) && h.lost[i].size < size {
		i++
	}
	switch {
	case i < int(h.n) && h.lost[i].size == size:
		h.lost[i].add(loss)
	case h.n < suspects:
		h.n++
		copy(h.lost[i+1:h.n], h.lost[i:])
		h.lost[i] = loss
	case i > 0: // full: count it with the next smaller size, which is refuted more easily
		h.lost[i-1].add(loss)
	default:
		h.lost[0].size = size
		h.lost[0].add(loss)
	}
}

func (s *suspect) add(o suspect) {
	s.count = min(s.count, 1<<16-1-o.count) + o.count
	if o.first.since(s.first) < 0 {
		s.first = o.first
	}
}

// lives notes that a packet sent after the first suspicious loss arrived. The
// first smaller one proves the path alive: what was lost before may have been
// an outage, and no longer counts.
func (h *blackHole) lives(size uint16, at stamp) {
	if at.since(h.first()) < 0 {
		return
	}
	h.acked = max(h.acked, size)
	if h.stage != noSign || size >= h.lost[0].size {
		return
	}
	h.alive, h.stage = at, lived
	for i := range h.lost[:h.n] {
		h.lost[i].count = 0
	}
}

// refute drops the losses that the arrival of a packet contradicts.
func (h *blackHole) refute(size uint16, at stamp) {
	kept := 0
	for _, s := range h.lost[:h.n] {
		if size >= s.size && at.since(s.first) >= 0 {
			for range min(s.count, maxRefuted) {
				h.observe(1)
			}
			continue
		}
		h.lost[kept] = s
		kept++
	}
	h.n = uint8(kept)
}

func (h *blackHole) first() stamp {
	first := h.lost[0].first
	for _, s := range h.lost[1:h.n] {
		if s.first.since(first) < 0 {
			first = s.first
		}
	}
	return first
}

func (h *blackHole) count() int {
	n := 0
	for _, s := range h.lost[:h.n] {
		n += int(s.count)
	}
	return n
}

// judge gives the verdict, or asks for a probe of the PLPMTU.
func (p *Path) judge(t instant) {
	h := &p.hole
	if h.n == 0 || p.state != Searching && p.state != SearchComplete {
		return
	}
	if h.lost[0].size > p.size { // the PLPMTU was lowered meanwhile
		h.n = 0
		return
	}
	if h.stage == noSign {
		return
	}
	rtt, first := stamps(p.rtt.duration()), h.first()
	if h.last.since(first) >= rtt && h.logOdds() >= verdictLog {
		p.verdict(t)
		return
	}
	if h.stage != asked && t.stamp().since(first) >= 2*rtt {
		h.stage = asked
		p.emit(t, Event{Kind: Suspected, Cause: BlackHoled, Size: int(h.lost[0].size)})
		if p.confirm == notConfirming {
			p.beginConfirm(confirmSuspicion)
			p.advance(t)
		}
	}
}

// logOdds is how unlikely it is that all suspicious packets were lost for
// reasons other than their size: the negative logarithm.
func (h *blackHole) logOdds() float64 {
	return -float64(h.count()) * math.Log(float64(min(max(h.q, minLoss), maxLoss)))
}

// verdict lowers the PLPMTU to the largest size that arrived since the trouble
// began, or to BASE_PLPMTU.
func (p *Path) verdict(t instant) {
	h := &p.hole
	f := fallen{cause: BlackHoled, to: p.base(), lost: h.lost[0].size, candidate: p.candidate}
	if h.acked >= p.base() && h.acked < f.lost {
		f.to, f.acked = h.acked, true
	}
	first := h.first()
	p.fall(t, f)
	h.undo = max(first, 1)
	p.advance(t)
}

// undoFall takes a verdict back: a packet that was sent after its first loss,
// and is larger than what is used now, arrived after all.
func (p *Path) undoFall(t instant, size uint16, sent instant) {
	h := &p.hole
	if h.undo == 0 || size <= p.size || size > p.stability.size || size > p.max || p.state == Error {
		return
	}
	if sent.stamp().since(h.undo) <= 0 {
		return
	}
	p.emit(t, Event{Kind: Refuted, Cause: LateAck, Size: int(size)})
	p.rise(t, size, LateAck)
	if p.state != Searching {
		p.enter(t, Searching, LateAck)
	}
	p.advance(t)
}

// resetDetector forgets all but the loss rate.
func (p *Path) resetDetector() { p.hole = blackHole{q: p.hole.q} }
