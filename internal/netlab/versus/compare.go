package versus

import "slices"

// Summary is what a tool did on a group of paths.
type Summary struct {
	Group, Tool                          string
	Runs, Exact, Range, Wrong, None      int
	Named, Misnamed, Unnamed             int // places
	MedianPackets, MedianBytes, MedianMS float64
	// Of all runs together, whatever came of them.
	Packets, Seconds float64
}

// Summarise makes a Summary of each tool on each group, in the order of the
// tables; group "" is all of them.
func Summarise(rows []Row) []Summary {
	var out []Summary
	for _, group := range append(slices.Clone(groups), "") {
		for _, tool := range toolsOf(rows) {
			some := selectRows(rows, func(r Row) bool { return r.Tool == tool && (group == "" || r.Group == group) })
			if len(some) == 0 {
				continue
			}
			s := Summary{Group: group, Tool: tool, Runs: len(some)}
			for _, r := range some {
				s.count(r)
				s.Packets += float64(r.Packets)
				s.Seconds += r.Seconds
			}
			s.MedianPackets = median(some, func(r Row) float64 { return float64(r.Packets) })
			s.MedianBytes = median(some, func(r Row) float64 { return float64(r.Bytes) })
			s.MedianMS = 1000 * median(some, func(r Row) float64 { return r.Seconds })
			out = append(out, s)
		}
	}
	return out
}

func (s *Summary) count(r Row) {
	for outcome, n := range map[Outcome]*int{Exact: &s.Exact, Range: &s.Range, Wrong: &s.Wrong, None: &s.None} {
		if r.Said == outcome {
			*n++
		}
	}
	for outcome, n := range map[Outcome]*int{Exact: &s.Named, Wrong: &s.Misnamed, None: &s.Unnamed} {
		if r.Place == outcome {
			*n++
		}
	}
}

// Duel compares two tools where both may be compared: on each path, in each
// family, on which both are exact in most runs, by the medians of these.
type Duel struct {
	Ours, Theirs string
	Paths        int // that both ran on, each family counted
	OursRight    int // on so many of them exact in most runs
	TheirsRight  int
	Both         int
	// Of those both are right on: how often ours sent fewer, as many, and more
	// packets, and took less time.
	Fewer, Same, More, Quicker int
	// Sums of the medians.
	OurPackets, TheirPackets float64
	OurSeconds, TheirSeconds float64
	// Medians of the medians.
	OurMS, TheirMS float64
}

// unit is what tools are compared on.
type unit struct {
	path   string
	family int
}

// figures are medians of the exact runs of a tool on a unit.
type figures struct {
	right            bool
	packets, seconds float64
}

func figuresOf(rows []Row, tool string) map[unit]figures {
	runs := map[unit][]Row{}
	for _, r := range rows {
		if r.Tool == tool {
			u := unit{r.Path, r.Family}
			runs[u] = append(runs[u], r)
		}
	}
	out := map[unit]figures{}
	for u, all := range runs {
		exact := selectRows(all, func(r Row) bool { return r.Said == Exact })
		f := figures{right: 2*len(exact) > len(all)}
		if f.right {
			f.packets = median(exact, func(r Row) float64 { return float64(r.Packets) })
			f.seconds = median(exact, func(r Row) float64 { return r.Seconds })
		}
		out[u] = f
	}
	return out
}

// Compare makes the Duel of two tools.
func Compare(rows []Row, ours, theirs string) Duel {
	d := Duel{Ours: ours, Theirs: theirs}
	a, b := figuresOf(rows, ours), figuresOf(rows, theirs)
	var us, them []float64
	for u, f := range a {
		g, ok := b[u]
		if !ok {
			continue
		}
		d.Paths++
		if f.right {
			d.OursRight++
		}
		if g.right {
			d.TheirsRight++
		}
		if !f.right || !g.right {
			continue
		}
		d.Both++
		switch {
		case f.packets < g.packets:
			d.Fewer++
		case f.packets == g.packets:
			d.Same++
		default:
			d.More++
		}
		if f.seconds < g.seconds {
			d.Quicker++
		}
		d.OurPackets += f.packets
		d.TheirPackets += g.packets
		d.OurSeconds += f.seconds
		d.TheirSeconds += g.seconds
		us, them = append(us, f.seconds), append(them, g.seconds)
	}
	d.OurMS, d.TheirMS = 1000*middle(us), 1000*middle(them)
	return d
}

// toolsOf returns the names in the order of their first rows.
func toolsOf(rows []Row) (names []string) {
	for _, r := range rows {
		if !slices.Contains(names, r.Tool) {
			names = append(names, r.Tool)
		}
	}
	return names
}

func selectRows(rows []Row, want func(Row) bool) (out []Row) {
	for _, r := range rows {
		if want(r) {
			out = append(out, r)
		}
	}
	return out
}

func median(rows []Row, get func(Row) float64) float64 {
	v := make([]float64, len(rows))
	for i, r := range rows {
		v[i] = get(r)
	}
	return middle(v)
}

// middle is the median; 0 of nothing.
func middle(v []float64) float64 {
	slices.Sort(v)
	switch n := len(v); {
	case n == 0:
		return 0
	case n%2 == 0:
		return (v[n/2-1] + v[n/2]) / 2
	default:
		return v[n/2]
	}
}
