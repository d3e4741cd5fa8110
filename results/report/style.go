package report

import (
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// look is how a series is drawn: colours that people with any colour vision can
// tell apart (Okabe and Ito's), and a dash and glyph for those who see none.
type look struct {
	color  color.Color
	dashes []vg.Length
	glyph  draw.GlyphDrawer
}

var looks = []look{
	{color.RGBA{0x00, 0x72, 0xb2, 0xff}, nil, draw.CircleGlyph{}},
	{color.RGBA{0xd5, 0x5e, 0x00, 0xff}, []vg.Length{6, 3}, draw.BoxGlyph{}},
	{color.RGBA{0x00, 0x9e, 0x73, 0xff}, []vg.Length{2, 2}, draw.PyramidGlyph{}},
	{color.RGBA{0xcc, 0x79, 0xa7, 0xff}, []vg.Length{8, 3, 2, 3}, draw.RingGlyph{}},
	{color.RGBA{0xe6, 0x9f, 0x00, 0xff}, []vg.Length{4, 4}, draw.TriangleGlyph{}},
	{color.RGBA{0x56, 0xb4, 0xe9, 0xff}, []vg.Length{1, 2}, draw.CrossGlyph{}},
}

func lookOf(i int) look { return looks[i%len(looks)] }

var (
	gridColor = color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
	inkColor  = color.RGBA{0x33, 0x33, 0x33, 0xff}
)

const (
	figureWidth  = 20 * vg.Centimeter
	figureHeight = 10 * vg.Centimeter
)

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

// newPlot returns an empty plot in the house's style.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font, p.Title.Padding = sans(13), 8
	p.Legend.TextStyle.Font, p.Legend.ThumbnailWidth = sans(11), 30
	p.Legend.Padding = 4
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font, a.Tick.Label.Font = sans(11), sans(10)
		a.Label.Padding = 4
		a.Color, a.Tick.Color, a.Label.TextStyle.Color, a.Tick.Label.Color = inkColor, inkColor, inkColor, inkColor
	}
	p.BackgroundColor = color.White
	return p
}

// grid adds lines behind the data.
func grid(p *plot.Plot, vertical, horizontal bool) {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = gridColor, gridColor
	if !vertical {
		g.Vertical.Color = nil
	}
	if !horizontal {
		g.Horizontal.Color = nil
	}
	p.Add(g)
}

// percentTicks labels shares from 0 to 1 in percent, at four to ten round ones.
type percentTicks struct{}

func (percentTicks) Ticks(lo, hi float64) []plot.Tick {
	step := 0.25
	for span := hi - lo; step > span/4; {
		for _, f := range []float64{0.4, 0.5, 0.5} { // 0.25, 0.1, 0.05, 0.025 ...
			if step > span/4 {
				step *= f
			}
		}
	}
	var ticks []plot.Tick
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+1e-9; i++ {
		v := i*step + 0 // not -0
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(math.Round(v*1e8)/1e6, 'g', 6, 64) + " %"})
	}
	return ticks
}

// logPercentTicks is the same for a logarithmic axis.
type logPercentTicks struct{}

func (logPercentTicks) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < lo*0.999 || v > hi*1.001 {
				continue
			}
			t := plot.Tick{Value: v}
			if m == 1 {
				t.Label = strconv.FormatFloat(v*100, 'g', 3, 64) + " %"
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// landmarks are sizes that people know, the best known first.
var landmarks = []int{1500, 9000, 1280, 576, 65535, 1400, 4352, 2304, 16384, 68, 32768, 1460, 1340, 1200, 296, 128, 6000, 3000, 1450, 1000, 800}

// sizeTicks labels sizes where there is room.
type sizeTicks struct{ log bool }

func (s sizeTicks) Ticks(lo, hi float64) []plot.Tick {
	place := func(v float64) float64 { return (v - lo) / (hi - lo) }
	if s.log {
		place = func(v float64) float64 { return math.Log(v/lo) / math.Log(hi/lo) }
	}
	var ticks []plot.Tick
	for _, size := range landmarks {
		v := float64(size)
		if v < lo || v > hi {
			continue
		}
		free := true
		for _, t := range ticks {
			free = free && math.Abs(place(t.Value)-place(v)) > 0.055
		}
		if free {
			ticks = append(ticks, plot.Tick{Value: v, Label: strconv.Itoa(size)})
		}
	}
	if len(ticks) < 3 {
		return plot.DefaultTicks{}.Ticks(lo, hi)
	}
	return ticks
}

// amountTicks labels amounts on a logarithmic axis: 1, 2, 5, 10 ...
type amountTicks struct{ unit func(float64) string }

func (a amountTicks) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < lo*0.999 || v > hi*1.001 {
				continue
			}
			t := plot.Tick{Value: v}
			if m == 1 || m == 2 || m == 5 {
				t.Label = a.unit(v)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// bytesText writes an amount of bytes for people, in decimal units.
func bytesText(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if v >= u.size {
			return strconv.FormatFloat(v/u.size, 'g', 3, 64) + " " + u.name
		}
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + " B"
}

// percent writes a share with as many digits as tell something.
func percent(k, n int64) string {
	if n == 0 {
		return "-"
	}
	return percentOf(float64(k) / float64(n))
}

func percentOf(share float64) string {
	switch p := share * 100; {
	case p == 0 || p == 100:
		return fmt.Sprintf("%.0f %%", p)
	case p < 0.1:
		return fmt.Sprintf("%.2g %%", p)
	case p > 99.9 || p < 1:
		return fmt.Sprintf("%.2f %%", p)
	}
	return fmt.Sprintf("%.1f %%", share*100)
}
