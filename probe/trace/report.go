package trace

import (
	"slices"
	"time"

	"pathmtu/hbh"
	"pathmtu/probe"
	"pathmtu/results"
)

// Report is what a Trace found.
type Report struct {
	Hops     []Hop
	Distance int // of the target, in hops; 0: it did not answer by then
	// End is what was found end to end; its verdict is empty if nothing was.
	End     probe.Outcome
	Ends    []results.Method // each method that was tried
	Shrinks []Shrink         // the narrowest and last one first
	PTB     []results.PTB
	Options []OptionFate
	HBH     *results.HBH
	// Rewrites are the hops after which Min-PMTU was lower than before.
	Rewrites   []Rewrite
	Truncation *results.Truncation
	MSS        *results.MSS
	SYNACK     int // the MSS in the target's SYN-ACK; 0: none came

	Packets, Lost int
	Bytes         int64
	Elapsed       time.Duration
	// Problem says why the Trace ended early; "": it did not.
	Problem string
}

// Rewrite is a change of a field that packets carry, as quotes tell it: the
// packet left Hop with the old value, or came to it, and came to Next with the
// new one. A router quotes packets as they came, before it would have changed
// them on the way out; so the change is Hop's, if Next is the hop after it.
type Rewrite struct {
	Hop, Next int // hops; Hop 0: the change is before the first quote
	From, To  int
}

// Report returns what was found; call it once Done returns true.
func (t *Trace) Report() Report {
	r := Report{
		Hops: slices.Clone(t.hops), Distance: t.distance, Shrinks: slices.Clone(t.shrinks), Options: slices.Clone(t.options),
		SYNACK: t.synAck, Packets: t.packets, Lost: t.lost, Bytes: t.bytes, Elapsed: t.ended.Sub(t.started), Problem: t.problem,
	}
	if len(r.Hops) == 0 && len(t.asked) > 0 && t.problem != "" {
		t.buildHops() // interrupted
		r.Hops, r.Distance = slices.Clone(t.hops), t.distance
	}
	r.End, _ = t.end()
	for _, o := range t.outcomes {
		r.Ends = append(r.Ends, o.Method)
	}
	t.spread(r.Hops)
	for _, c := range t.claims {
		r.PTB = append(r.PTB, results.PTB{From: c.from.String(), Hop: t.claimHop(c), MTU: c.mtu, Grade: t.grade(c), Count: c.count})
	}
	for _, p := range r.End.PTB {
		if p.Grade == results.WrongFlow {
			r.PTB = append(r.PTB, p)
		}
	}
	t.reportHBH(&r)
	t.reportMSS(&r)
	if f := t.optionFate(DstEligible); f != nil && f.Fate != Unknown {
		r.Truncation = &results.Truncation{Sent: true, Survived: f.Fate != Dropped}
		if t.trunc != nil {
			r.Truncation.MTU = t.trunc.mtu
		}
	}
	return r
}

// spread applies what is known of one hop to the others: what came to a hop came
// to those before it, and what didn't, not to those after it.
func (t *Trace) spread(hops []Hop) {
	for i := len(hops) - 2; i >= 0; i-- {
		hops[i].Passes = max(hops[i].Passes, hops[i+1].Passes)
	}
	for i := 1; i < len(hops); i++ {
		if f := hops[i-1].Fails; f != 0 && (hops[i].Fails == 0 || f < hops[i].Fails) {
			hops[i].Fails = f
		}
	}
}

// changes lists where a quoted value differs from the one quoted before.
func changes(sent int, hops []Hop, value func(Hop) (int, bool)) (out []Rewrite) {
	last, at := sent, 0
	for _, h := range hops {
		v, ok := value(h)
		if !ok {
			continue
		}
		if v != last {
			out = append(out, Rewrite{Hop: at, Next: h.Hop, From: last, To: v})
		}
		last, at = v, h.Hop
	}
	return out
}

func (t *Trace) reportHBH(r *Report) {
	f := t.optionFate(HBHMinPMTU)
	if f == nil {
		return
	}
	r.HBH = &results.HBH{Sent: true, Survived: f.Fate != Dropped && f.Fate != Unknown}
	sent := int(hbh.ClampMin(t.cfg.FirstHop))
	r.Rewrites = changes(sent, r.Hops, func(h Hop) (int, bool) { return h.MinPMTU, h.MinPMTU >= 0 })
	if q := t.armAsks[HBHMinPMTU]; q.result == reached && r.HBH.Survived {
		o, ok := q.event.quote.minPMTU()
		if a := q.event.answered; f.Fate == Answered && a != nil {
			o.Min, ok = a.Rtn, true
			if t.distance != 0 {
				o.Min = uint16(r.Hops[t.distance-1].MinPMTU)
			}
		}
		if ok {
			r.HBH.MinPMTU = int(o.Min)
			if t.distance == 0 && len(r.Rewrites) == 0 && int(o.Min) != sent { // the target is beyond the list of hops
				r.Rewrites = append(r.Rewrites, Rewrite{Hop: len(r.Hops), Next: len(r.Hops) + 1, From: sent, To: int(o.Min)})
			}
		}
	}
	if n := len(r.Rewrites); n > 0 {
		r.HBH.RewrittenAt = r.place(r.Rewrites[n-1])
	}
}

func (t *Trace) reportMSS(r *Report) {
	if len(t.mssAsks) == 0 {
		return
	}
	r.MSS = &results.MSS{Sent: t.cfg.mss()}
	for _, h := range r.Hops {
		if h.MSS != 0 {
			r.MSS.Received = h.MSS
		}
	}
	if c := changes(r.MSS.Sent, r.Hops, func(h Hop) (int, bool) { return h.MSS, h.MSS != 0 }); len(c) > 0 {
		r.MSS.Clamped, r.MSS.At = true, r.place(c[len(c)-1])
	}
	if r.MSS.Received == 0 {
		r.MSS.Received = t.synAck
	}
}

// Addr returns a hop's address, or "" if it isn't known.
func (r *Report) Addr(hop int) string {
	if hop < 1 || hop > len(r.Hops) || !r.Hops[hop-1].Addr.IsValid() {
		return ""
	}
	return r.Hops[hop-1].Addr.String()
}
