package analysis

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"pathmtu/results"
)

// Summary is what records add up to. A target is one record.
type Summary struct {
	Targets    int64      `json:"targets"`
	Measured   int64      `json:"measured"` // with a path MTU
	First      time.Time  `json:"first"`    // when the first measurement began
	Last       time.Time  `json:"last"`     // when the last one began
	Runs       []Named    `json:"runs"`
	Tools      []Named    `json:"tools"`
	Vantages   []Named    `json:"vantages"`
	Families   []Family   `json:"families"`
	Methods    []Method   `json:"methods"`
	Systems    []System   `json:"systems"` // the most frequent ones
	SystemsAll int        `json:"systems_all"`
	Directions []Named    `json:"directions"`
	Verdicts   []Verdict  `json:"verdicts"`
	Grades     []Grade    `json:"grades"`
	Loss       []LossSize `json:"loss"`
	Signals    Signals    `json:"signals"`
	Agreement  *Agreement `json:"agreement,omitempty"` // nil: vantage points were not compared
}

// Named is a number of targets that have something in common.
type Named struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// Family is what was found in one address family.
type Family struct {
	Family  int   `json:"family"` // 4, 6; 0: names that didn't resolve
	Targets int64 `json:"targets"`
	PMTU    Dist  `json:"pmtu"`
	Probes  Cost  `json:"probes"`     // packets for each target
	Bytes   Cost  `json:"bytes"`      // of IP packets for each target
	Elapsed Cost  `json:"elapsed_ms"` // for each target
}

// Method is what one method found, by itself.
type Method struct {
	Method string `json:"method"`
	Tried  int64  `json:"tried"`
	PMTU   Dist   `json:"pmtu"`
}

// System is what was found in one autonomous system.
type System struct {
	AS      uint32 `json:"as"`
	Targets int64  `json:"targets"`
	PMTU    Dist   `json:"pmtu"`
}

// Verdict counts one verdict; the empty one stands for errors.
type Verdict struct {
	Verdict results.Verdict `json:"verdict"`
	V4      int64           `json:"ipv4"`
	V6      int64           `json:"ipv6"`
	None    int64           `json:"unresolved"`
}

// Count is the number of targets of all families.
func (v Verdict) Count() int64 { return v.V4 + v.V6 + v.None }

// Grade counts one grade of Packet Too Big messages.
type Grade struct {
	Grade    results.Grade `json:"grade"`
	Targets  int64         `json:"targets"`  // about whose path one came
	Kinds    int64         `json:"kinds"`    // by router and MTU, for each target
	Messages int64         `json:"messages"` // as many as came
}

// LossSize counts packets of one size.
type LossSize struct {
	Size        int   `json:"size"`
	FitsSent    int64 `json:"fits_sent"` // no larger than the path MTU
	FitsLost    int64 `json:"fits_lost"`
	AboveSent   int64 `json:"above_sent"` // larger than the path MTU
	AboveLost   int64 `json:"above_lost"`
	UnknownSent int64 `json:"unknown_sent"` // there is no path MTU
	UnknownLost int64 `json:"unknown_lost"`
}

// Summary returns what the records so far add up to, with at most so many
// autonomous systems: those with the most targets.
func (c *Collector) Summary(systems int) *Summary {
	s := &Summary{
		Targets: c.records, First: c.first, Last: c.last,
		Runs: c.runs.sorted(), Tools: c.tools.sorted(), Vantages: c.sites.sorted(),
		Families: []Family{}, Methods: []Method{}, Systems: []System{}, Directions: []Named{},
		Verdicts: []Verdict{}, Grades: []Grade{}, Loss: []LossSize{},
		SystemsAll: len(c.systems), Signals: c.signals,
	}
	if c.ByVantage {
		a := c.sights.agreement()
		s.Agreement = &a
	}
	verdicts := map[results.Verdict]*Verdict{}
	for _, k := range slices.Sorted(maps.Keys(c.families)) {
		f := c.families[k]
		d := f.sizes.dist()
		s.Measured += d.N
		s.Families = append(s.Families, Family{k, f.targets, d, f.probes.cost(), f.bytes.cost(), f.elapsed.cost()})
		for v, n := range f.verdicts {
			w := at(&verdicts, v)
			switch k {
			case 4:
				w.V4 += n
			case 6:
				w.V6 += n
			default:
				w.None += n
			}
		}
	}
	for _, v := range append(results.Verdicts(), results.NoVerdict) {
		if w := verdicts[v]; w != nil {
			w.Verdict = v
			s.Verdicts = append(s.Verdicts, *w)
		}
	}
	for _, g := range results.Grades() {
		if k := c.grades[g]; k != nil {
			s.Grades = append(s.Grades, Grade{g, k.targets, k.kinds, k.messages})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(c.methods)) {
		s.Methods = append(s.Methods, Method{k, c.methods[k].tried, c.methods[k].sizes.dist()})
	}
	for _, d := range results.Directions() {
		if n := c.directions[d]; n > 0 {
			s.Directions = append(s.Directions, Named{string(d), n})
		}
	}
	all := slices.SortedFunc(maps.Keys(c.systems), func(a, b uint32) int {
		return cmp.Or(cmp.Compare(c.systems[b].targets, c.systems[a].targets), cmp.Compare(a, b))
	})
	for _, as := range all[:min(systems, len(all))] {
		s.Systems = append(s.Systems, System{as, c.systems[as].targets, c.systems[as].sizes.dist()})
	}
	for _, size := range slices.Sorted(maps.Keys(c.loss)) {
		l := c.loss[size]
		s.Loss = append(s.Loss, LossSize{size, l.fits.sent, l.fits.lost, l.above.sent, l.above.lost, l.unknown.sent, l.unknown.lost})
	}
	return s
}

// PMTU is the distribution over all families.
func (s *Summary) PMTU() Dist {
	all := sizes{}
	for _, f := range s.Families {
		for _, b := range f.PMTU.Bins {
			all[b.Size] += b.Count
		}
	}
	return all.dist()
}

// sorted returns the names, the most frequent first.
func (n names) sorted() []Named {
	out := []Named{}
	for name, count := range n {
		out = append(out, Named{name, count})
	}
	slices.SortFunc(out, func(a, b Named) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// LossBins returns the losses in at most so many bins of neighbouring sizes, at
// least one, each with enough packets to say something; a size is never split.
// Sizes of which no packet was sent are left out.
func (s *Summary) LossBins(most int, of func(LossSize) (sent, lost int64)) []LossBin {
	var total int64
	for _, l := range s.Loss {
		sent, _ := of(l)
		total += sent
	}
	for least := max(1, total/int64(4*most)); ; least *= 2 {
		if bins := s.lossBins(least, of); len(bins) <= max(most, 1) {
			return bins
		}
	}
}

// lossBins closes a bin as soon as it has so many packets. The last one may have
// fewer.
func (s *Summary) lossBins(least int64, of func(LossSize) (sent, lost int64)) []LossBin {
	var bins []LossBin
	open := false
	for _, l := range s.Loss {
		sent, lost := of(l)
		if sent == 0 {
			continue
		}
		if !open {
			bins = append(bins, LossBin{From: l.Size})
		}
		b := &bins[len(bins)-1]
		b.To = l.Size
		b.Sent += sent
		b.Lost += lost
		open = b.Sent < least
	}
	return bins
}

// LossBin counts packets of neighbouring sizes, both bounds included.
type LossBin struct {
	From, To   int
	Sent, Lost int64
}

// Fits is for LossBins: packets no larger than the path MTU.
func Fits(l LossSize) (sent, lost int64) { return l.FitsSent, l.FitsLost }

// Above is for LossBins: packets larger than the path MTU.
func Above(l LossSize) (sent, lost int64) { return l.AboveSent, l.AboveLost }
