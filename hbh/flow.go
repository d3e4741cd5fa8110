package hbh

import (
	"time"

	"pathmtu/internal/ip6"
)

// Flow is the host's part of RFC 9268 for one flow: what to send and what
// to believe (section 6.3).
//
// It reads no clock: every method takes the present time, which must not go
// back. It is not safe for use by several goroutines at once.
//
// # Asking and answering
//
// A request (R set) is made by a timer alone, never because a packet came in.
// An answer is an option with R clear, unless a request is due anyway. So two
// hosts that both measure do not keep each other busy.
type Flow struct {
	cfg  FlowConfig
	pmtu int // path MTU in use as the upper layer says; 0: not known

	started bool
	askAt   time.Time
	asks    int // requests of this measurement that were sent

	min      uint16 // last received Min-PMTU that counts
	minAt    time.Time
	reported uint16 // Rtn-PMTU of the last reply

	reply   bool // a reply is due
	replyAt time.Time
	replied time.Time

	hint      int // last Rtn-PMTU that was believed
	losses    int
	suspended time.Time // the option is left out until then

	Counters FlowCounters // to be read only
}

// NewFlow checks the configuration: the error names the field that is out of
// range. The flow answers from the start; it asks
// once Start is called.
func NewFlow(cfg FlowConfig) (*Flow, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Flow{cfg: cfg}, nil
}

// Start allows requests: call it when the upper layer is established, not
// before: an option in a TCP SYN may get the SYN dropped.
func (f *Flow) Start(now time.Time) {
	if !f.started {
		f.started, f.askAt = true, now
	}
}

// Ask wants a measurement now, for instance because the path changed. It has
// no effect on a flow that does not ask, is not started, or has a request
// unanswered for less than AskTimeout.
func (f *Flow) Ask(now time.Time) {
	if f.asks == 0 && f.askAt.After(now) {
		f.askAt = now
	}
}

// SetPMTU tells the path MTU in use, in bytes of a whole IP packet. Larger
// packets are given no option, and no measurement is made while it reaches the
// link MTU.
func (f *Flow) SetPMTU(pmtu int) { f.pmtu = pmtu }

// SetLinkMTU tells that the flow's packets now leave on a link of another MTU.
// Values under 1280 are ignored: IPv6 has no such link.
func (f *Flow) SetLinkMTU(mtu int) {
	if mtu >= ip6.MinMTU {
		f.cfg.LinkMTU = mtu
	}
}

// Poll returns the option that an empty packet should carry to the peer now:
// a request that is due, or an answer that no other packet took along. The
// caller sends one packet without application data: a probe or its response, a
// UDP datagram with only UDP Options, an ICMPv6 echo, an empty segment.
func (f *Flow) Poll(now time.Time) (Option, bool) { return f.take(now, now.Add(-f.cfg.ReplyWait)) }

// Outgoing returns the option for a packet that the upper layer sends anyhow.
// size is the whole IP packet in bytes with the 8 bytes of the Hop-by-Hop
// header; data says whether it carries application data. false: send it
// without the option.
func (f *Flow) Outgoing(now time.Time, size int, data bool) (Option, bool) {
	if data && !f.cfg.WithData || size > f.cfg.LinkMTU || f.pmtu > 0 && size > f.pmtu {
		return Option{}, false
	}
	return f.take(now, now)
}

// take gives what is due: a request by now, a reply by ripe.
func (f *Flow) take(now, ripe time.Time) (Option, bool) {
	if now.Before(f.suspended) {
		return Option{}, false
	}
	ask := f.asking() && !now.Before(f.askAt)
	reply := f.replyDue(now) && !ripe.Before(f.replyAt)
	if reply && f.cfg.Budget != nil && !f.cfg.Budget.AllowN(now, 1) {
		f.Counters.Throttled++
		f.replyAt = now.Add(f.cfg.ReplyInterval)
		reply = false
	}
	if !ask && !reply {
		return Option{}, false
	}
	o := Option{Min: ClampMin(f.cfg.LinkMTU), Rtn: f.returned(now), R: ask}
	if ask {
		f.Counters.Asked++
		f.asks++
		f.askAt = now.Add(f.cfg.AskTimeout)
		if f.asks >= f.cfg.MaxAsks {
			f.measured(now)
		}
	}
	if f.reply && (reply || o.Rtn != 0) {
		// A request takes the answer along, whatever the interval says.
		f.reply, f.replied, f.reported = false, now, o.Rtn
		f.Counters.Replied++
	}
	return o, true
}

// asking reports whether requests are made at all at present.
func (f *Flow) asking() bool {
	return f.cfg.Ask && f.started && (f.pmtu == 0 || f.pmtu < f.cfg.LinkMTU)
}

// replyDue drops a reply that has nothing to report any more.
func (f *Flow) replyDue(now time.Time) bool {
	if f.reply && f.returned(now) == 0 {
		f.reply = false
		f.Counters.Expired++
	}
	return f.reply
}

// measured ends a measurement, answered or not.
func (f *Flow) measured(now time.Time) {
	f.asks, f.askAt = 0, now.Add(f.cfg.AskInterval)
}

// returned is what Rtn-PMTU says now; 0: nothing received, or too long ago.
func (f *Flow) returned(now time.Time) uint16 {
	if f.min == 0 || now.Sub(f.minAt) >= f.cfg.Age {
		return 0
	}
	return f.min &^ 1
}

// Next is when Poll has something to give next, unless an event comes first.
// The zero time: not before one.
func (f *Flow) Next() time.Time {
	var t time.Time
	if f.reply {
		t = f.replyAt.Add(f.cfg.ReplyWait)
	}
	if f.asking() && (t.IsZero() || f.askAt.Before(t)) {
		t = f.askAt
	}
	if !t.IsZero() && t.Before(f.suspended) {
		t = f.suspended
	}
	return t
}

// Report is what a received option means to the caller.
type Report struct {
	// MTU is a hint: the size in bytes of a whole IP packet that the routers on
	// the path to the peer, as far as they take part, could forward. 0: no
	// hint. Only a probe of that size proves it.
	MTU int
	// Changed: MTU differs from the last hint of the flow.
	Changed bool
	// Rejected says why the Rtn-PMTU is no hint.
	Rejected Reject
}

// Reject is a reason to ignore an Rtn-PMTU.
type Reject uint8

// Reasons.
const (
	NotRejected     Reject = iota
	NoOption               // no option of the right length in the Hop-by-Hop header
	NothingReported        // Rtn-PMTU 0
	RtnTooSmall            // under 1280
	RtnAboveLink           // over the MTU of the outgoing link
	RtnsDiffer             // several options that disagree
	rejectCount
)

var rejectNames = [rejectCount]string{"not rejected", "no option", "nothing reported", "Rtn-PMTU under 1280",
	"Rtn-PMTU over the link MTU", "options disagree"}

func (r Reject) String() string {
	if r < rejectCount {
		return rejectNames[r]
	}
	return "unknown"
}

// FlowCounters count since the flow began.
type FlowCounters struct {
	Asked     uint64 // options sent with R set
	Replied   uint64 // requests of the peer that were answered
	Throttled uint64 // times that the budget delayed a reply
	Expired   uint64 // replies dropped because their value was too old
	Unchanged uint64 // requests not answered because of OnChange

	Received    uint64              // packets with at least one option
	Duplicates  uint64              // packets with more than one
	Requests    uint64              // packets with R set
	Hints       uint64              // Rtn-PMTUs believed
	MinTooSmall uint64              // options with a Min-PMTU under 1280
	BadLength   uint64              // options of another length
	Misplaced   uint64              // options in a Destination Options header
	Historical  uint64              // options of type 0x3e
	Malformed   uint64              // packets with a fault in their headers
	Unvalidated uint64              // packets that the upper layer refused
	Rejected    [rejectCount]uint64 // Rtn-PMTUs ignored, by Reject

	Lost      uint64 // packets with the option
	Suspended uint64 // times that the option was suspended
}

// Received takes what the options of a packet say. Call it only after the
// upper layer has validated the packet (ports, sequence number, token, or
// better cryptography); for packets that it refused, call Unvalidated.
func (f *Flow) Received(now time.Time, ob Observed) Report {
	c := &f.Counters
	c.MinTooSmall += uint64(ob.SmallMin)
	c.BadLength += uint64(ob.BadLength)
	c.Misplaced += uint64(ob.Misplaced)
	c.Historical += uint64(ob.Historical)
	if ob.Problem.Reason != ip6.NoProblem {
		c.Malformed++
	}
	if ob.Count == 0 {
		return f.rejected(NoOption)
	}
	c.Received++
	if ob.Count > 1 {
		c.Duplicates++
	}
	if ob.Min != 0 {
		f.min, f.minAt = ob.Min, now
	}
	if ob.R {
		c.Requests++
		f.request(now)
	}
	switch {
	case ob.RtnDiffers:
		return f.rejected(RtnsDiffer)
	case ob.Rtn == 0:
		return f.rejected(NothingReported)
	}
	if f.asks > 0 {
		f.measured(now) // the peer takes part, even if its value is of no use
	}
	switch {
	case ob.Rtn < ip6.MinMTU:
		return f.rejected(RtnTooSmall)
	case int(ob.Rtn) > f.cfg.LinkMTU:
		return f.rejected(RtnAboveLink)
	}
	c.Hints++
	r := Report{MTU: int(ob.Rtn), Changed: int(ob.Rtn) != f.hint}
	f.hint = r.MTU
	return r
}

func (f *Flow) rejected(why Reject) Report {
	f.Counters.Rejected[why]++
	return Report{Rejected: why}
}

// request notes that the peer asked.
func (f *Flow) request(now time.Time) {
	switch {
	case f.returned(now) == 0:
		return // nothing to report
	case f.cfg.OnChange && f.returned(now) == f.reported:
		f.Counters.Unchanged++
		return
	case f.reply:
		return // the one reply will report the latest value
	}
	f.reply, f.replyAt = true, now
	if earliest := f.replied.Add(f.cfg.ReplyInterval); !f.replied.IsZero() && earliest.After(now) {
		f.replyAt = earliest
	}
}

// Unvalidated notes a packet with options that the upper layer refused. The
// options are not looked at.
func (f *Flow) Unvalidated() { f.Counters.Unvalidated++ }

// Acked notes that a packet with the option reached the peer.
func (f *Flow) Acked() { f.losses = 0 }

// Lost notes that a packet with the option did not arrive while packets
// without it do. SuspendAfter of them in a row suspend the option.
func (f *Flow) Lost(now time.Time) {
	f.Counters.Lost++
	if f.losses++; f.losses >= f.cfg.SuspendAfter {
		f.Refused(now)
	}
}

// Refused notes a validated ICMPv6 error that blames the option: it is
// suspended at once.
func (f *Flow) Refused(now time.Time) {
	f.losses = 0
	f.Counters.Suspended++
	f.suspended = now.Add(f.cfg.Suspend)
}

// Suspended reports whether the option is left out at present because packets
// that carried it were lost.
func (f *Flow) Suspended(now time.Time) bool { return now.Before(f.suspended) }

// inherit takes over what old has received and owes.
func (f *Flow) inherit(old *Flow) {
	f.min, f.minAt, f.reported = old.min, old.minAt, old.reported
	f.reply, f.replyAt, f.replied = old.reply, old.replyAt, old.replied
	f.hint, f.pmtu, f.suspended = old.hint, old.pmtu, old.suspended
	f.Counters = old.Counters
}
