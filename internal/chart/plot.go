package chart

import (
	"fmt"
	"strings"
)

// Plot is a picture as SVG.
type Plot struct {
	Title  string // above it; may be empty
	About  string // for those who cannot see it
	Width  float64
	Height float64
	Items  []Item
	Legend []Legend
}

// Item is a shape or a text of a plot.
type Item struct {
	Class string
	Key   string // of what it stands for, as a row of the table has it; may be empty

	Path string // of a shape
	Tip  string // that it shows under a pointer; may be empty

	Text   string // of a text
	Full   string // of a text that is cut off
	X, Y   string
	Anchor string // start, middle or end
}

// Path adds a shape.
func (p *Plot) Path(class, key, path string) {
	p.Items = append(p.Items, Item{Class: class, Key: key, Path: path})
}

// Line adds a line between two points.
func (p *Plot) Line(class string, x1, y1, x2, y2 float64) {
	p.Path(class, "", fmt.Sprintf("M%.1f %.1fL%.1f %.1f", x1, y1, x2, y2))
}

// Write adds a text of at most so many characters.
func (p *Plot) Write(class, anchor string, x, y float64, text string, most int) {
	i := Item{Class: class, Anchor: anchor, Text: text, X: fmt.Sprintf("%.1f", x), Y: fmt.Sprintf("%.1f", y)}
	if r := []rune(text); len(r) > most {
		i.Text, i.Full = string(r[:most-1])+"…", text
		if r[0] == '/' { // a path: its end says more
			i.Text = "…" + string(r[len(r)-most+1:])
		}
	}
	p.Items = append(p.Items, i)
}

// Disc is the path of a disc.
func Disc(x, y, r float64) string {
	return fmt.Sprintf("M%.1f %.1fa%[3]g %[3]g 0 1 0 %[4]g 0a%[3]g %[3]g 0 1 0 -%[4]g 0", x-r, y, r, 2*r)
}

// Rectangle is the path of a rectangle.
func Rectangle(x, y, w, h float64) string {
	return fmt.Sprintf("M%.1f %.1fh%.1fv%.1fh-%.1fz", x, y, w, h, w)
}

// Polyline connects points.
func Polyline(points [][2]float64) string {
	var b strings.Builder
	for i, at := range points {
		b.WriteByte("ML"[min(i, 1)])
		fmt.Fprintf(&b, "%.1f %.1f", at[0], at[1])
	}
	return b.String()
}

// Frame is the place of a plot between two axes.
type Frame struct {
	*Plot
	X, Y Axis
}

// Framed begins a plot with two axes, ticks and a grid.
func Framed(title, about string, width, height float64, x, y Axis) *Frame {
	const top, right = 14, 14
	bottom := 44.0
	left := 14.0
	for _, t := range y.Ticks(5) {
		left = max(left, 36+6.6*float64(min(len([]rune(t.Text)), 18)))
	}
	slanted := len(x.Names) > 0 && (width-left-right)/float64(len(x.Names)) < 6.8*float64(longest(x.Names, 16))
	if slanted {
		bottom = 34 + 4.6*float64(longest(x.Names, 16))
	}
	f := &Frame{&Plot{Title: title, About: about, Width: width, Height: height}, x.Between(left, width-right), y.Between(height-bottom, top)}
	for _, t := range f.Y.Ticks(5) {
		f.Line("grid", left, t.At, width-right, t.At)
		f.Write("tick", "end", left-6, t.At+4, t.Text, 18)
	}
	ticks := f.X.Ticks(max(2, int((width-left-right)/70)))
	every := 1
	if slanted {
		every = max(1, int(float64(len(ticks))*12/(width-left-right)+0.999))
	}
	for i, t := range ticks {
		f.Line("grid", t.At, top, t.At, height-bottom)
		switch {
		case i%every != 0:
		case slanted:
			f.Write("tick slanted", "end", t.At+3, height-bottom+14, t.Text, 16)
		default:
			f.Write("tick", "middle", t.At, height-bottom+17, t.Text, 16)
		}
	}
	f.Line("axis", left, height-bottom, width-right, height-bottom)
	f.Line("axis", left, top, left, height-bottom)
	f.Write("label", "middle", (left+width-right)/2, height-6, x.Label, 60)
	f.Write("label up", "middle", 10, (top+height-bottom)/2, y.Label, 40)
	return f
}

func longest(names []string, most int) int {
	n := 0
	for _, s := range names {
		n = max(n, len([]rune(s)))
	}
	return min(n, most)
}
