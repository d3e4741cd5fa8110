package probe

import (
	"fmt"
	"slices"
	"strings"

	"pathmtu/results"
)

// Reconcile makes one verdict of what several Sessions to one target found, by
// different methods or in different flows, and writes it into r with all of their
// evidence. It is the verdict of the one that got the largest size through, since
// what arrived arrived. The others have to agree, or there has to be a reason why
// not: a limit of the responder, or a narrower way back. Reconcile changes the
// verdicts in found where that is so.
func Reconcile(r *results.Record, found []Outcome) {
	best := largest(found)
	if best == nil {
		return
	}
	r.PMTU, r.Verdict, r.Confidence, r.Direction = best.PMTU, best.Verdict, best.Confidence, best.Method.Direction
	r.Bottleneck = best.Bottleneck
	r.Vantage.MTU = min(r.Vantage.MTU, best.LocalMTU)
	for i := range found {
		o := &found[i]
		r.PTB = append(r.PTB, o.PTB...)
		r.Loss = append(r.Loss, o.Loss...)
		if o.HBH != nil {
			r.HBH = o.HBH
		}
		if o.Truncation != nil {
			r.Truncation = o.Truncation
		}
		for _, e := range o.Evidence {
			r.Evidence = append(r.Evidence, o.Method.Method+": "+e)
		}
	}
	for i := range found {
		o := &found[i]
		if o != best && o.PMTU != nil && best.PMTU != nil {
			accountFor(r, best, o)
		}
		r.Methods = append(r.Methods, o.Method)
	}
	if best.PMTU == nil {
		r.Error = problems(found)
	}
}

// largest returns the first of those that found the largest PMTU, sooner one that
// found that no more arrives than one that couldn't send more; without any, the
// first.
func largest(found []Outcome) *Outcome {
	var best *Outcome
	for i := range found {
		if o := &found[i]; best == nil || o.PMTU != nil && (best.PMTU == nil || *o.PMTU > *best.PMTU || *o.PMTU == *best.PMTU && bounded(best) && !bounded(o)) {
			best = o
		}
	}
	return best
}

// bounded says whether the path may carry more, as it wasn't tried.
func bounded(o *Outcome) bool {
	return o.Verdict == results.ResponderLimit || o.Verdict == results.LocalLimit
}

// problems says why no method found anything.
func problems(found []Outcome) string {
	var all []string
	for _, o := range found {
		if o.Error != "" && !slices.Contains(all, o.Error) {
			all = append(all, o.Error)
		}
	}
	return strings.Join(all, "; ")
}

// mostConfidence is never 1: other flows may take another path.
const mostConfidence = 0.999

// accountFor takes another method into account, which found the same or less.
func accountFor(r *results.Record, best, other *Outcome) {
	most, less := *best.PMTU, *other.PMTU
	silent := other.Verdict == results.OKSilent
	say := func(format string, args ...any) {
		r.Evidence = append(r.Evidence, fmt.Sprintf(format, args...))
	}
	switch {
	case most-less < max(other.Step, 1):
		r.Confidence = min(1-(1-r.Confidence)*(1-other.Confidence), mostConfidence)
		if best.Method.Method == other.Method.Method {
			say("flows by %s agree", best.Method.Method)
		} else {
			say("%s and %s agree", best.Method.Method, other.Method.Method)
		}
	case other.Method.Method == best.Method.Method:
		r.Verdict = results.Inconsistent
		r.PMTU, r.Confidence, r.Bottleneck = nil, 0, nil
		r.Error = fmt.Sprintf("flows differ: %d bytes by %s, %d by %s", most, best.Flow, less, other.Flow)
	case other.Verdict == results.LocalLimit:
		say("%s sends no more than %d bytes", other.Method.Method, less)
	case other.Verdict == results.ResponderLimit:
		say("%d bytes arrive by %s: the limit of %d bytes is what the host asks for by %s", most, best.Method.Method, less, other.Method.Method)
	case silent && other.Server:
		other.Verdict = results.ResponderLimit
		say("%d bytes arrive by %s: the limit of %d bytes is that of the host's %s server", most, best.Method.Method, less, other.Method.Method)
	case silent && other.Method.Direction == results.RoundTrip && (best.Method.Direction == results.Forward || most-less <= best.Slack):
		other.Verdict = results.ReverseLimit
		if r.Verdict != results.Inconsistent {
			r.Verdict = results.ReverseLimit
		}
		say("%d bytes arrive, but answers of more than %d bytes don't come back", most, less)
	default:
		r.Verdict = results.Inconsistent
		r.PMTU, r.Confidence, r.Bottleneck = nil, 0, nil
		r.Error = fmt.Sprintf("%s says %d, %s says %d bytes", best.Method.Method, most, other.Method.Method, less)
	}
}
