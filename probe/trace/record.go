package trace

import (
	"fmt"
	"strings"

	"pathmtu/results"
)

// at is place with its preposition.
func (r *Report) at(c Rewrite) string {
	p := r.place(c)
	if strings.HasPrefix(p, "between") {
		return p
	}
	return "at " + p
}

// place names where a change was made.
func (r *Report) place(c Rewrite) string {
	at := c.Hop
	if at == 0 && c.Next == 1 {
		at = 1 // nobody else is there
	}
	if a := r.Addr(at); a != "" && (c.Next-c.Hop == 1) {
		return a
	}
	return fmt.Sprintf("between hop %d and hop %d", c.Hop, c.Next)
}

// Fill puts the report into a record.
func (r *Report) Fill(rec *results.Record) {
	o := r.End
	rec.Methods = r.Ends
	if rec.Methods == nil {
		rec.Methods = []results.Method{}
	}
	rec.PMTU, rec.Verdict, rec.Confidence, rec.Error = o.PMTU, o.Verdict, o.Confidence, o.Error
	rec.Direction = o.Method.Direction
	if rec.Direction == "" {
		rec.Direction = results.Forward
	}
	if o.LocalMTU != 0 {
		rec.Vantage.MTU = min(rec.Vantage.MTU, o.LocalMTU)
	}
	rec.PTB, rec.Loss = r.PTB, o.Loss
	rec.HBH, rec.Truncation, rec.MSS = r.HBH, r.Truncation, r.MSS
	rec.Evidence = append(rec.Evidence, o.Evidence...)
	narrowest := -1
	for i, s := range r.Shrinks {
		if narrowest < 0 || s.MTU < r.Shrinks[narrowest].MTU {
			narrowest = i
		}
	}
	for i, s := range r.Shrinks {
		if i == narrowest {
			rec.Bottleneck = &results.Bottleneck{Hop: s.Hop, Addr: r.Addr(s.Hop), Evidence: s.evidence()}
			if rec.Verdict == results.OK && !s.Refused { // Packet Too Big came, but from a wider place
				rec.Verdict = results.OKSilent
			}
			continue
		}
		rec.Evidence = append(rec.Evidence, "another place where it shrinks: "+s.evidence())
	}
	rec.Evidence = append(rec.Evidence, r.notes()...)
	switch {
	case rec.Verdict == results.NoVerdict && rec.Error == "":
		rec.Error = r.Problem
		if rec.Error == "" {
			rec.Error = "nothing was measured"
		}
	case r.Problem != "":
		rec.Evidence = append(rec.Evidence, "the trace is incomplete: "+r.Problem)
	}
}

func (s Shrink) evidence() string {
	how := "silently"
	if s.Refused {
		how = "with Packet Too Big"
	}
	if s.Fails > s.MTU+1 {
		return fmt.Sprintf("hop %d is reached by %d bytes, %d bytes end after hop %d, %s", s.Next, s.MTU, s.Fails, s.Hop, how)
	}
	return fmt.Sprintf("%d bytes come to hop %d and not to hop %d, which %d bytes reach; refused %s", s.Fails, s.Hop, s.Next, s.MTU, how)
}

// notes say what became of options and MSS.
func (r *Report) notes() (out []string) {
	note := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, f := range r.Options {
		switch {
		case f.Fate == Dropped && f.Fault.IsValid():
			note("option %s: refused by %v with Parameter Problem or Destination Unreachable (code %d), after hop %d", f.Arm, f.Fault, f.Code, f.Hop)
		case f.Fate == Dropped:
			note("option %s: dropped between hop %d and hop %d", f.Arm, f.Hop, f.Next)
		default:
			note("option %s: %s", f.Arm, f.Fate)
		}
	}
	for _, c := range r.Rewrites {
		note("Min-PMTU %d becomes %d %s (seen first at hop %d)", c.From, c.To, r.at(c), c.Next)
	}
	if m := r.MSS; m != nil {
		switch {
		case m.Clamped:
			note("MSS %d becomes %d: %s", m.Sent, m.Received, m.At)
		case r.SYNACK == m.Received && m.Received != 0 && !r.quotesMSS():
			note("no router quotes the MSS; the target's own is %d", r.SYNACK)
		case m.Received != 0:
			note("MSS %d comes unchanged as far as routers quote it", m.Sent)
		}
		if r.SYNACK != 0 {
			note("the SYN-ACK arrives with MSS %d", r.SYNACK)
		}
	}
	return out
}

func (r *Report) quotesMSS() bool {
	for _, h := range r.Hops {
		if h.MSS != 0 {
			return true
		}
	}
	return false
}
