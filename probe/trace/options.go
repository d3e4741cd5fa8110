package trace

import (
	"bytes"
	"net/netip"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

// Fate is what became of an option: one of a closed set.
type Fate string

// The fates.
const (
	Dropped   Fate = "dropped"   // packets with it got lost, or were refused; plain ones weren't
	Arrived   Fate = "arrived"   // at the farthest place that answers, which quoted nothing of it
	Unchanged Fate = "unchanged" // arrived as it was sent
	Lowered   Fate = "lowered"   // arrived with a smaller Min-PMTU, as it should where a link is narrower
	Corrupted Fate = "corrupted" // arrived changed in a way that no router may change it
	Answered  Fate = "answered"  // the target sent back what arrived
	Unknown   Fate = "unknown"
)

// OptionFate is what became of packets of one Arm.
type OptionFate struct {
	Arm  Arm
	Fate Fate
	// Hop and Next say where packets were dropped: they came to Hop (0: to none)
	// and not to Next.
	Hop, Next int
	// Fault is who complained about the header with Parameter Problem, and Code
	// the message's code.
	Fault netip.Addr
	Code  uint8
}

// truncation is what became of a packet too large for the path that routers may
// truncate.
type truncation struct {
	mtu     int // that the target reported; 0: it didn't
	routers int // routers' own Packet Too Big messages
}

// optionPlan is where the work on options stands.
type optionPlan struct {
	drops  []Arm // arms whose packets didn't arrive, still to be located
	bisect *bisect
	hints  []int
}

// startOptions asks for each arm whether it arrives; false: it can't be asked.
func (t *Trace) startOptions() bool {
	far, limit := t.far()
	if !t.v6 || !t.cfg.Whole || t.cfg.NoOptions || far == 0 {
		return false
	}
	for _, a := range optionArms {
		t.armAsks[a] = t.ask(spec{a, t.cfg.small(), limit})
	}
	return true
}

// optionStep returns true when each arm's fate is known.
func (t *Trace) optionStep() bool {
	for _, q := range t.armAsks {
		if q.result == open {
			return false
		}
	}
	p := &t.plan
	if t.options == nil {
		for _, a := range optionArms {
			t.options = append(t.options, t.fate(t.armAsks[a]))
			if t.options[len(t.options)-1].Fate == Dropped {
				p.drops = append(p.drops, a)
			}
		}
	}
	far, _ := t.far()
	for {
		if p.bisect == nil {
			if len(p.drops) == 0 {
				return true
			}
			p.bisect = newBisect(p.drops[0], t.cfg.small(), 0, far, p.hints...)
			p.drops = p.drops[1:]
		}
		if !p.bisect.step(t) {
			return false
		}
		b := p.bisect
		p.bisect, p.hints = nil, []int{b.lo, b.lo + 1}
		f := t.optionFate(b.arm)
		f.Hop, f.Next = b.lo, b.hi
		if b.fault.IsValid() {
			f.Fault, f.Code = b.fault, b.code
		}
		if b.arm == HBHMinPMTU {
			t.minAsks = append(t.minAsks, b.asked...)
		}
	}
}

func (t *Trace) optionFate(a Arm) *OptionFate {
	for i := range t.options {
		if t.options[i].Arm == a {
			return &t.options[i]
		}
	}
	return nil
}

// fate says what became of one packet.
func (t *Trace) fate(q *question) OptionFate {
	f := OptionFate{Arm: q.arm, Fate: Unknown}
	switch q.result {
	case silent, refused:
		f.Fate = Dropped
	case faulty, blocked:
		f.Fate, f.Fault, f.Code = Dropped, q.event.from, q.event.code
	case reached:
		f.Fate = t.quotedFate(q)
	}
	return f
}

// quotedFate compares what arrived with what was sent.
func (t *Trace) quotedFate(q *question) Fate {
	typ, sent, _ := q.arm.header(t.cfg.FirstHop)
	got := q.event.quote.option
	switch {
	case q.event.answered != nil && q.event.answered.Rtn != 0 && q.arm == HBHMinPMTU:
		return Answered
	case q.event.kind == segment || q.event.quote.transport == nil:
		return Arrived
	case got == nil || got.header != typ || got.typ != sent.Type:
		return Corrupted
	case q.arm == HBHMinPMTU:
		o, ok := q.event.quote.minPMTU()
		return t.minFate(o, ok)
	case !bytes.Equal(got.data, sent.Data) && got.typ != ip6.OptPadN:
		return Corrupted
	}
	return Unchanged
}

// minFate judges a Minimum Path MTU option. RFC 9268 section 6.1 lets routers
// lower Min-PMTU and change nothing else.
func (t *Trace) minFate(o hbh.Option, ok bool) Fate {
	sent := sentOption(t.cfg.FirstHop)
	switch {
	case !ok || o.R != sent.R || o.Rtn != sent.Rtn || o.Min > sent.Min:
		return Corrupted
	case o.Min < sent.Min:
		return Lowered
	}
	return Unchanged
}

// startMinPMTU asks every hop how Min-PMTU looked there; false: there is none
// to ask.
func (t *Trace) startMinPMTU() bool {
	f := t.optionFate(HBHMinPMTU)
	if f == nil || f.Fate == Unknown {
		return false
	}
	last, _ := t.far()
	if f.Fate == Dropped {
		last = f.Hop + 1
	}
	known := map[int]bool{}
	for _, q := range t.minAsks {
		known[q.limit] = true
	}
	for h := 1; h < last; h++ {
		if t.answers(h) && t.limitOf(h) == h && !known[h] {
			t.minAsks = append(t.minAsks, t.ask(spec{HBHMinPMTU, t.cfg.small(), h}))
		}
	}
	return true
}

// settled says whether all questions have an answer.
func settled(qs []*question) bool {
	for _, q := range qs {
		if q.result == open {
			return false
		}
	}
	return true
}

// startTruncation sends a packet that is too large for the path, and that
// routers may truncate.
func (t *Trace) startTruncation() bool {
	f := t.optionFate(DstEligible)
	o, ok := t.end()
	if f == nil || f.Fate == Dropped || f.Fate == Unknown || !ok || o.PMTU == nil || *o.PMTU >= t.top() {
		return false
	}
	t.trunc = &truncation{}
	t.truncAsk = t.ask(spec{DstEligible, t.top(), initialHopLimit})
	t.truncAsk.patient = true
	return true
}

// startMSS sends a SYN to expire at every hop, and one to the target.
func (t *Trace) startMSS() bool {
	if t.cfg.TCPPort == 0 || !t.cfg.Whole || t.cfg.FirstHop < t.cfg.ipHeader()+20+1 {
		return false
	}
	size := t.cfg.ipHeader() + tcpHeader
	for h := 1; h <= len(t.hops); h++ {
		if t.answers(h) && t.limitOf(h) == h {
			t.mssAsks = append(t.mssAsks, t.ask(spec{tcpSYN, size, h}))
		}
	}
	q := t.ask(spec{tcpSYN, size, initialHopLimit})
	q.control = false
	t.mssAsks = append(t.mssAsks, q)
	return true
}

// harvest puts what the questions about options and MSS found into the hops.
func (t *Trace) harvest() {
	far, limit := t.far()
	put := func(q *question, hop int) {
		if q == nil || q.result != reached || hop < 1 || hop > len(t.hops) {
			return
		}
		h := &t.hops[hop-1]
		if o, ok := q.event.quote.minPMTU(); ok {
			h.MinPMTU = int(o.Min)
			if f := t.optionFate(HBHMinPMTU); f != nil && f.Fate != Dropped && t.minFate(o, true) == Corrupted {
				f.Fate = Corrupted
			}
		}
		if q.arm == tcpSYN && q.event.kind == timeExceeded {
			if m, ok := mssOf(q.event.quote.transport); ok {
				h.MSS = m
			}
		}
	}
	for _, q := range t.minAsks {
		put(q, q.limit)
	}
	for _, q := range t.mssAsks {
		put(q, q.limit)
	}
	if q := t.armAsks[HBHMinPMTU]; q != nil && limit != 0 {
		put(q, far)
		if a := q.event.answered; a != nil && a.Rtn != 0 && far <= len(t.hops) {
			t.hops[far-1].MinPMTU = t.returned(int(a.Rtn), far)
		}
	}
}

// returned is what Min-PMTU was when a hop sent it back: Rtn-PMTU has no lowest
// bit.
func (t *Trace) returned(rtn, hop int) int {
	last := int(sentOption(t.cfg.FirstHop).Min)
	for _, h := range t.hops[:hop-1] {
		if h.MinPMTU >= 0 {
			last = h.MinPMTU
		}
	}
	if last&^1 == rtn {
		return last
	}
	return rtn
}
