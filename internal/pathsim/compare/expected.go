package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"pathmtu/plpmtud"
)

// Expected returns the expected times under each prior, with all searches in
// the same range.
func Expected(priors []NamedPrior) []*Table {
	all := &Table{
		Name: "expected", Title: "Expected cost of each search under each prior, all in the range 1228 to 1500 (IPv4)", ForPrograms: true,
		Header: []string{"prior", "loss_cost", "search", "probes", "lost", "bytes", "rtts", "ratio", "efficiency_pct", "unused_rtts"},
	}
	read := &Table{
		Name: "expected-time", Title: "Expected time in RTT, by prior and cost of a lost probe; ratio to " + Ours + " in brackets",
		Note:   "Ack: 1 RTT. The last row uses the prior of the column; the one above it the built-in prior.",
		Header: []string{"search"},
	}
	type column struct {
		prior NamedPrior
		loss  float64
	}
	var columns []column
	for _, p := range priors {
		for _, l := range LossCosts {
			columns = append(columns, column{p, l})
			read.Header = append(read.Header, fmt.Sprintf("%s L=%g", p.Name, l))
		}
	}
	own := map[string]plpmtud.Search{}
	for _, p := range priors {
		own[p.Name] = plpmtud.OptimalFor(p.Prior)
	}
	names := []string{}
	for _, c := range append(Stacks(), PathContender(Ours, nil), PathContender(oursOwnPrior, nil)) {
		names = append(names, c.Name)
	}
	values := each(len(columns), func(i int) []Expectation {
		col := columns[i]
		list := append(Stacks(), PathContender(Ours, nil), PathContender(oursOwnPrior, own[col.prior.Name]))
		var row []Expectation
		for _, c := range list {
			row = append(row, Expect(c, col.prior.Prior, Common, col.loss))
		}
		return row
	})
	for k, name := range names {
		row := []any{name}
		for i := range columns {
			e, ref := values[i][k], values[i][len(names)-1]
			row = append(row, fmt.Sprintf("%.1f (%.2f)", e.RTTs, e.RTTs/ref.RTTs))
		}
		read.add(row...)
	}
	waste := &Table{
		Name: "expected-waste", Title: "What the final size leaves unused of the path's payload, in per cent; capacity unused in the first 1000 RTT, in RTT, in brackets",
		Header: read.Header,
	}
	for k, name := range names {
		row := []any{name}
		for i := range columns {
			row = append(row, fmt.Sprintf("%.2f (%.1f)", 100*(1-values[i][k].Efficiency), values[i][k].Unused))
		}
		waste.add(row...)
	}
	for i, col := range columns {
		for k, name := range names {
			e, ref := values[i][k], values[i][len(names)-1]
			all.add(col.prior.Name, fmt.Sprint(col.loss), name, e.Probes, e.Lost, e.Bytes, e.RTTs, e.RTTs/ref.RTTs, 100*e.Efficiency, e.Unused)
		}
	}
	return []*Table{read, waste, all}
}

// Jumbo returns the expected cost of each search under prior D on an interface
// of 9000 bytes, each stack configured for that where it can be.
func Jumbo(d NamedPrior) *Table {
	t := &Table{
		Name: "expected-jumbo", Title: "Expected cost of each search under prior D (data centre), IPv4, interface MTU 9000",
		Note:   "Each stack with its maximum raised where it can be. unused: capacity unused in the first 1000 RTT, in RTT.",
		Header: []string{"loss_cost", "search", "probes", "lost", "bytes", "rtts", "efficiency_pct", "unused_rtts"},
	}
	type job struct {
		loss float64
		c    Contender
	}
	var jobs []job
	own := plpmtud.OptimalFor(d.Prior)
	for _, l := range []float64{LossCosts[0], LossCosts[2]} {
		for _, c := range append(Stacks(), PathContender(Ours, nil), PathContender(oursOwnPrior, own)) {
			jobs = append(jobs, job{l, c})
		}
	}
	for i, e := range each(len(jobs), func(i int) Expectation {
		r := pathSettings[2].stackRange(jobs[i].c.Name)
		r.Base = Common.Base
		return Expect(jobs[i].c, d.Prior, r, jobs[i].loss)
	}) {
		t.add(fmt.Sprint(jobs[i].loss), jobs[i].c.Name, e.Probes, e.Lost, e.Bytes, e.RTTs, 100*e.Efficiency, e.Unused)
	}
	return t
}

// tooBigShares are how often a probe that is too large is answered.
var tooBigShares = []float64{0, 0.5, 0.9, 1}

// TooBig returns what validated Packet Too Big messages are worth: our expected
// time where a share of the probes that are too large is answered.
func TooBig(priors []NamedPrior, scale Scale) *Table {
	t := &Table{
		Name: "too-big", Title: "Expected time of " + Ours + " in RTT where a share of the too large probes is answered by a Packet Too Big message",
		Header: []string{"prior", "loss_cost"},
	}
	for _, share := range tooBigShares {
		t.Header = append(t.Header, fmt.Sprintf("%g%%", 100*share))
	}
	type job struct {
		p NamedPrior
		l float64
	}
	var jobs []job
	for _, p := range priors {
		for _, l := range LossCosts {
			jobs = append(jobs, job{p, l})
		}
	}
	for i, row := range each(len(jobs), func(i int) []float64 {
		var row []float64
		for _, share := range tooBigShares {
			rng := rand.New(rand.NewPCG(scale.Seed, math.Float64bits(share)))
			c := PathContender(Ours, nil)
			sum := 0.0
			runs := max(scale.Runs/200, 5) // for each of some 220 path MTUs
			for range runs {
				answered := Contender{Run: func(t Trial) Outcome {
					t.TooBig = func() bool { return rng.Float64() < share }
					return c.Run(t)
				}}
				sum += Expect(answered, jobs[i].p.Prior, Common, jobs[i].l).RTTs
			}
			row = append(row, sum/float64(runs))
		}
		return row
	}) {
		t.add(jobs[i].p.Name, fmt.Sprint(jobs[i].l), row[0], row[1], row[2], row[3])
	}
	return t
}

// oursOwnPrior is package plpmtud with the prior that it is judged by.
const oursOwnPrior = Ours + ", own prior"

// Rival compares one stack with package plpmtud where both look for no more
// than the stack ever reaches.
type Rival struct {
	Prior    string
	LossCost float64
	Stack    string
	Reach    int // largest size that the stack looks for, bytes of IP packet
	Theirs   Expectation
	Ours     Expectation
}

// Rivals returns the comparison of every stack under every prior and cost.
func Rivals(priors []NamedPrior, lossCosts []float64) []Rival {
	type job struct {
		p NamedPrior
		s plpmtud.Search
		l float64
		c Contender
	}
	var jobs []job
	for _, p := range priors {
		search := plpmtud.OptimalFor(p.Prior)
		for _, l := range lossCosts {
			for _, c := range Stacks() {
				jobs = append(jobs, job{p, search, l, c})
			}
		}
	}
	return each(len(jobs), func(i int) Rival {
		j := jobs[i]
		r := Rival{Prior: j.p.Name, LossCost: j.l, Stack: j.c.Name, Reach: j.c.Reach(Common)}
		r.Theirs = Expect(j.c, j.p.Prior, Common, j.l)
		ours := Common
		ours.Max = r.Reach
		r.Ours = Expect(PathContender(Ours, j.s), j.p.Prior, ours, j.l)
		return r
	})
}

// RivalTables lists rivals: a table to read, and one of all numbers.
func RivalTables(rivals []Rival) []*Table {
	all := &Table{
		Name: "rivals", Title: "Each stack against " + Ours + ", both limited to the largest size that the stack ever reaches", ForPrograms: true,
		Header: []string{"prior", "loss_cost", "search", "largest", "rtts", "efficiency_pct", "unused_rtts", "our_rtts", "our_efficiency_pct", "our_unused_rtts", "ratio"},
	}
	read := &Table{
		Name:  "rivals-time",
		Title: "Expected time of each stack, as a ratio to " + Ours + " with the prior of the column, both limited to the largest size that the stack ever reaches",
		Note: "A search that never looks above some size is soon done: here ours doesn't look there either.\n" +
			"In brackets: how much more of the path's payload our final size uses, in percentage points.",
		Header: []string{"search", "largest"},
	}
	rows := map[string][]any{}
	for _, r := range rivals {
		ratio := r.Theirs.RTTs / r.Ours.RTTs
		all.add(r.Prior, fmt.Sprint(r.LossCost), r.Stack, r.Reach, r.Theirs.RTTs, 100*r.Theirs.Efficiency, r.Theirs.Unused,
			r.Ours.RTTs, 100*r.Ours.Efficiency, r.Ours.Unused, ratio)
		if rows[r.Stack] == nil {
			rows[r.Stack] = []any{r.Stack, r.Reach}
		}
		rows[r.Stack] = append(rows[r.Stack], fmt.Sprintf("%.2f (%+.1f)", ratio, 100*(r.Ours.Efficiency-r.Theirs.Efficiency)))
		if column := fmt.Sprintf("%s L=%g", r.Prior, r.LossCost); !slices.Contains(read.Header, column) {
			read.Header = append(read.Header, column)
		}
	}
	for _, c := range Stacks() {
		read.add(rows[c.Name]...)
	}
	return []*Table{read, all}
}
