package compare

import (
	"image/color"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Colours that stay apart for people who don't see all of them, one for each
// mechanism.
var colours = map[string]color.Color{
	"PMTUD": color.RGBA{0x55, 0x55, 0x55, 0xff}, "DPLPMTUD": color.RGBA{0x00, 0x72, 0xb2, 0xff},
	"HBH": color.RGBA{0x00, 0x9e, 0x73, 0xff}, "Truncate": color.RGBA{0xd5, 0x5e, 0x00, 0xff},
	"DPLPMTUD+Truncate": color.RGBA{0xcc, 0x79, 0xa7, 0xff}, "HBH+Truncate": color.RGBA{0xe6, 0x9f, 0x00, 0xff},
}

// shares are the steps of the deployment scenarios.
var shares = []float64{0, 0.25, 0.5, 0.75, 1}

// WritePlots writes the plots, as PNG and SVG, and returns their names.
func WritePlots(dir string, rows []Row) (names []string, err error) {
	for _, f := range []struct {
		name string
		make func([]Row) (*plot.Plot, error)
	}{
		{"deployment-converged", func(rows []Row) (*plot.Plot, error) {
			return deployment(rows, "Paths whose MTU was found: 1500", "%", "", func(r Row) float64 { return r.Converged * 100 })
		}},
		{"deployment-exact", func(rows []Row) (*plot.Plot, error) {
			return deployment(rows, "Paths whose MTU was found exactly: 4000", "%", ", 4000", func(r Row) float64 { return r.Exact * 100 })
		}},
		{"deployment-probes", func(rows []Row) (*plot.Plot, error) {
			return deployment(rows, "Probes until the search was over: 4000", "probes", ", 4000", func(r Row) float64 { return r.Probes })
		}},
		{"lost-bytes", func(rows []Row) (*plot.Plot, error) {
			return bars(rows, "Data lost in a minute (log scale)", "kB + 1", func(r Row) float64 { return 1 + r.LostBytes/1000 })
		}},
		{"messages", func(rows []Row) (*plot.Plot, error) {
			return bars(rows, "Messages for discovery in a minute (log scale)", "packets + 1", func(r Row) float64 { return 1 + r.Messages })
		}},
		{"time", func(rows []Row) (*plot.Plot, error) {
			return bars(rows, "Time until the size was found (log scale; no bar: never)", "s", func(r Row) float64 { return max(r.Seconds, 0.01) })
		}},
	} {
		p, err := f.make(rows)
		if err != nil {
			return names, err
		}
		for _, ext := range []string{".png", ".svg"} {
			if err := p.Save(22*vg.Centimeter, 12*vg.Centimeter, filepath.Join(dir, f.name+ext)); err != nil {
				return names, err
			}
			names = append(names, f.name+ext)
		}
	}
	return names, nil
}

// deployment is a line for each mechanism over the share of routers.
func deployment(rows []Row, title, unit, suffix string, value func(Row) float64) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = title + ", routers' PTB filtered"
	p.X.Label.Text, p.Y.Label.Text = "% of routers that take part", unit
	for k, m := range Mechanisms() {
		var xy plotter.XYs
		for _, r := range rows {
			for _, s := range shares {
				if r.Mechanism == m.Name && r.Scenario == percent(s)+" of routers"+suffix {
					xy = append(xy, plotter.XY{X: 100 * s, Y: value(r)})
				}
			}
		}
		line, points, err := plotter.NewLinePoints(xy)
		if err != nil {
			return nil, err
		}
		line.Color, points.Color, points.Shape = colours[m.Name], colours[m.Name], plotShape(k)
		// Lines on top of each other are all to be seen: the later, the thinner.
		line.Width = vg.Points(8 - 1.3*float64(k))
		points.Radius = vg.Points(4 - 0.5*float64(k))
		p.Add(line, points)
		p.Legend.Add(m.Name, line, points)
	}
	p.Legend.Top = true
	p.Y.Min = 0
	p.X.Max = 145 // room for the legend
	var ticks plot.ConstantTicks
	for _, s := range shares {
		ticks = append(ticks, plot.Tick{Value: 100 * s, Label: strconv.Itoa(int(100 * s))})
	}
	p.X.Tick.Marker = ticks
	p.Add(plotter.NewGrid())
	return p, nil
}

func plotShape(k int) draw.GlyphDrawer {
	return []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{}, draw.RingGlyph{}}[k%6]
}

// barScenarios are the ones that bars are drawn for.
var barScenarios = []struct{ scenario, label string }{
	{"4000", "4000"},
	{"4000, routers' PTB filtered", "4000,\nrouters' PTB filtered"},
	{"4000, all PTB filtered", "4000,\nall PTB filtered"},
	{"DO header dropped, routers' PTB filtered", "1500, DO header dropped,\nrouters' PTB filtered"},
	{"9000 to 1500, routers' PTB filtered", "9000 to 1500,\nrouters' PTB filtered"},
}

func bars(rows []Row, title, unit string, value func(Row) float64) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = title, unit
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	all := Mechanisms()
	const width = 9
	for k, m := range all {
		values := make(plotter.Values, len(barScenarios))
		for i, b := range barScenarios {
			values[i] = least
			for _, r := range rows {
				if r.Mechanism == m.Name && r.Scenario == b.scenario && (r.Seconds >= 0 || unit != "s") {
					values[i] = value(r)
				}
			}
		}
		chart, err := plotter.NewBarChart(values, vg.Points(width))
		if err != nil {
			return nil, err
		}
		chart.Color, chart.LineStyle.Width = colours[m.Name], 0
		chart.Offset = vg.Points(width * (float64(k) - float64(len(all)-1)/2))
		logBars := &fromLeast{chart}
		p.Add(logBars)
		p.Legend.Add(m.Name, chart)
	}
	var labels []string
	for _, b := range barScenarios {
		labels = append(labels, b.label)
	}
	p.NominalX(labels...)
	p.X.Min, p.X.Max = -0.5, float64(len(labels))-0.5
	p.Legend.Top, p.Legend.Left = true, true
	p.Y.Min = least
	p.Y.Max *= 200 // room for the legend
	return p, nil
}

// least is where bars on a logarithmic scale begin.
const least = 0.005
