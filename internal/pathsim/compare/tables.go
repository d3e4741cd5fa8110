package compare

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"pathmtu/internal/pathsim/stacks"
	"pathmtu/plpmtud"
)

// Scale is how much work the tables cost.
type Scale struct {
	Seed    uint64
	Packets int // in each cell of the matrix of false verdicts
	Seeds   int // for each cell of the table of delays
	Runs    int // in each cell of the table of random loss
}

// Full is for a recorded run, Quick for a test.
var (
	Full  = Scale{Seed: 1, Packets: 300_000, Seeds: 99, Runs: 20_000}
	Quick = Scale{Seed: 1, Packets: 20_000, Seeds: 9, Runs: 500}
)

// each runs f for 0 to n-1, on all processors, and returns the results in order.
func each[T any](n int, f func(int) T) []T {
	results := make([]T, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				results[i] = f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

// setting is one configuration of the table of path MTUs.
type setting struct {
	name string
	r    Range
	mtus []int
}

var pathSettings = []setting{
	{"IPv4, interface 1500", Range{IPHeader: ipv4Header, Interface: 1500}, []int{1280, 1400, 1420, 1428, 1440, 1452, 1460, 1472, 1480, 1492, 1500}},
	{"IPv6, interface 1500", Range{IPHeader: ipv6Header, Interface: 1500}, []int{1280, 1400, 1420, 1428, 1440, 1452, 1460, 1472, 1480, 1492, 1500}},
	{"IPv4, interface 9000", Range{IPHeader: ipv4Header, Interface: 9000}, []int{1280, 1400, 1500, 4352, 9000}},
}

// stackRange is the range as the named stack would be configured for it.
func (s setting) stackRange(name string) Range {
	r := s.r
	if r.Interface > 1500 {
		if j := stacks.Jumbo(name); j.Max != 0 {
			r.Max = j.Max + r.IPHeader + udpHeader
		}
	}
	return r
}

// Paths returns, for each path MTU, what each search costs and finds: one table
// of cells to read, one of all numbers.
func Paths() []*Table {
	all := &Table{
		Name: "paths", Title: "Each search on each path MTU, loss-free", ForPrograms: true,
		Header: []string{"setting", "search", "path_mtu", "probes", "lost", "bytes", "final", "rtts_l1.25", "rtts_l3.5", "rtts_l20", "rtts_l300"},
	}
	tables := []*Table{all}
	ours := PathContender(Ours, nil)
	for _, s := range pathSettings {
		read := &Table{
			Name:   fmt.Sprintf("paths-%d-%d", s.r.IPHeader, s.r.Interface),
			Title:  "Path MTU found: " + s.name,
			Note:   "Cell: probes sent/lost/final IP packet size, bytes of probes. FAIL: what the stack starts from does not fit.",
			Header: []string{"search"},
		}
		for _, mtu := range s.mtus {
			read.Header = append(read.Header, fmt.Sprint(mtu))
		}
		for _, c := range append(Stacks(), ours) {
			r := s.r
			if c.Name != Ours {
				r = s.stackRange(c.Name)
			}
			row := []any{c.Name}
			for _, mtu := range s.mtus {
				o := c.Run(Trial{Range: r, PathMTU: mtu, LossCost: LossCosts[0]})
				if o.Fail {
					row = append(row, "FAIL")
					all.add(s.name, c.Name, mtu, "", "", "", "", "", "", "", "")
					continue
				}
				row = append(row, fmt.Sprintf("%d/%d/%d %d", o.Probes, o.Lost, o.Final, o.Bytes))
				cells := []any{s.name, c.Name, mtu, o.Probes, o.Lost, o.Bytes, o.Final}
				for _, l := range LossCosts {
					cells = append(cells, c.Run(Trial{Range: r, PathMTU: mtu, LossCost: l}).RTTs)
				}
				all.add(cells...)
			}
			read.add(row...)
		}
		tables = append(tables, read)
	}
	return tables
}

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

// RandomLoss returns how often each search ends below its own loss-free result
// when probes are lost at random, and at which size on average.
func RandomLoss(scale Scale) *Table {
	t := &Table{
		Name: "random-loss", Title: "Random loss of probes, whatever their size: share of runs that end below the loss-free result (mean final size)",
		Header: []string{"path_mtu", "search", "loss 0", "1%", "5%", "10%", "20%"},
	}
	rates := []float64{0.01, 0.05, 0.1, 0.2}
	type job struct {
		mtu int
		c   Contender
	}
	var jobs []job
	for _, mtu := range []int{1500, 1420} {
		for _, c := range append(Stacks(), PathContender(Ours, nil)) {
			jobs = append(jobs, job{mtu, c})
		}
	}
	rows := each(len(jobs), func(i int) []any {
		j := jobs[i]
		trial := Trial{Range: pathSettings[0].r, PathMTU: j.mtu, LossCost: LossCosts[0]}
		clean := j.c.Run(trial).Final
		row := []any{j.mtu, j.c.Name, clean}
		for k, rate := range rates {
			below, mean := Shortfall(j.c, trial, clean, rate, scale.Seed+uint64(k), scale.Runs)
			row = append(row, fmt.Sprintf("%.1f%% (%.0f)", 100*below, mean))
		}
		return row
	})
	for _, r := range rows {
		t.add(r...)
	}
	return t
}

// Shortfall returns which share of runs ends below the size that the search
// finds without random loss, and the mean size at the end.
func Shortfall(c Contender, t Trial, clean int, rate float64, seed uint64, runs int) (below, mean float64) {
	rng := rand.New(rand.NewPCG(seed, uint64(t.PathMTU)))
	t.Lose = func() bool { return rng.Float64() < rate }
	for range runs {
		final := c.Run(t).Final
		mean += float64(final) / float64(runs)
		if final < clean {
			below += 1 / float64(runs)
		}
	}
	return below, mean
}

// FalseVerdicts returns the matrix of false verdicts.
func FalseVerdicts(scale Scale) *Table {
	t := &Table{
		Name: "false-verdicts", Title: "False black-hole verdicts per 100 000 packets; the path MTU never changes",
		Note:   fmt.Sprintf("RTT 50 ms, %d packets for each cell; 90 %% of the packets full size (exact) or within 16 bytes (near), 10 %% small.", scale.Packets),
		Header: append([]string{"traffic", "path"}, DetectorNames()...),
	}
	cells := Cells()
	counts := each(len(cells), func(i int) []int { return cells[i].Verdicts(scale.Seed, scale.Packets) })
	for i, c := range cells {
		row := []any{c.Table, c.Column}
		for _, n := range counts[i] {
			row = append(row, fmt.Sprintf("%.1f", float64(n)*1e5/float64(scale.Packets)))
		}
		t.add(row...)
	}
	return t
}

// Delays returns how long the detectors take to notice a true black hole.
func Delays(scale Scale) *Table {
	t := &Table{
		Name: "detection-delay", Title: "The path MTU drops from 1480 to 1400: packets (RTTs) until the verdict, median and worst of all seeds",
		Note:   fmt.Sprintf("Traffic near the MTU with 10 %% small packets, %d seeds. never: not within 40 RTT.", scale.Seeds),
		Header: []string{"detector"},
	}
	drops := Drops()
	delays := each(len(drops)*scale.Seeds, func(i int) []int {
		return drops[i/scale.Seeds].Delay(scale.Seed + uint64(i%scale.Seeds))
	})
	for _, d := range drops {
		t.Header = append(t.Header, d.Column+" median", "worst")
	}
	for k, name := range DetectorNames() {
		row := []any{name}
		for i, d := range drops {
			var all []int
			for _, v := range delays[i*scale.Seeds : (i+1)*scale.Seeds] {
				all = append(all, v[k])
			}
			slices.SortFunc(all, func(a, b int) int { return cmp.Compare(uint(a), uint(b)) }) // -1, never, is last
			row = append(row, d.cell(all[len(all)/2]), d.cell(all[len(all)-1]))
		}
		t.add(row...)
	}
	return t
}

func (d Drop) cell(packets int) string {
	if packets < 0 {
		return "never"
	}
	return fmt.Sprintf("%d (%.1f)", packets, float64(packets)/float64(d.PerRTT))
}
