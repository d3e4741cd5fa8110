package probe

import (
	"slices"

	"pathmtu/results"
)

// Auto chooses by which methods to measure a host of which nothing is known. It
// does no I/O: do what Next says, and tell it what came of it.
//
//	for step, ok := a.Next(); ok; step, ok = a.Next() {
//		// for each of step.Ask, at the same time: a Session of Config.Question,
//		// then a.Asked or a.Unable
//		// or, if there is none: Sessions by step.Measure, with step.Apply to their
//		// Config, then a.Measured or a.Unable
//	}
//
// It begins to measure by udp, which every host's kernel answers unless it is told
// not to. Only if it isn't answered others are asked, by at most AskTries packets
// each, and servers' methods only if nothing that the kernel answers measures the way
// there. An Auto isn't safe for concurrent use.
type Auto struct {
	stage    stage
	order    []string // in which methods were asked
	asked    map[string]Outcome
	measured map[string]bool
	found    []Outcome
	enough   bool
}

type stage uint8

const (
	begin     stage = iota
	first           // measured by udp, tentatively
	kernels         // asked for what kernels answer
	everybody       // and servers
)

// Step is what to do next.
type Step struct {
	Ask     []string // methods to ask for whether the host answers; nil: measure
	Measure string
	// Max, Expect and Tentative are those of the Config to measure with.
	Max, Expect int
	Tentative   bool
}

// Apply returns c as a Session of the step needs it: Max only lowers c's.
func (t Step) Apply(c Config) Config {
	if t.Max != 0 {
		c.Max = t.Max
		c.Min = min(c.Min, t.Max)
	}
	c.Expect, c.Tentative = t.Expect, t.Tentative
	return c
}

// AskTries is how many packets are sent to see whether a method is answered.
const AskTries = 2

// mostMeasured bounds by how many methods one host is measured.
const mostMeasured = 4

// askFirst is what a host's kernel answers beside udp, and askThen what servers do,
// in the order in which they are asked.
var (
	askFirst = []string{"icmp", "tcp"}
	askThen  = []string{"quic", "dns", "stun", "ntp"}
)

// preferred is the order in which methods measure. Those with small answers come
// first: they measure the way there alone. Of them, a server may be silent above a
// size of its own; stun and ntp go in steps of 4 bytes, and ntp hardly above 1140.
var preferred = []string{"udp", "tcp", "quic", "dns", "stun", "ntp", "icmp"}

// NewAuto returns an Auto.
func NewAuto() *Auto {
	return &Auto{asked: make(map[string]Outcome), measured: make(map[string]bool)}
}

// Question returns c with what makes a Session find out, in at most AskTries
// packets of the smallest size, whether the host answers: its Outcome has a PMTU
// if so.
func (c Config) Question() Config {
	c.Max, c.Min, c.Loss, c.Probes = c.Method.Traits().Min, 0, 0, AskTries
	return c
}

// Next returns what to do next; false: enough is known.
func (a *Auto) Next() (Step, bool) {
	best := a.best()
	known := best != nil && best.PMTU != nil
	switch {
	case a.enough || len(a.measured) >= mostMeasured:
		return Step{}, false
	case a.stage == begin:
		a.stage = first
		a.measured["udp"] = true
		return Step{Measure: "udp", Tentative: true}, true
	case a.stage == first && !known:
		a.stage = kernels
		return Step{Ask: slices.Clone(askFirst)}, true
	case a.stage == kernels && !known && !a.forwardAnswers():
		a.stage = everybody
		return Step{Ask: slices.Clone(askThen)}, true
	case !known:
		return a.measure(preferred, nil)
	case best.Method.Direction == results.Forward && a.open("icmp"):
		// The way back may be narrower, or the first method's limit its own.
		return a.measure([]string{"icmp"}, best)
	case a.doubtful(best):
		return a.measure(preferred, nil)
	}
	return Step{}, false
}

// forwardAnswers says whether a method that measures the way there is answered.
func (a *Auto) forwardAnswers() bool {
	for _, o := range a.asked {
		if o.PMTU != nil && o.Method.Direction == results.Forward {
			return true
		}
	}
	return false
}

// open says whether a method is answered, or may be as it wasn't asked yet, and
// wasn't measured by.
func (a *Auto) open(name string) bool {
	o, asked := a.asked[name]
	if !asked {
		return name == "icmp" && !a.measured[name]
	}
	return o.PMTU != nil && !a.measured[name]
}

// measure chooses the first of the methods that is open. What another one found is
// what is expected, and, where a router said so or the first link carries no more,
// also all that is tried.
func (a *Auto) measure(names []string, other *Outcome) (Step, bool) {
	for _, name := range names {
		if !a.open(name) {
			continue
		}
		a.measured[name] = true
		_, asked := a.asked[name]
		step := Step{Measure: name, Tentative: !asked}
		if other != nil {
			step.Expect = *other.PMTU
			if other.Verdict == results.OK {
				step.Max = *other.PMTU
			}
		}
		return step, true
	}
	return Step{}, false
}

// best returns the Outcome with the largest PMTU; without any, the last.
func (a *Auto) best() *Outcome {
	var best *Outcome
	for i := range a.found {
		if o := &a.found[i]; best == nil || best.PMTU == nil || o.PMTU != nil && *o.PMTU > *best.PMTU {
			best = o
		}
	}
	return best
}

// doubtful says whether a server's silence alone speaks for the PMTU: a limit
// of its own looks just so.
func (a *Auto) doubtful(best *Outcome) bool {
	if best.Verdict == results.ResponderLimit {
		return true
	}
	if best.Verdict != results.OKSilent || !best.Server {
		return false
	}
	agree := 0
	for _, o := range a.found {
		if o.PMTU != nil && *best.PMTU-*o.PMTU < max(o.Step, 1) {
			agree++
		}
	}
	return agree < 2
}

// Asked says what came of the question by a method.
func (a *Auto) Asked(name string, o Outcome) {
	if _, ok := a.asked[name]; !ok {
		a.order = append(a.order, name)
	}
	a.asked[name] = o
}

// Unable says that a method can't be used here at all, and why.
func (a *Auto) Unable(name string, why error) {
	d := results.Forward
	if name == "icmp" {
		d = results.RoundTrip
	}
	a.Asked(name, Outcome{Method: results.Method{Method: name, Direction: d, Error: why.Error()}})
}

// Measured says what the flows found by a method. One that wasn't answered at all
// counts as asked only.
func (a *Auto) Measured(found []Outcome) {
	for _, o := range found {
		if _, asked := a.asked[o.Method.Method]; !asked && (o.Verdict == results.Unresponsive || o.Verdict == results.Refused) {
			a.Asked(o.Method.Method, o)
			continue
		}
		a.found = append(a.found, o)
		a.enough = a.enough || o.End == BelowMin || o.End == Interrupted // no other method can mend it
	}
}

// Found returns what was found by the methods that the host was measured by, in
// that order; nil: by none.
func (a *Auto) Found() []Outcome { return a.found }

// Silent returns what came of the questions, of a host that was not measured.
func (a *Auto) Silent() []Outcome {
	var all []Outcome
	for _, name := range a.order {
		all = append(all, a.asked[name])
	}
	return all
}

// Others returns the methods that were asked and not measured by: with the size
// of the question as PMTU and verdict local-limit if they were answered.
func (a *Auto) Others() []results.Method {
	var others []results.Method
	for _, name := range a.order {
		if !slices.ContainsFunc(a.found, func(o Outcome) bool { return o.Method.Method == name }) {
			others = append(others, a.asked[name].Method)
		}
	}
	return others
}
