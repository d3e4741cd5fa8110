package compare

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// fromLeast draws the bars of a chart from least instead of 0, which a
// logarithmic scale doesn't have.
type fromLeast struct{ *plotter.BarChart }

// Plot implements plot.Plotter.
func (b *fromLeast) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, v := range b.Values {
		if v <= least {
			continue
		}
		at := x(float64(i)) + b.Offset
		left, right, bottom, top := at-b.Width/2, at+b.Width/2, y(least), y(v)
		poly := []vg.Point{{X: left, Y: bottom}, {X: left, Y: top}, {X: right, Y: top}, {X: right, Y: bottom}}
		c.FillPolygon(b.Color, c.ClipPolygonXY(poly))
	}
}

// DataRange implements plot.DataRanger.
func (b *fromLeast) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax, _, ymax = b.BarChart.DataRange()
	return xmin, xmax, least, ymax
}
