package raster

import (
	"bytes"
	"image/color"
	"image/png"
	"sync"
	"testing"
)

// TestShapes: shapes cover what lies in them and nothing else, also at the edge of the canvas.
func TestShapes(t *testing.T) {
	c := New(60, 40)
	red, blue := color.RGBA{R: 255, A: 255}, color.RGBA{B: 255, A: 255}
	c.Disc(20, 20, 6, red)
	c.Line(40, -10, 40, 100, 3, blue)
	c.Line(5, 5, 5, 5, 3, blue) // nothing
	white := color.RGBA{R: 255, G: 255, B: 255, A: 255}
	for _, p := range []struct {
		x, y int
		want color.RGBA
	}{{20, 20, red}, {16, 20, red}, {20, 27, white}, {27, 20, white}, {40, 0, blue}, {40, 39, blue}, {44, 20, white}, {5, 5, white}} {
		if got := c.RGBAAt(p.x, p.y); got != p.want {
			t.Errorf("at %d,%d is %v, want %v", p.x, p.y, got, p.want)
		}
	}
	b, err := c.PNG()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := png.Decode(bytes.NewReader(b)); err != nil || m.Bounds() != c.Bounds() {
		t.Errorf("%v (%v)", m, err)
	}
}

// TestText: a text stands where it is told, and may be written from many goroutines.
func TestText(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			w := float64(Width("seconds"))
			for _, from := range []float64{Right, Middle, Left} {
				c := New(200, 40)
				c.Text(100, 20, from, "seconds", color.Black)
				left, right := 200, 0
				for x := range 200 {
					for y := range 40 {
						if c.RGBAAt(x, y).R < 128 {
							left, right = min(left, x), max(right, x)
						}
					}
				}
				begin := 100 - from*w
				if float64(left) < begin-1 || float64(right) > begin+w+1 || right-left < int(w)-8 {
					t.Errorf("from %g: from %d to %d, want %g and %g wide", from, left, right, begin, w)
				}
			}
		})
	}
	wg.Wait()
	up := New(40, 200)
	up.Upwards(20, 100, "seconds", color.Black)
	top, bottom := 200, 0
	for y := range 200 {
		for x := range 40 {
			if up.RGBAAt(x, y).R < 128 {
				top, bottom = min(top, y), max(bottom, y)
			}
		}
	}
	if bottom-top < Width("seconds")-8 || top > 100 || bottom < 100 {
		t.Errorf("letters stand from row %d to %d", top, bottom)
	}
}
