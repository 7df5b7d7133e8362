package compare

import (
	"bytes"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// colours are those of the plans, from the palette of Okabe and Ito, which colour-blind readers can
// tell apart.
var colours = []color.NRGBA{
	{R: 0x00, G: 0x72, B: 0xb2, A: 255}, {R: 0xd5, G: 0x5e, B: 0x00, A: 255}, {R: 0x00, G: 0x9e, B: 0x73, A: 255},
	{R: 0xcc, G: 0x79, B: 0xa7, A: 255}, {R: 0xe6, G: 0x9f, B: 0x00, A: 255}, {R: 0x56, G: 0xb4, B: 0xe9, A: 255},
}

// errorBars is a point with its spread on both axes.
type errorBars struct {
	plotter.XYs
	plotter.XErrors
	plotter.YErrors
}

// PNG draws the metric of every plan against the time of a fit, on a logarithmic axis. A dot is the
// mean over seeds, with bars of one standard deviation each way. Small dots are single fits.
func (c *Comparison) PNG() ([]byte, error) {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%d plans over %d seeds", len(c.Plans), c.Seeds)
	p.X.Label.Text, p.Y.Label.Text = "seconds a fit", c.Metric
	scale := 1.0
	if c.Metric == "accuracy" {
		scale, p.Y.Label.Text = 100, "validation accuracy, %"
	}
	p.Add(plotter.NewGrid())
	lo, hi := math.Inf(1), 0.0
	low, high := math.Inf(1), math.Inf(-1)
	for i, r := range c.Plans {
		colour := colours[i%len(colours)]
		var single plotter.XYs
		for _, f := range r.Fits {
			if math.IsInf(f.Val, 0) {
				continue
			}
			at := plotter.XY{X: math.Max(f.Seconds, 1e-3), Y: scale * f.Val}
			single = append(single, at)
			lo, hi = math.Min(lo, at.X), math.Max(hi, at.X)
			low, high = math.Min(low, at.Y), math.Max(high, at.Y)
		}
		if len(single) < len(r.Fits) {
			continue // a mean of what is not finite has no place
		}
		fits, err := plotter.NewScatter(single)
		if err != nil {
			return nil, err
		}
		fits.GlyphStyle = draw.GlyphStyle{Color: colour, Radius: vg.Points(1.5), Shape: draw.CircleGlyph{}}
		x, y := math.Max(r.Seconds, 1e-3), scale*r.Mean
		left := math.Min(r.SecStd, 0.9*x) // a logarithmic axis has no place for 0
		bars := errorBars{plotter.XYs{{X: x, Y: y}}, plotter.XErrors{{Low: left, High: r.SecStd}}, plotter.YErrors{{Low: scale * r.Std, High: scale * r.Std}}}
		lo, hi = math.Min(lo, x-left), math.Max(hi, x+r.SecStd)
		low, high = math.Min(low, y-scale*r.Std), math.Max(high, y+scale*r.Std)
		mean, err := plotter.NewScatter(bars.XYs)
		if err != nil {
			return nil, err
		}
		mean.GlyphStyle = draw.GlyphStyle{Color: colour, Radius: vg.Points(4), Shape: draw.CircleGlyph{}}
		ys, err := plotter.NewYErrorBars(bars)
		if err != nil {
			return nil, err
		}
		xs, err := plotter.NewXErrorBars(bars)
		if err != nil {
			return nil, err
		}
		ys.Color, xs.Color = colour, colour
		label, err := plotter.NewLabels(plotter.XYLabels{XYs: bars.XYs, Labels: []string{r.Name}})
		if err != nil {
			return nil, err
		}
		label.TextStyle[0].Color = colour
		label.Offset = vg.Point{X: vg.Points(6), Y: vg.Points(4)}
		p.Add(fits, ys, xs, mean, label)
	}
	if hi > 0 {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, seconds{}
		p.X.Min, p.X.Max = lo/1.3, hi*math.Pow(hi/lo, 0.12)*1.3 // room for the last label
		room := math.Max(0.06*(high-low), 0.25*scale/100)
		p.Y.Min, p.Y.Max = low-room, high+room
	}
	w, err := p.WriterTo(6*vg.Inch, 4*vg.Inch, "png")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = w.WriteTo(&b)
	return b.Bytes(), err
}

// seconds puts ticks on a logarithmic axis at 1, 2 and 5 times every power of ten.
type seconds struct{}

func (seconds) Ticks(lo, hi float64) []plot.Tick {
	var out []plot.Tick
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for _, m := range []float64{1, 2, 5} {
			if v := m * math.Pow(10, e); v >= lo && v <= hi {
				out = append(out, plot.Tick{Value: v, Label: fmt.Sprintf("%.4g", v)})
			}
		}
	}
	return out
}
