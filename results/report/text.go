package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"pathmtu/results"
	"pathmtu/results/analysis"
)

// Table is a table of a report. The first column holds names, the others
// numbers.
type Table struct {
	Name   string // for links
	Title  string
	Note   string
	Header []string
	Rows   [][]string
}

// Tables makes the tables that the summary has data for, with at most so many
// rows where rows are chosen.
func Tables(s *analysis.Summary, rows int) []Table {
	all := []Table{distribution(s, rows), quantiles(s)}
	if len(s.Methods) > 0 {
		all = append(all, methodTable(s))
	}
	if len(s.Systems) > 0 {
		all = append(all, systemTable(s))
	}
	all = append(all, verdictTable(s))
	if a := s.Agreement; a != nil && a.Targets > 0 {
		all = append(all, agreementTable(a), differenceTable(a, rows))
	}
	if len(s.Grades) > 0 {
		all = append(all, gradeTable(s))
	}
	if len(s.Loss) > 0 {
		all = append(all, lossTable(s))
	}
	if hasCost(s) {
		all = append(all, costTable(s))
	}
	if t := signalTable(s); len(t.Rows) > 0 {
		all = append(all, t)
	}
	return all
}

func distribution(s *analysis.Summary, rows int) Table {
	d := s.PMTU()
	t := Table{
		Name: "sizes", Title: "Distribution of path MTU", Header: []string{"path MTU, bytes", "paths", "share", "95 % interval"},
		Note: "Shares are of paths with a confirmed path MTU.",
	}
	var families []analysis.Family
	for _, f := range s.Families {
		if f.PMTU.N > 0 {
			families = append(families, f)
			t.Header = append(t.Header, familyName(f.Family))
		}
	}
	row := func(name string, k int64, of func(analysis.Dist) int64) {
		lo, hi := analysis.Wilson(k, d.N)
		cells := []string{name, count(k), percent(k, d.N), percentOf(lo) + " to " + percentOf(hi)}
		for _, f := range families {
			cells = append(cells, percent(of(f.PMTU), f.PMTU.N))
		}
		t.Rows = append(t.Rows, cells)
	}
	top := d.Top(rows)
	shown := map[int]bool{}
	for _, b := range top {
		shown[b.Size] = true
		row(itoa(b.Size), b.Count, func(f analysis.Dist) int64 { return f.AtLeast(b.Size) - f.AtLeast(b.Size+1) })
	}
	others := func(f analysis.Dist) (sum int64) {
		for _, b := range f.Bins {
			if !shown[b.Size] {
				sum += b.Count
			}
		}
		return sum
	}
	if k := others(d); k > 0 {
		row(fmt.Sprintf("%d other sizes", len(d.Bins)-len(top)), k, others)
	}
	return t
}

func quantiles(s *analysis.Summary) Table {
	t := Table{
		Name: "quantiles", Title: "Path MTU by family", Header: []string{"family", "targets", "measured", "least", "1 %", "10 %", "median", "largest", "carry 1280", "carry 1500"},
		Note: "A column of q % is the size that q % of paths don't exceed, in bytes.",
	}
	for _, f := range s.Families {
		d := f.PMTU
		t.Rows = append(t.Rows, []string{
			familyName(f.Family), count(f.Targets), percent(d.N, f.Targets), size(d.Quantile(0)), size(d.Quantile(0.01)), size(d.Quantile(0.1)),
			size(d.Quantile(0.5)), size(d.Quantile(1)), percent(d.AtLeast(1280), d.N), percent(d.AtLeast(1500), d.N),
		})
	}
	return t
}

func size(n int) string {
	if n == 0 {
		return "-"
	}
	return itoa(n)
}

func methodTable(s *analysis.Summary) Table {
	t := Table{
		Name: "methods", Title: "Path MTU by method", Header: []string{"method", "tried", "measured", "10 %", "median", "carry 1280", "carry 1500"},
		Note: "What each method found by itself, whatever the verdict.",
	}
	for _, m := range s.Methods {
		d := m.PMTU
		t.Rows = append(t.Rows, []string{m.Method, count(m.Tried), percent(d.N, m.Tried), size(d.Quantile(0.1)), size(d.Quantile(0.5)), percent(d.AtLeast(1280), d.N), percent(d.AtLeast(1500), d.N)})
	}
	return t
}

func systemTable(s *analysis.Summary) Table {
	t := Table{
		Name: "systems", Title: "Path MTU by autonomous system", Header: []string{"system", "targets", "measured", "10 %", "median", "most frequent", "carry 1500"},
		Note: fmt.Sprintf("%d of %d systems: those with the most targets.", len(s.Systems), s.SystemsAll),
	}
	for _, a := range s.Systems {
		d := a.PMTU
		mode := "-"
		if top := d.Top(1); len(top) > 0 {
			mode = itoa(top[0].Size)
		}
		t.Rows = append(t.Rows, []string{"AS" + itoa(int64(a.AS)), count(a.Targets), percent(d.N, a.Targets), size(d.Quantile(0.1)), size(d.Quantile(0.5)), mode, percent(d.AtLeast(1500), d.N)})
	}
	return t
}

// meanings of verdicts, in a few words.
var meanings = map[results.Verdict]string{
	results.OK:             "confirmed, and told by routers where less than the first hop",
	results.OKSilent:       "confirmed; larger packets vanish, no router says so",
	results.LossyAbove:     "larger packets pass, but are lost more often",
	results.ResponderLimit: "the host answers no larger packet",
	results.ReverseLimit:   "the way back carries less",
	results.Inconsistent:   "sizes pass and fail in turn, or methods differ",
	results.Unresponsive:   "no answer to small packets either",
	results.Refused:        "the probes are prohibited",
	results.LocalLimit:     "nothing larger was sent",
	results.NoVerdict:      "ended before a verdict",
}

func verdictTable(s *analysis.Summary) Table {
	t := Table{Name: "verdicts", Title: "Verdicts", Header: []string{"verdict", "targets", "share", "IPv4", "IPv6", "meaning"}}
	for _, v := range s.Verdicts {
		t.Rows = append(t.Rows, []string{verdictName(v.Verdict), count(v.Count()), percent(v.Count(), s.Targets), count(v.V4), count(v.V6), meanings[v.Verdict]})
	}
	return t
}

func gradeTable(s *analysis.Summary) Table {
	t := Table{
		Name: "ptb", Title: "Honesty of Packet Too Big messages", Header: []string{"grade", "messages that differ", "share", "all messages", "targets"},
		Note: "Messages differ by target, router or MTU. How an MTU m is graded: exact if m bytes pass and m+1 don't; understated if m+1 pass too; overstated if m don't pass.",
	}
	var n int64
	for _, g := range s.Grades {
		n += g.Kinds
	}
	for _, g := range s.Grades {
		t.Rows = append(t.Rows, []string{string(g.Grade), count(g.Kinds), percent(g.Kinds, n), count(g.Messages), count(g.Targets)})
	}
	return t
}

const lossRows = 12

func lossTable(s *analysis.Summary) Table {
	t := Table{
		Name: "loss", Title: "Loss against size", Header: []string{"packets", "size, bytes", "sent", "lost", "share", "95 % interval"},
		Note: "Neighbouring sizes are taken together. Packets larger than the path MTU are lost by nature, unless they are lost by chance only.",
	}
	for _, k := range []struct {
		name string
		of   func(analysis.LossSize) (int64, int64)
	}{
		{"fit the path", analysis.Fits}, {"larger", analysis.Above},
		{"unmeasured path", func(l analysis.LossSize) (int64, int64) { return l.UnknownSent, l.UnknownLost }},
	} {
		for _, b := range s.LossBins(lossRows, k.of) {
			lo, hi := analysis.Wilson(b.Lost, b.Sent)
			t.Rows = append(t.Rows, []string{k.name, span(b), count(b.Sent), count(b.Lost), percent(b.Lost, b.Sent), percentOf(lo) + " to " + percentOf(hi)})
		}
	}
	return t
}

func costTable(s *analysis.Summary) Table {
	t := Table{Name: "cost", Title: "Cost of a target", Header: []string{"what", "mean", "median", "90 %", "99 %", "largest"}}
	for _, f := range s.Families {
		if f.Probes.N == 0 {
			continue
		}
		for _, k := range []struct {
			what string
			c    analysis.Cost
			unit func(float64) string
		}{
			{"packets", f.Probes, func(v float64) string { return fmt.Sprintf("%.4g", v) }},
			{"bytes", f.Bytes, bytesText},
			{"time", f.Elapsed, func(v float64) string {
				return time.Duration(v * float64(time.Millisecond)).Round(time.Millisecond).String()
			}},
		} {
			t.Rows = append(t.Rows, []string{familyName(f.Family) + " " + k.what, k.unit(k.c.Mean), k.unit(float64(k.c.P50)), k.unit(float64(k.c.P90)), k.unit(float64(k.c.P99)), k.unit(float64(k.c.Max))})
		}
	}
	return t
}

func signalTable(s *analysis.Summary) Table {
	t := Table{Name: "signals", Title: "Other signals", Header: []string{"signal", "targets", "of", "share"}}
	g := s.Signals
	compared := g.HBHEqual + g.HBHLess + g.HBHMore
	for _, r := range []struct {
		name string
		k, n int64
	}{
		{"Minimum Path MTU option survived", g.HBHSurvived, g.HBHSent},
		{"- rewritten", g.HBHRewritten, g.HBHSent},
		{"- equals the path MTU", g.HBHEqual, compared},
		{"- is less", g.HBHLess, compared},
		{"- is more", g.HBHMore, compared},
		{"truncatable packet survived", g.TruncCame, g.TruncSent},
		{"TCP maximum segment size clamped", g.MSSClamped, g.MSSKnown},
	} {
		if r.n > 0 {
			t.Rows = append(t.Rows, []string{r.name, count(r.k), count(r.n), percent(r.k, r.n)})
		}
	}
	return t
}

// Facts says in a few lines what the records are.
func Facts(s *analysis.Summary) []string {
	facts := []string{fmt.Sprintf("%s targets, of which %s (%s) have a path MTU", count(s.Targets), count(s.Measured), percent(s.Measured, s.Targets))}
	if s.Targets == 0 {
		return facts
	}
	const stamp = "2006-01-02 15:04:05"
	facts = append(facts, "measured from "+s.First.UTC().Format(stamp)+" to "+s.Last.UTC().Format(stamp)+" UTC")
	for _, n := range []struct {
		what  string
		names []analysis.Named
	}{{"vantage point", s.Vantages}, {"tool", s.Tools}, {"run", s.Runs}} {
		facts = append(facts, some(n.what, n.names))
	}
	return facts
}

const notNamed = "(not named)"

func some(what string, names []analysis.Named) string {
	const most = 3
	var list []string
	for _, n := range names[:min(most, len(names))] {
		name := n.Name
		if name == "" {
			name = notNamed
		}
		list = append(list, name)
	}
	if len(names) != 1 {
		what = fmt.Sprintf("%d %ss", len(names), what)
	}
	text := what + ": " + strings.Join(list, ", ")
	if len(names) > most {
		text += ", ..."
	}
	return text
}

// Text writes the report as text, in columns.
func Text(w io.Writer, s *analysis.Summary, rows int) error {
	var b strings.Builder
	for _, f := range Facts(s) {
		b.WriteString(f + "\n")
	}
	for _, t := range Tables(s, rows) {
		if len(t.Rows) == 0 {
			continue
		}
		b.WriteString("\n" + t.Title + "\n")
		writeTable(&b, t)
	}
	_, err := io.WriteString(w, strings.ReplaceAll(b.String(), "\u202f", " "))
	return err
}

func writeTable(b *strings.Builder, t Table) {
	widths := make([]int, len(t.Header))
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		var line strings.Builder
		for i, cell := range row {
			room := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case Leftward(t, i):
				line.WriteString("  " + cell + room)
			default:
				line.WriteString("  " + room + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// Leftward says whether a column holds text rather than numbers.
func Leftward(t Table, column int) bool {
	h := t.Header[column]
	return column == 0 && h != "path MTU, bytes" || h == "meaning" || t.Name == differences
}
