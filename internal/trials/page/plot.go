package page

import (
	"fmt"
	"strings"
)

// plot is a picture as SVG.
type plot struct {
	Title  string // above it; may be empty
	About  string // for those who cannot see it
	Width  float64
	Height float64
	Items  []item
}

// item is a shape or a text of a plot.
type item struct {
	Class string
	Trial string // its number; empty: it belongs to no trial

	Path string // of a shape

	Text   string // of a text
	Full   string // of a text that is cut off
	X, Y   string
	Anchor string // start, middle or end
}

func (p *plot) path(class, trial, path string) {
	p.Items = append(p.Items, item{Class: class, Trial: trial, Path: path})
}

func (p *plot) line(class string, x1, y1, x2, y2 float64) {
	p.path(class, "", fmt.Sprintf("M%.1f %.1fL%.1f %.1f", x1, y1, x2, y2))
}

// write adds a text of at most so many characters.
func (p *plot) write(class, anchor string, x, y float64, text string, most int) {
	i := item{Class: class, Anchor: anchor, Text: text, X: fmt.Sprintf("%.1f", x), Y: fmt.Sprintf("%.1f", y)}
	if r := []rune(text); len(r) > most {
		i.Text, i.Full = string(r[:most-1])+"…", text
		if r[0] == '/' { // a path: its end says more
			i.Text = "…" + string(r[len(r)-most+1:])
		}
	}
	p.Items = append(p.Items, i)
}

// dot marks a trial: a disc, or a cross for one that failed.
func (p *plot) dot(t *trial, x, y, r float64) {
	if t.state == failed {
		p.path("m "+t.state, t.number, fmt.Sprintf("M%.1f %.1fl%[3]g %[3]gm0 -%[3]gl-%[3]g %[3]g", x-r, y-r, 2*r))
		return
	}
	class := "m " + t.state
	if t.best {
		class, r = class+" best", r+2
	}
	p.path(class, t.number, disc(x, y, r))
}

func disc(x, y, r float64) string {
	return fmt.Sprintf("M%.1f %.1fa%[3]g %[3]g 0 1 0 %[4]g 0a%[3]g %[3]g 0 1 0 -%[4]g 0", x-r, y, r, 2*r)
}

func rectangle(x, y, w, h float64) string {
	return fmt.Sprintf("M%.1f %.1fh%.1fv%.1fh-%.1fz", x, y, w, h, w)
}

// polyline connects points.
func polyline(points [][2]float64) string {
	var b strings.Builder
	for i, at := range points {
		b.WriteByte("ML"[min(i, 1)])
		fmt.Fprintf(&b, "%.1f %.1f", at[0], at[1])
	}
	return b.String()
}

// frame is the place of a plot between two axes.
type frame struct {
	*plot
	x, y axis
}

// framed begins a plot with two axes, ticks and a grid.
func framed(title, about string, width, height float64, x, y axis) *frame {
	const top, right = 14, 14
	bottom := 44.0
	left := 14.0
	for _, t := range y.ticks(5) {
		left = max(left, 36+6.6*float64(min(len([]rune(t.text)), 18)))
	}
	slanted := len(x.names) > 0 && (width-left-right)/float64(len(x.names)) < 6.8*float64(longest(x.names, 16))
	if slanted {
		bottom = 34 + 4.6*float64(longest(x.names, 16))
	}
	f := &frame{&plot{Title: title, About: about, Width: width, Height: height}, x.between(left, width-right), y.between(height-bottom, top)}
	for _, t := range f.y.ticks(5) {
		f.line("grid", left, t.at, width-right, t.at)
		f.write("tick", "end", left-6, t.at+4, t.text, 18)
	}
	ticks := f.x.ticks(max(2, int((width-left-right)/70)))
	every := 1
	if slanted {
		every = max(1, int(float64(len(ticks))*12/(width-left-right)+0.999))
	}
	for i, t := range ticks {
		f.line("grid", t.at, top, t.at, height-bottom)
		switch {
		case i%every != 0:
		case slanted:
			f.write("tick slanted", "end", t.at+3, height-bottom+14, t.text, 16)
		default:
			f.write("tick", "middle", t.at, height-bottom+17, t.text, 16)
		}
	}
	f.line("axis", left, height-bottom, width-right, height-bottom)
	f.line("axis", left, top, left, height-bottom)
	f.write("label", "middle", (left+width-right)/2, height-6, x.label, 60)
	f.write("label up", "middle", 10, (top+height-bottom)/2, y.label, 40)
	return f
}

func longest(names []string, most int) int {
	n := 0
	for _, s := range names {
		n = max(n, len([]rune(s)))
	}
	return min(n, most)
}

// mark marks a trial at its values.
func (f *frame) mark(t *trial, x, y, shift float64) { f.dot(t, f.x.at(x)+shift, f.y.at(y), 3.5) }

// fail marks a trial that has no metric, at the worse end.
func (f *frame) fail(t *trial, x, shift float64, down bool) {
	y := f.y.from - 5
	if down {
		y = f.y.to + 5
	}
	f.dot(t, f.x.at(x)+shift, y, 3.5)
}
