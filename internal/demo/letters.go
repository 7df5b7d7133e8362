package demo

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gobolditalic"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/gomediumitalic"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/gofont/gomonobolditalic"
	"golang.org/x/image/font/gofont/gomonoitalic"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// Side is the width and height of a drawn letter in pixels.
const Side = 32

// Letter is one class of pictures.
type Letter struct {
	Name string // of its class folder
	Rune rune
}

// Alphabet is a set of classes.
type Alphabet struct {
	Name    string
	Letters []Letter
}

// Latin is what the built-in model was pretrained on: capitals, the small letters whose form is not
// that of their capital, and the digits that resemble no letter among them.
var Latin = latin()

func latin() Alphabet {
	a := Alphabet{Name: "latin"}
	for _, set := range []struct{ prefix, runes string }{
		{"capital-", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, {"small-", "abdefghnqrt"}, {"digit-", "23456789"},
	} {
		for _, r := range set.runes {
			a.Letters = append(a.Letters, Letter{set.prefix + string(r), r})
		}
	}
	return a
}

// Greek is the small Greek letters without the final sigma.
var Greek = Alphabet{"greek", []Letter{
	{"alpha", 'α'}, {"beta", 'β'}, {"gamma", 'γ'}, {"delta", 'δ'}, {"epsilon", 'ε'}, {"zeta", 'ζ'}, {"eta", 'η'}, {"theta", 'θ'},
	{"iota", 'ι'}, {"kappa", 'κ'}, {"lambda", 'λ'}, {"mu", 'μ'}, {"nu", 'ν'}, {"xi", 'ξ'}, {"omicron", 'ο'}, {"pi", 'π'},
	{"rho", 'ρ'}, {"sigma", 'σ'}, {"tau", 'τ'}, {"upsilon", 'υ'}, {"phi", 'φ'}, {"chi", 'χ'}, {"psi", 'ψ'}, {"omega", 'ω'},
}}

// Cyrillic is the Russian capitals that look like no Latin one.
var Cyrillic = Alphabet{"cyrillic", []Letter{
	{"be", 'Б'}, {"ghe", 'Г'}, {"de", 'Д'}, {"zhe", 'Ж'}, {"ze", 'З'}, {"i", 'И'}, {"short-i", 'Й'}, {"el", 'Л'}, {"pe", 'П'},
	{"u", 'У'}, {"ef", 'Ф'}, {"tse", 'Ц'}, {"che", 'Ч'}, {"sha", 'Ш'}, {"shcha", 'Щ'}, {"hard-sign", 'Ъ'}, {"yeru", 'Ы'},
	{"soft-sign", 'Ь'}, {"e", 'Э'}, {"yu", 'Ю'}, {"ya", 'Я'},
}}

// fonts are the Go fonts; small capitals have no small letters of their own.
var fonts = sync.OnceValue(func() []*sfnt.Font {
	var out []*sfnt.Font
	for _, ttf := range [][]byte{
		goregular.TTF, goitalic.TTF, gomedium.TTF, gomediumitalic.TTF, gobold.TTF, gobolditalic.TTF,
		gomono.TTF, gomonoitalic.TTF, gomonobold.TTF, gomonobolditalic.TTF,
	} {
		f, err := sfnt.Parse(ttf)
		if err != nil {
			panic(err) // the fonts are part of the program
		}
		out = append(out, f)
	}
	return out
})

// Write draws n pictures of every letter into class folders of dir. Seed and split ("train", "val")
// decide what they look like; the number of a picture does, not how many there are.
func (a Alphabet) Write(dir, split string, seed uint64, n int) error {
	for _, l := range a.Letters {
		folder := filepath.Join(dir, l.Name)
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return err
		}
		for i := range n {
			m, err := a.draw(l, split, seed, i)
			if err != nil {
				return err
			}
			if err := writePNG(filepath.Join(folder, fmt.Sprintf("%03d.png", i)), m); err != nil {
				return err
			}
		}
	}
	return nil
}

// writePNG does without compression: a noisy picture of a kilobyte has none to gain.
func writePNG(path string, m image.Image) error {
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.NoCompression, BufferPool: &pngBuffers}
	if err := e.Encode(&b, m); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o666)
}

// pngBuffers spares every small picture the megabyte that an encoder allocates.
var pngBuffers bufferPool

type bufferPool struct{ sync.Pool }

func (p *bufferPool) Get() *png.EncoderBuffer {
	b, _ := p.Pool.Get().(*png.EncoderBuffer)
	return b
}

func (p *bufferPool) Put(b *png.EncoderBuffer) { p.Pool.Put(b) }

// draw draws picture i of a letter.
func (a Alphabet) draw(l Letter, split string, seed uint64, i int) (*image.Gray, error) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%s/%s/%d", a.Name, split, l.Name, i)
	return Draw(rand.New(rand.NewPCG(seed, h.Sum64())), l.Rune)
}

// Draw draws a letter in a random Go font on Side by Side pixels. Random are its size, proportions,
// rotation, slant, place, a wave through its strokes, blur, weight, contrast, which of ink and
// ground is darker, a gradient of the ground, and noise. It errors when the fonts do not have the
// letter.
func Draw(r *rand.Rand, letter rune) (*image.Gray, error) {
	f := fonts()[r.IntN(len(fonts()))]
	o, err := outlineOf(f, letter)
	if err != nil {
		return nil, err
	}
	ink := rasterise(o, randomWarp(r, o))
	blur(ink, uniform(r, 0.25, 0.85))
	paint := randomPaint(r)
	m := image.NewGray(image.Rect(0, 0, Side, Side))
	for k, v := range ink {
		m.Pix[k] = paint.level(r, v, k%Side, k/Side)
	}
	return m, nil
}

// point is a place in the font's units, later in pixels; y points down.
type point struct{ x, y float64 }

// outline is the contours of a glyph as closed chains of short lines, and its box.
type outline struct {
	contours [][]point
	min, max point
}

// pieces is how many lines stand for one segment of a contour, so that straight strokes can bend.
const pieces = 6

func outlineOf(f *sfnt.Font, letter rune) (*outline, error) {
	var buf sfnt.Buffer
	g, err := f.GlyphIndex(&buf, letter)
	if err != nil {
		return nil, fmt.Errorf("demo: glyph of %q: %w", letter, err)
	}
	if g == 0 {
		return nil, fmt.Errorf("demo: a Go font has no glyph for %q", letter)
	}
	segments, err := f.LoadGlyph(&buf, g, fixed.I(int(f.UnitsPerEm())), nil)
	if err != nil {
		return nil, fmt.Errorf("demo: glyph of %q: %w", letter, err)
	}
	o := &outline{min: point{math.Inf(1), math.Inf(1)}, max: point{math.Inf(-1), math.Inf(-1)}}
	var at point
	for _, s := range segments {
		a := point{float64(s.Args[0].X) / 64, float64(s.Args[0].Y) / 64}
		b := point{float64(s.Args[1].X) / 64, float64(s.Args[1].Y) / 64}
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			o.contours = append(o.contours, nil)
			o.add(a)
			at = a
		case sfnt.SegmentOpLineTo:
			for i := 1; i <= pieces; i++ {
				o.add(mix(at, a, float64(i)/pieces))
			}
			at = a
		case sfnt.SegmentOpQuadTo:
			for i := 1; i <= pieces; i++ {
				t := float64(i) / pieces
				o.add(mix(mix(at, a, t), mix(a, b, t), t))
			}
			at = b
		default:
			return nil, fmt.Errorf("demo: glyph of %q has cubic curves, which TrueType fonts have not", letter)
		}
	}
	return o, nil
}

func (o *outline) add(p point) {
	last := len(o.contours) - 1
	o.contours[last] = append(o.contours[last], p)
	o.min = point{math.Min(o.min.x, p.x), math.Min(o.min.y, p.y)}
	o.max = point{math.Max(o.max.x, p.x), math.Max(o.max.y, p.y)}
}

func mix(a, b point, t float64) point { return point{a.x + (b.x-a.x)*t, a.y + (b.y-a.y)*t} }

// warp maps points of an outline to pixels.
type warp struct {
	center         point // of the outline
	xx, xy, yx, yy float64
	to             point // where the centre goes
	waves          [4]struct{ amplitude, fx, fy, phase float64 }
}

func randomWarp(r *rand.Rand, o *outline) warp {
	w := warp{center: mix(o.min, o.max, 0.5)}
	width, height := o.max.x-o.min.x, o.max.y-o.min.y
	scale := uniform(r, 14, 25) / math.Max(width, height)
	stretch := math.Exp(uniform(r, -0.2, 0.2))
	angle, slant := uniform(r, -0.3, 0.3), uniform(r, -0.3, 0.3)
	sin, cos := math.Sincos(angle)
	sx, sy := scale*stretch, scale/stretch
	w.xx, w.xy = cos*sx, (cos*slant-sin)*sy
	w.yx, w.yy = sin*sx, (sin*slant+cos)*sy
	w.to = point{Side/2 + uniform(r, -3, 3), Side/2 + uniform(r, -3, 3)}
	for i := range w.waves {
		v := &w.waves[i]
		v.amplitude = uniform(r, 0, 1)
		v.fx, v.fy, v.phase = uniform(r, -0.35, 0.35), uniform(r, -0.35, 0.35), uniform(r, 0, 2*math.Pi)
	}
	return w
}

func (w *warp) apply(p point) point {
	x, y := p.x-w.center.x, p.y-w.center.y
	q := point{w.xx*x + w.xy*y + w.to.x, w.yx*x + w.yy*y + w.to.y}
	d := [2]float64{}
	for i, v := range w.waves {
		d[i%2] += v.amplitude * math.Sin(v.fx*q.x+v.fy*q.y+v.phase)
	}
	return point{q.x + d[0], q.y + d[1]}
}

// rasterise fills an outline; the result is the covered part of each pixel, from 0 to 1.
func rasterise(o *outline, w warp) []float64 {
	z := vector.NewRasterizer(Side, Side)
	for _, c := range o.contours {
		for i, p := range c {
			q := w.apply(p)
			if i == 0 {
				z.MoveTo(float32(q.x), float32(q.y))
			} else {
				z.LineTo(float32(q.x), float32(q.y))
			}
		}
		z.ClosePath()
	}
	m := image.NewAlpha(image.Rect(0, 0, Side, Side))
	z.Draw(m, m.Bounds(), image.Opaque, image.Point{})
	ink := make([]float64, Side*Side)
	for i, v := range m.Pix {
		ink[i] = float64(v) / 255
	}
	return ink
}

// blur smooths by a Gaussian of a deviation in pixels, below 1, along both axes.
func blur(m []float64, sigma float64) {
	var k [3]float64
	for i := range k {
		k[i] = math.Exp(-float64(i*i) / (2 * sigma * sigma))
	}
	sum := k[0] + 2*(k[1]+k[2])
	line := make([]float64, Side)
	pass := func(start, step int) {
		for i := range line {
			line[i] = m[start+i*step]
		}
		at := func(i int) float64 {
			if i < 0 || i >= Side {
				return 0
			}
			return line[i]
		}
		for i := range line {
			m[start+i*step] = (k[0]*line[i] + k[1]*(at(i-1)+at(i+1)) + k[2]*(at(i-2)+at(i+2))) / sum
		}
	}
	for i := range Side {
		pass(i*Side, 1)
		pass(i, Side)
	}
}

// paint turns coverage into grey levels.
type paint struct {
	weight, gain   float64 // strokes grow and fade below, shrink above weight 0.5
	ground, ink    float64 // levels from 0 to 1
	slopeX, slopeY float64 // of the ground
	noise          float64 // deviation
}

func randomPaint(r *rand.Rand) paint {
	p := paint{weight: uniform(r, 0.3, 0.6), gain: uniform(r, 1.2, 2.5), noise: uniform(r, 0.02, 0.12)}
	contrast := uniform(r, 0.3, 0.9)
	p.ground = uniform(r, contrast, 1)
	p.ink = p.ground - contrast
	if r.IntN(2) == 0 {
		p.ground, p.ink = 1-p.ground, 1-p.ink
	}
	p.slopeX, p.slopeY = uniform(r, -0.15, 0.15)/Side, uniform(r, -0.15, 0.15)/Side
	return p
}

func (p *paint) level(r *rand.Rand, coverage float64, x, y int) uint8 {
	c := math.Max(0, math.Min(1, (coverage-p.weight)*p.gain+0.5))
	v := p.ground + (p.ink-p.ground)*c + p.slopeX*float64(x-Side/2) + p.slopeY*float64(y-Side/2) + p.noise*r.NormFloat64()
	return uint8(math.Round(255 * math.Max(0, math.Min(1, v))))
}

func uniform(r *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }
