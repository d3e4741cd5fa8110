// Package demo measures paths of known MTU with the real program and holds what
// it finds against the ground truth.
//
// [Paths] is the plan, [Expect] what the data of a topology says must come out,
// [Run] builds, measures and judges. Sizes are whole IP packets in bytes.
package demo

import (
	"fmt"
	"slices"
	"strings"

	"pathmtu/internal/netlab"
	"pathmtu/results"
)

// Expectation is what an exact measurement of a path must report.
type Expectation struct {
	PMTU    int
	Verdict results.Verdict
	// Grades that the packet-too-big messages of the path may get; one of them
	// must appear. Empty: none must come.
	Grades []results.Grade
}

// Expect computes the expectation from the topology alone, for a measurement
// between two of its nodes in one family (4 or 6).
func Expect(t netlab.Topology, from, to string, family int) (Expectation, error) {
	dst, ok := t.Addr(to, family)
	if !ok {
		return Expectation{}, fmt.Errorf("topology %q: node %q has no IPv%d address", t.Name, to, family)
	}
	walk, err := t.Walk(from, dst)
	if err != nil {
		return Expectation{}, err
	}
	e := Expectation{PMTU: walk.MTU(), Verdict: results.OK}
	if e.PMTU >= walk.FirstHop() {
		return e, nil
	}
	e.Verdict = results.OKSilent
	for i, hop := range walk {
		ptb := ptbOf(t, hop.From)
		if i == 0 || hop.MTU >= walk[:i].MTU() || ptb.Mode == netlab.PTBFiltered {
			continue // the node never sees a packet too large, or says nothing
		}
		if hop.MTU == e.PMTU {
			e.Verdict = results.OK // at a wider place it only hides that the narrowest is silent
		}
		for _, g := range gradesOf(ptb, hop.MTU, e.PMTU, family) {
			if !slices.Contains(e.Grades, g) {
				e.Grades = append(e.Grades, g)
			}
		}
	}
	return e, nil
}

// gradesOf returns the grades that a router's messages may get; which of
// several depends on the sizes that were probed.
func gradesOf(ptb netlab.PTB, linkMTU, pmtu, family int) []results.Grade {
	says := linkMTU
	if ptb.Mode == netlab.PTBLying {
		says = ptb.MTU
	}
	least := 68
	if family == 6 {
		least = 1280
	}
	switch {
	case says == 0:
		return []results.Grade{results.Zero}
	case says < least:
		return []results.Grade{results.TooSmall}
	case says < pmtu:
		return []results.Grade{results.Understated}
	case says == pmtu:
		return []results.Grade{results.Exact}
	}
	return []results.Grade{results.Overstated, results.NotSmaller}
}

func ptbOf(t netlab.Topology, node string) netlab.PTB {
	for _, n := range t.Nodes {
		if n.Name == node {
			return n.PTB
		}
	}
	return netlab.PTB{}
}

// Judge returns what is wrong with a measurement, "" for nothing.
func (e Expectation) Judge(r *results.Record) string {
	var wrong []string
	if r.PMTU == nil {
		wrong = append(wrong, fmt.Sprintf("pmtu not measured, want %d", e.PMTU))
	} else if *r.PMTU != e.PMTU {
		wrong = append(wrong, fmt.Sprintf("pmtu %d, want %d", *r.PMTU, e.PMTU))
	}
	if r.Verdict != e.Verdict {
		wrong = append(wrong, fmt.Sprintf("verdict %s, want %s", r.Verdict, e.Verdict))
	}
	if len(e.Grades) > 0 && !slices.ContainsFunc(r.PTB, func(p results.PTB) bool { return slices.Contains(e.Grades, p.Grade) }) {
		wrong = append(wrong, fmt.Sprintf("grades %q, want one of %q", Grades(r), e.Grades))
	}
	if len(e.Grades) == 0 && len(r.PTB) > 0 {
		wrong = append(wrong, fmt.Sprintf("grades %q, want no packet-too-big message", Grades(r)))
	}
	if r.Error != "" && len(wrong) > 0 {
		wrong = append(wrong, r.Error)
	}
	return strings.Join(wrong, "; ")
}

// Grades returns the distinct grades of a record in order of appearance.
func Grades(r *results.Record) []results.Grade {
	var out []results.Grade
	for _, p := range r.PTB {
		if !slices.Contains(out, p.Grade) {
			out = append(out, p.Grade)
		}
	}
	return out
}
