package compare

import (
	"fmt"
	"image/color"
	"math"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/chart/raster"
)

// colours are those of the plans, from the palette of Okabe and Ito, which colour-blind readers can
// tell apart.
var colours = []color.NRGBA{
	{R: 0x00, G: 0x72, B: 0xb2, A: 255}, {R: 0xd5, G: 0x5e, B: 0x00, A: 255}, {R: 0x00, G: 0x9e, B: 0x73, A: 255},
	{R: 0xcc, G: 0x79, B: 0xa7, A: 255}, {R: 0xe6, G: 0x9f, B: 0x00, A: 255}, {R: 0x56, G: 0xb4, B: 0xe9, A: 255},
}

var (
	black = color.NRGBA{A: 255}
	grey  = color.NRGBA{R: 0xdd, G: 0xdd, B: 0xdd, A: 255}
)

// Size of the picture and of the margins around its plot, in pixels.
const (
	wide, high                 = 720, 480
	left, right, above, bottom = 70, 20, 36, 52
)

// PNG draws the metric of every plan against the time of a fit. A dot is the mean over seeds, with bars
// of one standard deviation each way. Small dots are single fits.
func (c *Comparison) PNG() ([]byte, error) {
	label, scale := c.Metric, 1.0
	if c.Metric == "accuracy" {
		label, scale = "validation accuracy, %", 100
	}
	var times, values []float64
	for _, r := range c.Plans {
		for _, f := range r.Fits {
			times, values = append(times, math.Max(f.Seconds, 1e-3)), append(values, scale*f.Val)
		}
		times = append(times, r.Seconds+r.SecStd, math.Max(r.Seconds-r.SecStd, 0.1*r.Seconds))
		values = append(values, scale*(r.Mean-r.Std), scale*(r.Mean+r.Std))
	}
	x := chart.Amounts("seconds a fit", chart.Number, times...)
	x.High *= 1.15 // room for the last label
	x = x.Between(left, wide-right)
	y := chart.Linear(label, chart.Number, values...).Between(high-bottom, above)

	p := raster.New(wide, high)
	p.Text(wide/2, 20, raster.Middle, fmt.Sprintf("%d plans over %d seeds", len(c.Plans), c.Seeds), black)
	for _, t := range x.Ticks(8) {
		p.Line(t.At, above, t.At, high-bottom, 1, grey)
		p.Text(t.At, high-bottom+18, raster.Middle, t.Text, black)
	}
	for _, t := range y.Ticks(6) {
		p.Line(left, t.At, wide-right, t.At, 1, grey)
		p.Text(left-8, t.At+4, raster.Left, t.Text, black)
	}
	p.Line(left, high-bottom, wide-right, high-bottom, 1.5, black)
	p.Line(left, above, left, high-bottom, 1.5, black)
	p.Text((left+wide-right)/2, high-12, raster.Middle, x.Label, black)
	p.Upwards(16, (above+high-bottom)/2, y.Label, black)
	for i := range c.Plans {
		c.Plans[i].draw(p, x, y, scale, colours[i%len(colours)])
	}
	return p.PNG()
}

// draw puts a plan into the picture.
func (r *Row) draw(p raster.Canvas, x, y chart.Axis, scale float64, colour color.NRGBA) {
	finite := true
	for _, f := range r.Fits {
		if !chart.Finite(f.Val) {
			finite = false // a mean of what is not finite has no place
			continue
		}
		p.Disc(x.At(math.Max(f.Seconds, 1e-3)), y.At(scale*f.Val), 2, colour)
	}
	if !finite {
		return
	}
	at, over := x.At(r.Seconds), y.At(scale*r.Mean)
	p.Line(x.At(r.Seconds-r.SecStd), over, x.At(r.Seconds+r.SecStd), over, 1.2, colour)
	p.Line(at, y.At(scale*(r.Mean-r.Std)), at, y.At(scale*(r.Mean+r.Std)), 1.2, colour)
	p.Disc(at, over, 5, colour)
	p.Text(at+8, over-7, raster.Right, r.Name, colour)
}
