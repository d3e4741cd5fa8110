package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"pathmtu/results"
	"pathmtu/results/analysis"
)

// Figure is one plot of a report.
type Figure struct {
	Name  string // for a file
	Title string
	Alt   string // what it shows, for people who don't see it
	plot  *plot.Plot
	size  vg.Point
}

// SVG writes the figure as SVG.
func (f *Figure) SVG(w io.Writer) error {
	c := vgsvg.New(f.size.X, f.size.Y)
	f.draw(draw.New(c))
	_, err := c.WriteTo(w)
	return err
}

// PNG writes the figure as PNG, at 144 dots per inch.
func (f *Figure) PNG(w io.Writer) error {
	c := vgimg.NewWith(vgimg.UseWH(f.size.X, f.size.Y), vgimg.UseDPI(144))
	f.draw(draw.New(c))
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
	return err
}

// draw leaves a margin around the plot.
func (f *Figure) draw(c draw.Canvas) {
	const margin = 6
	f.plot.Draw(draw.Crop(c, margin, -margin, margin, -margin))
}

func itoa[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

func familyName(f int) string {
	if f == 0 {
		return "unresolved"
	}
	return "IPv" + itoa(f)
}

// Figures makes the plots that the summary has data for, with at most so many
// rows where rows are chosen.
func Figures(s *analysis.Summary, most int) ([]*Figure, error) {
	var all []*Figure
	var failed error
	add := func(name, alt string, height vg.Length, p *plot.Plot, err error) {
		if err != nil && failed == nil {
			failed = fmt.Errorf("figure %s: %w", name, err)
		}
		if err != nil || p == nil {
			return
		}
		title := p.Title.Text
		all = append(all, &Figure{name, title, alt, p, vg.Point{X: figureWidth, Y: height}})
	}
	if s.Measured > 0 {
		var families, methods []curve
		for _, f := range s.Families {
			if f.PMTU.N > 0 {
				families = append(families, curve{familyName(f.Family), f.PMTU})
			}
		}
		for _, m := range s.Methods {
			if m.PMTU.N > 0 {
				methods = append(methods, curve{m.Method, m.PMTU})
			}
		}
		p, err := coverage("Paths that carry a packet, by its size", families)
		add("coverage", coverageAlt(families), figureHeight, p, err)
		p, h, err := frequent(s, most)
		add("sizes", sizesAlt(s, most), h, p, err)
		if len(methods) > 1 {
			p, err = coverage("Paths that carry a packet, by method", methods[:min(len(methods), len(looks))])
			add("methods", coverageAlt(methods), figureHeight, p, err)
		}
	}
	if len(s.Systems) > 0 {
		p, h, err := systems(s)
		add("systems", systemsAlt(s), h, p, err)
	}
	if s.Targets > 0 {
		p, h, err := verdicts(s)
		add("verdicts", verdictsAlt(s), h, p, err)
	}
	if len(s.Grades) > 0 {
		p, h, err := grades(s)
		add("ptb", gradesAlt(s), h, p, err)
	}
	for _, l := range []struct {
		name, title string
		of          func(analysis.LossSize) (int64, int64)
	}{
		{"loss-fitting", "Loss of packets that fit the path", analysis.Fits},
		{"loss-larger", "Loss of packets larger than the path MTU", analysis.Above},
	} {
		bins := s.LossBins(lossRows, l.of)
		if len(bins) > 0 {
			p, h, err := loss(l.title, bins)
			add(l.name, lossAlt(bins), h, p, err)
		}
	}
	if hasCost(s) {
		p, err := costCurve("Packets sent for each target", "packets (log scale)", s, func(f analysis.Family) analysis.Cost { return f.Probes }, func(v float64) string { return fmt.Sprintf("%.3g", v) })
		add("packets", costAlt(s, "packets"), figureHeight, p, err)
		p, err = costCurve("Bytes sent for each target", "bytes of IP packets (log scale)", s, func(f analysis.Family) analysis.Cost { return f.Bytes }, bytesText)
		add("bytes", costAlt(s, "bytes"), figureHeight, p, err)
	}
	return all, failed
}

type curve struct {
	name string
	dist analysis.Dist
}

// rare is the share of paths that may be too small to be shown.
const rare = 0.025

// coverage draws which share of paths carries a packet of a size.
func coverage(title string, curves []curve) (*plot.Plot, error) {
	lo, hi := results.MaxSize, 0
	for _, c := range curves { // rare small sizes would squeeze what matters
		lo, hi = min(lo, c.dist.Quantile(rare)), max(hi, c.dist.Quantile(1))
	}
	p := newPlot(title, "packet size, bytes", "share of paths")
	grid(p, true, true)
	from, to := around(float64(lo), float64(hi))
	if float64(hi) > 2.5*float64(lo) {
		p.X.Label.Text += " (log scale)"
		from, to = float64(lo)*0.95, float64(hi)*1.05
		logX(p, from, to, sizeTicks{log: true})
	} else {
		p.X.Min, p.X.Max, p.X.Tick.Marker = from, to, sizeTicks{}
	}
	for i, c := range curves {
		left := c.dist.N
		xys := plotter.XYs{{X: from, Y: share(c.dist.AtLeast(int(from)), left)}}
		for _, b := range c.dist.Bins {
			if float64(b.Size) < from {
				left -= b.Count
				continue
			}
			xys = append(xys, plotter.XY{X: float64(b.Size), Y: share(left, c.dist.N)})
			left -= b.Count
		}
		last := xys[len(xys)-1].X
		xys = append(xys, plotter.XY{X: last + (to-last)*1e-6, Y: 0}, plotter.XY{X: to, Y: 0})
		if err := steps(p, fmt.Sprintf("%s (%s paths)", c.name, count(c.dist.N)), xys, lookOf(i)); err != nil {
			return nil, err
		}
	}
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, 1.02, percentTicks{}
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs, p.Legend.YOffs = false, true, 8, 8
	return p, nil
}

// frequent draws the most frequent sizes with their confidence intervals.
func frequent(s *analysis.Summary, most int) (*plot.Plot, vg.Length, error) {
	p := newPlot("Most frequent path MTUs", "share of paths, with 95 % confidence interval (log scale)", "path MTU, bytes")
	grid(p, true, true)
	top := s.PMTU().Top(most)
	var names []string
	for _, b := range top {
		names = append(names, itoa(b.Size))
	}
	least := 1.0
	n := 0
	for i, f := range s.Families {
		if f.PMTU.N == 0 {
			continue
		}
		var d dots
		shift := 0.12 - 0.24*float64(n)
		n++
		for row, b := range top {
			k := f.PMTU.AtLeast(b.Size) - f.PMTU.AtLeast(b.Size+1)
			if k == 0 {
				continue // a logarithmic axis has no place for it
			}
			lo, hi := analysis.Wilson(k, f.PMTU.N)
			least = min(least, lo)
			d = append(d, dot{float64(len(top)-1-row) + shift, share(k, f.PMTU.N), lo, hi})
		}
		if len(d) == 0 {
			continue
		}
		if err := rows(p, d, lookOf(i)); err != nil {
			return nil, 0, err
		}
		key, err := glyphs(acrossX{d[:1]}, lookOf(i))
		if err != nil {
			return nil, 0, err
		}
		p.Legend.Add(fmt.Sprintf("%s (%s paths)", familyName(f.Family), count(f.PMTU.N)), key)
	}
	nominalY(p, names)
	logX(p, max(least, 1e-9), 1, logPercentTicks{})
	legend(p)
	return p, vg.Points(110 + 20*float64(len(top))), nil
}

// classes of sizes, for comparing systems.
var classes = []struct {
	name   string
	lo, hi int
}{
	{"below 1280", 0, 1279}, {"1280 to 1399", 1280, 1399}, {"1400 to 1479", 1400, 1479},
	{"1480 to 1499", 1480, 1499}, {"1500", 1500, 1500}, {"above 1500", 1501, results.MaxSize},
}

// classColors go from vermilion (small) to blue (large).
var classColors = []int{1, 4, 3, 5, 0, 2}

// systems draws a stacked bar for each autonomous system.
func systems(s *analysis.Summary) (*plot.Plot, vg.Length, error) {
	p := newPlot("Path MTU by autonomous system", "share of measured paths", "")
	grid(p, true, false)
	var names []string
	for _, a := range s.Systems {
		names = append(names, fmt.Sprintf("AS%d (%s)", a.AS, count(a.PMTU.N)))
	}
	var below *plotter.BarChart
	for i, c := range classes {
		values := make(plotter.Values, len(s.Systems))
		any := false
		for row, a := range s.Systems {
			k := a.PMTU.AtLeast(c.lo) - a.PMTU.AtLeast(c.hi+1)
			values[len(values)-1-row] = share(k, a.PMTU.N)
			any = any || k > 0
		}
		if !any {
			continue
		}
		b, err := plotter.NewBarChart(values, 13)
		if err != nil {
			return nil, 0, err
		}
		b.Horizontal, b.Color, b.LineStyle.Width = true, lookOf(classColors[i]).color, 0.5
		b.LineStyle.Color = p.BackgroundColor
		if below != nil {
			b.StackOn(below)
		}
		below = b
		p.Add(b)
		p.Legend.Add(c.name, b)
	}
	nominalY(p, names)
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, 1.35, shareOnly{} // room for the legend
	p.Legend.Top, p.Legend.XOffs = true, -4
	return p, vg.Points(90 + max(110, 20*float64(len(names)))), nil
}

// shareOnly labels no more than 100 %.
type shareOnly struct{}

func (shareOnly) Ticks(_, _ float64) []plot.Tick { return percentTicks{}.Ticks(0, 1) }

// byFamily makes a group for each family that has targets.
func byFamily(s *analysis.Summary, counts func(family int) []int64) []group {
	var groups []group
	for _, f := range s.Families {
		if f.Family != 0 {
			groups = append(groups, group{familyName(f.Family), counts(f.Family), f.Targets})
		}
	}
	return groups
}

func verdictName(v results.Verdict) string {
	if v == results.NoVerdict {
		return "no verdict (error)"
	}
	return string(v)
}

func verdicts(s *analysis.Summary) (*plot.Plot, vg.Length, error) {
	var names []string
	for _, v := range s.Verdicts {
		names = append(names, verdictName(v.Verdict))
	}
	groups := byFamily(s, func(family int) []int64 {
		var counts []int64
		for _, v := range s.Verdicts {
			if family == 4 {
				counts = append(counts, v.V4)
			} else {
				counts = append(counts, v.V6)
			}
		}
		return counts
	})
	if len(groups) == 0 {
		return nil, 0, nil
	}
	return bars("Verdicts", "share of targets (number)", names, groups)
}

func grades(s *analysis.Summary) (*plot.Plot, vg.Length, error) {
	var names []string
	g := group{name: "messages"}
	for _, k := range s.Grades {
		names = append(names, string(k.Grade))
		g.counts = append(g.counts, k.Kinds)
		g.n += k.Kinds
	}
	return bars("Honesty of Packet Too Big messages", "share of messages that differ (number)", names, []group{g})
}

// loss draws the share of packets lost, by size.
func loss(title string, bins []analysis.LossBin) (*plot.Plot, vg.Length, error) {
	p := newPlot(title, "packets lost, with 95 % confidence interval", "packet size, bytes")
	grid(p, true, true)
	var names []string
	var d dots
	top := 0.0
	for i, b := range bins {
		lo, hi := analysis.Wilson(b.Lost, b.Sent)
		d = append(d, dot{float64(len(bins) - 1 - i), share(b.Lost, b.Sent), lo, hi})
		top = max(top, hi)
		names = append(names, span(b)+" ("+count(b.Sent)+" sent)")
	}
	if err := rows(p, d, lookOf(0)); err != nil {
		return nil, 0, err
	}
	nominalY(p, names)
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, min(1.02, top*1.1), percentTicks{}
	return p, vg.Points(110 + 20*float64(len(bins))), nil
}

func span(b analysis.LossBin) string {
	if b.From == b.To {
		return itoa(b.To)
	}
	return itoa(b.From) + " to " + itoa(b.To)
}

func hasCost(s *analysis.Summary) bool {
	for _, f := range s.Families {
		if f.Probes.N > 0 && f.Probes.Max > 0 {
			return true
		}
	}
	return false
}

// costCurve draws which share of targets cost at most so much.
func costCurve(title, x string, s *analysis.Summary, of func(analysis.Family) analysis.Cost, unit func(float64) string) (*plot.Plot, error) {
	p := newPlot(title, x, "share of targets that needed no more")
	grid(p, true, true)
	lo, hi := 0.0, 0.0
	for i, f := range s.Families {
		c := of(f)
		if c.N == 0 || c.Max == 0 {
			continue
		}
		var sum int64
		var xys plotter.XYs
		for _, b := range c.Bins {
			v := max(float64(min(b.UpTo, c.Max)), 1)
			if len(xys) == 0 {
				xys = append(xys, plotter.XY{X: v, Y: 0})
			}
			sum += b.Count
			xys = append(xys, plotter.XY{X: v, Y: share(sum, c.N)})
			if lo == 0 || v < lo {
				lo = v
			}
			hi = max(hi, v)
		}
		line, err := plotter.NewLine(xys)
		if err != nil {
			return nil, err
		}
		l := lookOf(i)
		line.StepStyle = plotter.PostStep
		line.LineStyle = draw.LineStyle{Color: l.color, Width: 2, Dashes: l.dashes}
		p.Add(line)
		p.Legend.Add(fmt.Sprintf("%s: mean %s, median %s", familyName(f.Family), unit(c.Mean), unit(float64(c.P50))), line)
	}
	logX(p, lo*0.9, hi*1.1, amountTicks{unit})
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, 1.02, percentTicks{}
	legend(p)
	return p, nil
}

// sentence joins parts of an alternative text.
func sentence(start string, parts []string) string { return start + strings.Join(parts, "; ") + "." }
