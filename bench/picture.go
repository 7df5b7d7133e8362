package main

import (
	"image/color"
	"math"
	"os"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

var (
	ice  = color.NRGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 255}
	grey = color.NRGBA{R: 0x88, G: 0x88, B: 0x88, A: 255}
)

// drawRatios draws how many times as fast, or as small, as its peer Permafrost is: a dot a row on a
// logarithmic axis, a stroke at the bar.
func (r *results) drawRatios(path string) error {
	type mark struct {
		name      string
		value, at float64
	}
	var marks []mark
	for _, part := range sections {
		if part.name == "small" { // too many rows for a picture
			continue
		}
		for _, w := range r.Sections[part.name] {
			v := w.score()
			if w.Against == "" || math.IsNaN(v) {
				continue
			}
			m := mark{part.name + ": " + w.Name, v, w.Least}
			if w.Most > 0 {
				m.value, m.at = 1/v, 1/w.Most
			}
			marks = append(marks, m)
		}
	}
	if len(marks) == 0 {
		return nil
	}
	slices.Reverse(marks) // the first row on top
	p := plot.New()
	p.Title.Text = "Times as fast, or as small, as the peer"
	p.X.Scale = plot.LogScale{}
	lo, hi := 0.5, 2.0
	dots, bars := make(plotter.XYs, len(marks)), make(plotter.XYs, 0, len(marks))
	names := make([]string, len(marks))
	for i, m := range marks {
		lo, hi = min(lo, m.value/1.3), max(hi, m.value*1.3, m.at*1.3)
		dots[i] = plotter.XY{X: m.value, Y: float64(i)}
		if m.at > 0 {
			bars = append(bars, plotter.XY{X: m.at, Y: float64(i)})
		}
		names[i] = m.name
	}
	var ticks []plot.Tick
	for _, v := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500} {
		if v >= lo && v <= hi {
			ticks = append(ticks, plot.Tick{Value: v, Label: figures(v)})
		}
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.X.Min, p.X.Max = lo, hi
	p.Y.Min, p.Y.Max = -0.7, float64(len(marks))-0.3
	p.NominalY(names...)
	p.Y.Tick.Label.Font.Size = vg.Points(8)
	p.Y.Tick.Label.XAlign = text.XRight

	one, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.7}, {X: 1, Y: float64(len(marks)) - 0.3}})
	if err != nil {
		return err
	}
	one.Color, one.Dashes = grey, []vg.Length{vg.Points(2), vg.Points(2)}
	ours, err := plotter.NewScatter(dots)
	if err != nil {
		return err
	}
	ours.GlyphStyle = draw.GlyphStyle{Color: ice, Radius: vg.Points(4), Shape: draw.CircleGlyph{}}
	p.Add(one, ours)
	p.Legend.Add("Permafrost", ours)
	if len(bars) > 0 {
		least, err := plotter.NewScatter(bars)
		if err != nil {
			return err
		}
		least.GlyphStyle = draw.GlyphStyle{Color: grey, Radius: vg.Points(5), Shape: draw.PlusGlyph{}}
		p.Add(least)
		p.Legend.Add("bar", least)
	}
	p.Legend.Top = true
	return p.Save(9*vg.Inch, vg.Length(len(marks))*0.24*vg.Inch+vg.Inch, path)
}

// drawCurves draws every curve in a panel of its own, side by side, from zero.
func (r *results) drawCurves(path string) error {
	if len(r.Curves) == 0 {
		return nil
	}
	plots := [][]*plot.Plot{make([]*plot.Plot, len(r.Curves))}
	for i, c := range r.Curves {
		p := plot.New()
		p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Name, c.X, c.Y
		p.X.Label.TextStyle.Font.Size = vg.Points(8)
		xys := make(plotter.XYs, len(c.Points))
		for j, v := range c.Points {
			xys[j] = plotter.XY{X: v[0], Y: v[1]}
		}
		line, points, err := plotter.NewLinePoints(xys)
		if err != nil {
			return err
		}
		line.Color, points.Color = ice, ice
		p.Add(line, points)
		p.Y.Min = 0
		plots[0][i] = p
	}
	img := vgimg.New(vg.Length(len(r.Curves))*3*vg.Inch, 3*vg.Inch)
	tiles := draw.Tiles{Rows: 1, Cols: len(r.Curves), PadX: vg.Points(10), PadTop: vg.Points(4), PadBottom: vg.Points(4), PadLeft: vg.Points(4), PadRight: vg.Points(8)}
	for i, canvas := range plot.Align(plots, tiles, draw.New(img))[0] {
		plots[0][i].Draw(canvas)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
