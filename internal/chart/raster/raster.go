// Package raster draws lines, discs and words as pixels, for the few pictures that are PNG files and no
// SVG. It knows nothing of what they show.
package raster

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// Size is the height of letters, in pixels.
const Size = 12

// face is the only font, parsed when it is first needed.
var face = sync.OnceValue(func() font.Face {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		panic(err) // it is part of the program
	}
	out, err := opentype.NewFace(f, &opentype.FaceOptions{Size: Size, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic(err)
	}
	return out
})

// mu guards the face, which draws for one at a time.
var mu sync.Mutex

// Canvas is a picture that is drawn on. It is not for several goroutines.
type Canvas struct{ *image.RGBA }

// New makes a white canvas.
func New(width, height int) Canvas {
	c := Canvas{image.NewRGBA(image.Rect(0, 0, width, height))}
	draw.Draw(c, c.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	return c
}

// Line draws a line of a width.
func (c Canvas) Line(x1, y1, x2, y2, width float64, of color.Color) {
	dx, dy := x2-x1, y2-y1
	n := math.Hypot(dx, dy)
	if n == 0 {
		return
	}
	dx, dy = dx/n*width/2, dy/n*width/2
	c.fill(of, [2]float64{x1 - dy, y1 + dx}, [2]float64{x2 - dy, y2 + dx}, [2]float64{x2 + dy, y2 - dx}, [2]float64{x1 + dy, y1 - dx})
}

// Disc draws a disc.
func (c Canvas) Disc(x, y, radius float64, of color.Color) {
	points := make([][2]float64, 24)
	for i := range points {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(len(points)))
		points[i] = [2]float64{x + radius*cos, y + radius*sin}
	}
	c.fill(of, points...)
}

// fill draws a polygon.
func (c Canvas) fill(of color.Color, points ...[2]float64) {
	box := image.Rectangle{}
	for i, p := range points {
		at := image.Rect(int(math.Floor(p[0])), int(math.Floor(p[1])), int(math.Floor(p[0]))+2, int(math.Floor(p[1]))+2)
		if box = box.Union(at); i == 0 {
			box = at
		}
	}
	z := vector.NewRasterizer(box.Dx(), box.Dy())
	for i, p := range points {
		x, y := float32(p[0]-float64(box.Min.X)), float32(p[1]-float64(box.Min.Y))
		if i == 0 {
			z.MoveTo(x, y)
		} else {
			z.LineTo(x, y)
		}
	}
	z.ClosePath()
	z.Draw(c, box, image.NewUniform(of), image.Point{})
}

// Width is how wide a text is.
func Width(text string) int {
	mu.Lock()
	defer mu.Unlock()
	return font.MeasureString(face(), text).Ceil()
}

// Where a text stands from its point.
const (
	Right  = 0 // the point is its left end
	Middle = 0.5
	Left   = 1 // the point is its right end
)

// Text writes a text with its foot at y.
func (c Canvas) Text(x, y, from float64, text string, of color.Color) {
	w := Width(text)
	mu.Lock()
	defer mu.Unlock()
	d := font.Drawer{Dst: c, Src: image.NewUniform(of), Face: face(), Dot: fixed.P(int(math.Round(x-from*float64(w))), int(math.Round(y)))}
	d.DrawString(text)
}

// Upwards writes a text from the bottom to the top, with its middle at a point.
func (c Canvas) Upwards(x, y float64, text string, of color.Color) {
	w := Width(text)
	flat := New(w+2, Size+4)
	flat.Text(1, Size, Right, text, of)
	left, top := int(x)-flat.Bounds().Dy()/2, int(y)+flat.Bounds().Dx()/2
	for i := range flat.Bounds().Dx() {
		for k := range flat.Bounds().Dy() {
			c.Set(left+k, top-i, flat.At(i, k))
		}
	}
}

// PNG is the picture as a file.
func (c Canvas) PNG() ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, c)
	return b.Bytes(), err
}
