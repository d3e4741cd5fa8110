package probe

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"pathmtu/results"
)

// End says why a Session ended.
type End uint8

const (
	Concluded        End = iota // with a verdict
	Interrupted                 // by Interrupt
	BelowMin                    // the path carries less than Config.Min
	OverBudget                  // a budget was used up
	StoppedAnswering            // the target answered at first
	SendFailed                  // the system refused to send
)

// Outcome is what a Session found.
type Outcome struct {
	results.Method
	End        End
	Confidence float64 // 0 to 1
	Step       int     // sizes are so many bytes apart: the truth is less than Step above PMTU
	Slack      int     // answers were so much smaller than probes at most: see Traits
	Server     bool    // see Traits
	LocalMTU   int     // what the first hop's link carries, as far as was noticed. Bytes
	// Refused is the smallest size that was reported as too big, by RefusedBy, and
	// RefusedMost the largest that the same router got and refused; 0: none was.
	Refused, RefusedMost int
	RefusedBy            netip.Addr
	Bottleneck           *results.Bottleneck
	PTB                  []results.PTB
	Loss                 []results.Loss
	HBH                  *results.HBH
	Truncation           *results.Truncation
	Evidence             []string
}

func (s *Session) end(now time.Time, v results.Verdict) {
	if s.done {
		return
	}
	if s.cfg.Loss > 0 && s.loads == nil && s.pmtu > s.traits.Min {
		s.weigh(s.pmtu, v)
		return
	}
	if s.started.IsZero() {
		s.started = now
	}
	s.done, s.ended, s.verdict = true, now, v
}

// fail ends the Session without a PMTU: it couldn't go on.
func (s *Session) fail(now time.Time, why End, problem string) {
	if s.done {
		return
	}
	if s.loads != nil {
		s.why = why
		s.weighCut(now, problem)
		return
	}
	if s.acked > 0 && !s.connecting {
		s.note("at least %d bytes arrive", s.acked)
	}
	s.problem, s.why = problem, why
	s.end(now, results.NoVerdict)
}

func (s *Session) unresponsive(now time.Time) {
	s.problem = fmt.Sprintf("%v doesn't answer %s: %d probes of %d bytes were lost", s.cfg.Target, s.cfg.Method.Name(), s.controls, s.traits.Min)
	if s.unreach != "" {
		s.problem = s.unreach
	}
	s.end(now, results.Unresponsive)
}

func (s *Session) refuse(now time.Time, e ICMPError) {
	s.problem = fmt.Sprintf("%v refuses the probes (ICMP type %d code %d)", e.From, e.Type, e.Code)
	s.end(now, results.Refused)
}

func (s *Session) inconsistent(now time.Time) {
	s.problem = fmt.Sprintf("sizes pass and fail in turn, %d times", s.contradictions)
	s.end(now, results.Inconsistent)
}

// conclude ends the Session with a PMTU: that size was answered, and nothing
// larger passes or can be sent.
func (s *Session) conclude(now time.Time, size int) {
	if size < s.cfg.Min {
		s.fail(now, BelowMin, fmt.Sprintf("the path carries less than the minimum of %d bytes", s.cfg.Min))
		return
	}
	s.pmtu = size
	next := s.nextSize(size)
	s.note("%d bytes arrived", size)
	switch {
	case next > s.hi:
		if s.hi < s.firstHop() && s.traits.Asked != "" && s.traits.Max < s.cfg.Max && s.hi == s.sizes().down(s.traits.Max) {
			s.note("%s: the path may carry more", s.traits.Asked)
			s.end(now, results.ResponderLimit)
			return
		}
		if s.hi < s.firstHop() {
			s.note("nothing above %d bytes was tried", s.hi)
			s.end(now, results.LocalLimit)
			return
		}
		s.note("the first hop's link carries no more")
		s.end(now, results.OK)
	case s.refused == next:
		s.note("%d bytes were reported as too big", next)
		s.end(now, results.OK)
	default:
		s.note("%d bytes were lost %d times, with control probes answered each time", next, s.failed[next])
		switch {
		case s.ptb.names(size, s.sizes()):
			s.end(now, results.OK)
			return
		case s.ptb.valid > 0:
			s.note("routers complained about larger packets only: the place that carries no more is silent")
		default:
			s.note("no router said so")
		}
		if s.serverLimit() {
			s.note("servers of this kind have such a limit of their own: the path may carry more")
		}
		s.end(now, results.OKSilent)
	}
}

func (s *Session) firstHop() int {
	if s.local != 0 {
		return min(s.local, s.cfg.FirstHop)
	}
	return s.cfg.FirstHop
}

// serverLimit says whether the PMTU is just what servers of this kind are known
// to accept.
func (s *Session) serverLimit() bool {
	for _, n := range s.traits.Limits {
		if size := n + s.traits.Below; s.pmtu == (exact{min: s.traits.Min, step: s.traits.Step}).down(size) {
			return true
		}
	}
	return false
}

// confidence is how sure the PMTU is: one less how likely it is that losses by
// chance explain it; never 1, as one flow is not every flow.
func (s *Session) confidence() float64 {
	const most = 0.99
	if s.pmtu == 0 {
		return 0
	}
	c := most
	if next := s.nextSize(s.pmtu); next <= s.hi && s.refused != next && s.verdict != results.LossyAbove {
		c = min(c, 1-math.Pow(s.chance(), float64(s.failed[next])))
	}
	if s.verdict == results.OKSilent && s.serverLimit() {
		c /= 2
	}
	return math.Round(c/float64(1+s.contradictions)*1000) / 1000
}

// Outcome returns what was found; call it once Done returns true.
func (s *Session) Outcome() Outcome {
	o := Outcome{
		Method: results.Method{
			Method: s.cfg.Method.Name(), Verdict: s.verdict, Direction: s.traits.Direction,
			ProbesSent: s.packets, BytesSent: s.bytes,
			RTT: s.rtt.smoothed.Microseconds(), Elapsed: s.ended.Sub(s.started).Microseconds(),
			Error: s.problem,
		},
		End:        s.why,
		Confidence: s.confidence(),
		LocalMTU:   s.firstHop(),
		Step:       s.traits.Step, Slack: s.traits.Slack, Server: s.traits.Server,
		Evidence: slices.Clone(s.evidence),
	}
	failed := 0
	refuser := netip.Addr{}
	if s.pmtu != 0 {
		o.PMTU = &s.pmtu
		most := s.pmtu
		if s.loads != nil {
			most = s.loads.most
		}
		if failed = s.nextSize(most); failed > s.hi {
			failed = 0
		}
		if failed == s.refused {
			refuser = s.refuser
		}
	}
	o.PTB = s.ptb.records(s.v6, s.acked, failed)
	if s.refused != 0 && s.signals.cut == 0 {
		o.Refused, o.RefusedBy, o.RefusedMost = s.refused, s.refuser, s.ptb.most(s.refuser)
	}
	for _, l := range s.loss {
		if l.Sent > 0 {
			o.Loss = append(o.Loss, *l)
			o.ProbesLost += l.Lost
		}
	}
	slices.SortFunc(o.Loss, func(a, b results.Loss) int { return a.Size - b.Size })
	said := o.PTB
	if s.signals.cut != 0 { // the target speaks of a place that isn't its own
		said = slices.DeleteFunc(slices.Clone(said), func(p results.PTB) bool { return p.From == addrString(s.cfg.Target) })
	}
	o.Bottleneck = bottleneck(said, addrString(refuser), s.pmtu, s.verdict)
	s.signals.report(&o, s.cfg.Method, s.rtt.smoothed != 0 || s.acked != 0, s.acked >= least(true))
	return o
}

// bottleneck names the router that says that the path shrinks to the PMTU; or
// else the one that refused the next larger size, whatever number it named.
func bottleneck(ptb []results.PTB, refuser string, pmtu int, v results.Verdict) *results.Bottleneck {
	if pmtu == 0 || v != results.OK {
		return nil
	}
	for _, p := range ptb {
		if p.Grade == results.Exact && p.MTU == pmtu {
			return &results.Bottleneck{Hop: p.Hop, Addr: p.From, Evidence: fmt.Sprintf("Packet Too Big with MTU %d", p.MTU)}
		}
	}
	for _, p := range ptb {
		if refuser != "" && p.From == refuser {
			return &results.Bottleneck{Hop: p.Hop, Addr: p.From, Evidence: fmt.Sprintf("Packet Too Big with MTU %d (%s)", p.MTU, p.Grade)}
		}
	}
	return nil
}
