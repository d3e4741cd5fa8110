package cli

import (
	"fmt"
	"slices"
	"strings"

	"pathmtu/probe"
	"pathmtu/results"
)

// needsSecondOpinion says whether another method could tell more: there is no
// PMTU yet, or nothing but silence speaks for it.
func needsSecondOpinion(found []probe.Outcome) bool {
	if len(found) == 0 {
		return true
	}
	switch last := found[len(found)-1]; last.End {
	case probe.Concluded:
		return last.PMTU == nil || last.Verdict == results.OKSilent
	case probe.StoppedAnswering:
		return true
	}
	return false
}

// reconcile makes one verdict of what the methods found.
func reconcile(r *results.Record, found []probe.Outcome) {
	var best *probe.Outcome
	for i := range found {
		o := &found[i]
		r.Methods = append(r.Methods, o.Method)
		r.PTB = append(r.PTB, o.PTB...)
		r.Loss = append(r.Loss, o.Loss...)
		for _, e := range o.Evidence {
			r.Evidence = append(r.Evidence, o.Method.Method+": "+e)
		}
		if best == nil || best.PMTU == nil && o.PMTU != nil {
			best = o
		}
	}
	if best == nil {
		return
	}
	r.PMTU, r.Verdict, r.Confidence, r.Direction = best.PMTU, best.Verdict, best.Confidence, best.Method.Direction
	r.Bottleneck = best.Bottleneck
	r.Vantage.MTU = min(r.Vantage.MTU, best.LocalMTU)
	if best.PMTU == nil {
		r.Error = problems(found)
		return
	}
	for i := range found {
		if o := &found[i]; o != best && o.PMTU != nil {
			compare(r, best, o)
		}
	}
}

// problems says why no method found anything.
func problems(found []probe.Outcome) string {
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

// compare takes a second method into account.
func compare(r *results.Record, first, second *probe.Outcome) {
	a, b := *first.PMTU, *second.PMTU
	switch {
	case a == b:
		r.Confidence = min(1-(1-first.Confidence)*(1-second.Confidence), mostConfidence)
		r.Evidence = append(r.Evidence, fmt.Sprintf("%s and %s agree", first.Method.Method, second.Method.Method))
	case first.Method.Direction == results.RoundTrip && second.Method.Direction == results.Forward && a < b:
		r.PMTU, r.Confidence, r.Direction = second.PMTU, second.Confidence, results.Forward
		r.Verdict = results.ReverseLimit
		r.Evidence = append(r.Evidence, fmt.Sprintf("%d bytes arrive, but answers of more than %d bytes don't come back", b, a))
	default:
		r.Verdict = results.Inconsistent
		r.PMTU, r.Confidence = nil, 0
		r.Error = fmt.Sprintf("%s says %d, %s says %d bytes", first.Method.Method, a, second.Method.Method, b)
	}
}
