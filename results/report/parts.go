package report

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// group is one series of numbers of targets over the same categories.
type group struct {
	name   string
	counts []int64
	n      int64 // of which the counts are shares
}

// bars draws a horizontal bar for each category and group, with its share and
// count written at its end. The first category is at the top.
func bars(title, x string, categories []string, groups []group) (*plot.Plot, vg.Length, error) {
	p := newPlot(title, x, "")
	grid(p, true, false)
	k := len(groups)
	thick := vg.Points(min(16, 30/float64(k)))
	longest := 0.0
	for g, s := range groups {
		values := make(plotter.Values, len(categories))
		labels := plotter.XYLabels{}
		for i := range categories {
			at := len(categories) - 1 - i
			values[at] = share(s.counts[i], s.n)
			longest = max(longest, values[at])
			labels.XYs = append(labels.XYs, plotter.XY{X: values[at], Y: float64(at)})
			labels.Labels = append(labels.Labels, percent(s.counts[i], s.n)+" ("+count(s.counts[i])+")")
		}
		b, err := plotter.NewBarChart(values, thick)
		if err != nil {
			return nil, 0, err
		}
		b.Horizontal, b.Color, b.LineStyle.Width = true, lookOf(g).color, 0
		b.Offset = thick * vg.Length(float64(k-1)/2-float64(g))
		l, err := plotter.NewLabels(labels)
		if err != nil {
			return nil, 0, err
		}
		l.Offset = vg.Point{X: 4, Y: b.Offset}
		for i := range l.TextStyle {
			l.TextStyle[i].Font, l.TextStyle[i].YAlign = sans(9), draw.YCenter
			l.TextStyle[i].Color = inkColor
		}
		p.Add(b, l)
		if k > 1 {
			p.Legend.Add(s.name, b)
		}
	}
	nominalY(p, categories)
	p.X.Min, p.X.Max = 0, max(longest*1.25, 0.01) // room for the text
	p.X.Tick.Marker = percentTicks{}
	legend(p)
	return p, vg.Points(90 + float64(len(categories)*(10+k*int(thick)))), nil
}

// nominalY names the rows from the top.
func nominalY(p *plot.Plot, categories []string) {
	ticks := make(plot.ConstantTicks, len(categories))
	for i, c := range categories {
		ticks[i] = plot.Tick{Value: float64(len(categories) - 1 - i), Label: c}
	}
	p.Y.Tick.Marker = ticks
	p.Y.Tick.Length, p.Y.Width = 0, 0
	p.Y.Min, p.Y.Max = -0.6, float64(len(categories))-0.4
}

// legend puts the legend where bars are short: below on the right.
func legend(p *plot.Plot) {
	p.Legend.Top, p.Legend.Left = false, false
	p.Legend.XOffs, p.Legend.YOffs = -8, 8
}

func share(k, n int64) float64 {
	if n == 0 {
		return 0
	}
	return float64(k) / float64(n)
}

// dot is a share with its confidence interval.
type dot struct {
	at        float64 // on the other axis
	v, lo, hi float64
}

// dots are points with error bars along x, or along y.
type dots []dot

func (d dots) Len() int { return len(d) }

// acrossX has the share on the x axis.
type acrossX struct{ dots }

func (a acrossX) XY(i int) (float64, float64) { return a.dots[i].v, a.dots[i].at }
func (a acrossX) XError(i int) (float64, float64) {
	d := a.dots[i]
	return d.v - d.lo, d.hi - d.v
}

// rows draws points with error bars along x.
func rows(p *plot.Plot, d dots, l look) error {
	errs, err := plotter.NewXErrorBars(acrossX{d})
	if err != nil {
		return err
	}
	errs.LineStyle = draw.LineStyle{Color: l.color, Width: 1.2}
	errs.CapWidth = 5
	g, err := glyphs(acrossX{d}, l)
	if err != nil {
		return err
	}
	p.Add(errs, g)
	return nil
}

func glyphs(xy plotter.XYer, l look) (*plotter.Scatter, error) {
	s, err := plotter.NewScatter(xy)
	if err != nil {
		return nil, err
	}
	s.GlyphStyle = draw.GlyphStyle{Color: l.color, Radius: 3, Shape: l.glyph}
	return s, nil
}

// steps draws a line that keeps its value up to the next point.
func steps(p *plot.Plot, name string, xys plotter.XYs, l look) error {
	line, err := plotter.NewLine(xys)
	if err != nil {
		return err
	}
	line.StepStyle = plotter.PreStep
	line.LineStyle = draw.LineStyle{Color: l.color, Width: 2, Dashes: l.dashes}
	p.Add(line)
	p.Legend.Add(name, line)
	return nil
}

// logX makes the x axis logarithmic.
func logX(p *plot.Plot, lo, hi float64, ticks plot.Ticker) {
	p.X.Min, p.X.Max = lo, max(hi, lo*1.1)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, ticks
}

// count writes a number with separators.
func count(n int64) string {
	s := ""
	for n >= 1000 {
		s = "\u202f" + pad3(n%1000) + s
		n /= 1000
	}
	return itoa(n) + s
}

func pad3(n int64) string {
	return string([]byte{'0' + byte(n/100), '0' + byte(n/10%10), '0' + byte(n%10)})
}

// around returns bounds of an axis with some room on both sides.
func around(lo, hi float64) (float64, float64) {
	room := max((hi-lo)*0.04, 1)
	return math.Floor(lo - room), math.Ceil(hi + room)
}
