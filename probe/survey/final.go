package survey

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"pathmtu/results"
)

// Final is what was found about one target. Sizes are bytes of IP packet.
type Final struct {
	Index      uint64 // in the shard's order
	Addr       netip.Addr
	Verdict    results.Verdict // NoVerdict beside a Problem that isn't about the path
	PMTU       int             // 0: none was confirmed
	Confidence float64
	Method     Kind
	Problem    string
	Arrived    int // largest size that was answered; 0: none
	Sent, Lost int
	Bytes      int64
	RTT        time.Duration // smoothed; 0: not known
	Began      time.Time
	Elapsed    time.Duration
	Router     netip.Addr // that sent the last Packet Too Big; invalid: none came
	Hop        int        // its distance; 0: not known
	Claim      int        // the MTU that it named
	Grade      results.Grade
	PTBs       int
	Told       bool // that router spoke of the place that carries no more than PMTU
	FailedSize int  // that was lost, with a smaller one answered after it; 0: none
	Fails      int  // how often
}

// conclude ends a target whose PMTU is known: lo was answered, and what is
// larger can't be sent, or was refused, or lost.
func (e *Engine) conclude(id int32, now time.Time) {
	t := e.pool.at(id)
	verdict := results.OKSilent
	link := min(e.cfg.Link6, mostSize)
	if t.addr.is4() {
		link = min(e.cfg.Link4, mostSize)
	}
	switch top := e.belief(t).top; {
	case int(t.lo) >= top && top < link:
		verdict = results.LocalLimit
	case int(t.lo) >= top, t.lo >= t.hi && t.flags&unsent != 0, t.told():
		verdict = results.OK
	}
	e.finish(id, now, verdict, "")
}

// told says whether a router spoke of the place that carries no more than lo: it
// refused the next size, or named lo, even if it doesn't answer each time. One
// before it, which is wider, may have spoken of itself only.
func (t *target) told() bool {
	return t.ptbs > 0 && (t.claim == t.lo || t.lo >= t.hi && t.flags&unsent == 0)
}

// fail ends a target without a verdict.
func (e *Engine) fail(id int32, now time.Time, problem string) {
	e.finish(id, now, results.NoVerdict, problem)
}

func (e *Engine) finish(id int32, now time.Time, v results.Verdict, problem string) {
	t := e.pool.at(id)
	f := Final{
		Index: t.index, Addr: t.addr.addr(), Verdict: v, Method: e.method(t), Problem: problem,
		Arrived: int(t.lo), Sent: int(t.sent), Lost: int(min(t.lost, t.sent)), Bytes: int64(t.bytes),
		RTT:   time.Duration(t.rtt) * rttUnit,
		Began: e.origin.Add(time.Duration(t.start) * tickTime), PTBs: int(t.ptbs),
	}
	f.Elapsed = now.Sub(f.Began)
	switch v {
	case results.OK, results.OKSilent, results.LocalLimit:
		f.PMTU, f.Confidence = int(t.lo), confidence(t)
		e.counts.Measured++
	case results.Unresponsive:
		f.Problem = fmt.Sprintf("no answer to %d packets", t.sent)
		if t.flags&noRoute != 0 {
			f.Problem = "a router says that it can't be reached"
		}
		e.counts.Silent++
	case results.NoVerdict:
		e.counts.Errors++
	default:
		e.counts.Other++
	}
	if t.soft1 < t.hi && t.fails > 0 && t.lo == t.soft1 {
		f.FailedSize, f.Fails = int(t.soft1)+1, int(t.fails)
	}
	if t.ptbs > 0 {
		f.Router, f.Hop, f.Claim = t.router.addr(), int(t.hop), int(t.claim)
		f.Grade = grade(t, f.PMTU)
		f.Told = v == results.OK && int(t.lo) < e.belief(t).top && t.told()
	}
	if t.list != gone && (t.prev != none || t.next != none || e.wheel.head[t.list] == id) {
		e.wheel.unlink(id)
	}
	e.done.finish(t.index)
	e.counts.Finished++
	e.pool.remove(id)
	e.pool.at(id).list = gone
	e.cfg.Final(f)
}

// confidence is one less how likely it is that losses by chance explain the
// PMTU; never 1, as one flow is not every flow.
func confidence(t *target) float64 {
	const most = 0.99
	c := most
	if t.soft1 < t.hi {
		c = min(c, 1-math.Pow(chance, float64(t.fails)))
	}
	return math.Round(c/float64(1+t.upsets)*1000) / 1000
}

// grade compares a router's claim with what was found.
func grade(t *target, pmtu int) results.Grade {
	least := uint16(1280)
	if t.addr.is4() {
		least = 68
	}
	switch {
	case t.claim == 0:
		return results.Zero
	case t.claim < least:
		return results.TooSmall
	case t.flags&notSmaller != 0:
		return results.NotSmaller
	case t.claim < t.lo:
		return results.Understated
	case pmtu != 0 && int(t.claim) > pmtu:
		return results.Overstated
	}
	return results.Exact
}

// Record returns the record of a target. What all records of a run have in
// common is the caller's to set: Tool, Run and Vantage.
func (f *Final) Record() *results.Record {
	r := &results.Record{
		Schema: results.Schema, Time: f.Began.UTC(), Target: f.Addr.String(), Address: f.Addr.String(),
		Family: 6, Verdict: f.Verdict, Confidence: f.Confidence, Direction: results.Forward, Error: f.Problem,
	}
	if f.Addr.Is4() {
		r.Family = 4
	}
	if f.Method == ICMP {
		r.Direction = results.RoundTrip
	}
	m := results.Method{
		Method: f.Method.String(), Verdict: f.Verdict, Direction: r.Direction,
		ProbesSent: f.Sent, ProbesLost: f.Lost, BytesSent: f.Bytes,
		RTT: f.RTT.Microseconds(), Elapsed: f.Elapsed.Microseconds(), Error: f.Problem,
	}
	if f.PMTU != 0 {
		r.PMTU, m.PMTU = &f.PMTU, &f.PMTU
	}
	r.Methods = []results.Method{m}
	if f.PTBs > 0 {
		r.PTB = []results.PTB{{From: f.Router.String(), Hop: f.Hop, MTU: f.Claim, Grade: f.Grade, Count: f.PTBs}}
		switch {
		case f.Told:
			r.Bottleneck = &results.Bottleneck{Hop: f.Hop, Addr: f.Router.String(), Evidence: fmt.Sprintf("Packet Too Big with MTU %d (%s)", f.Claim, f.Grade)}
		case f.Verdict == results.OKSilent:
			r.Evidence = []string{"routers complained about larger packets only: the place that carries no more is silent"}
		}
	}
	if f.FailedSize != 0 {
		r.Loss = []results.Loss{{Size: f.FailedSize, Sent: f.Fails, Lost: f.Fails}}
	}
	return r
}
