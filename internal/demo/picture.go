package demo

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math/rand/v2"
	"os"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// The layout of the picture in pixels.
const (
	pictureWidth  = 1320
	pictureHeight = 600
	margin        = 40
	columns       = 14       // letters in a row
	cell          = Side + 6 // a letter and the space after it
	section       = 170      // from one alphabet to the next
	chartLeft     = margin + columns*cell + 60
)

var (
	paperColor = color.RGBA{250, 251, 252, 255}
	inkColor   = color.RGBA{30, 41, 59, 255}
	softColor  = color.RGBA{100, 116, 139, 255}
	planColors = []color.RGBA{{56, 132, 196, 255}, {126, 112, 190, 255}, {224, 122, 62, 255}} // from frozen to thawed
)

// picture draws samples of the letters beside the results.
func (t *teller) picture(path string) error {
	c, err := newCanvas(pictureWidth, pictureHeight)
	if err != nil {
		return err
	}
	y := margin + 10
	c.text(c.title, inkColor, margin, y, "From Latin to other alphabets, with most of the network frozen")
	y += 50
	r := rand.New(rand.NewPCG(t.Seed, 0x70696374))
	if err := c.samples(r, margin, y, Latin, fmt.Sprintf("Latin: pretrained, reads %s of fresh letters", percent(t.Base.Accuracy))); err != nil {
		return err
	}
	for i, a := range t.alphabets {
		caption := fmt.Sprintf("%s: %d letters, learned from %d pictures of each", title(a.Name), len(a.Letters), t.learn)
		if err := c.samples(r, margin, y+(i+1)*section, a, caption); err != nil {
			return err
		}
	}
	c.chart(t, y)
	return c.write(path)
}

// canvas is a picture with two sizes of type.
type canvas struct {
	*image.RGBA
	title, bold, plain, small font.Face
}

func newCanvas(w, h int) (*canvas, error) {
	c := &canvas{RGBA: image.NewRGBA(image.Rect(0, 0, w, h))}
	draw.Draw(c, c.Bounds(), image.NewUniform(paperColor), image.Point{}, draw.Src)
	for _, f := range []struct {
		face *font.Face
		ttf  []byte
		size float64
	}{{&c.title, gobold.TTF, 26}, {&c.bold, gobold.TTF, 16}, {&c.plain, goregular.TTF, 16}, {&c.small, goregular.TTF, 14}} {
		parsed, err := opentype.Parse(f.ttf)
		if err != nil {
			return nil, err
		}
		if *f.face, err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: f.size, DPI: 72, Hinting: font.HintingFull}); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// text writes s from x on the base line y.
func (c *canvas) text(face font.Face, col color.Color, x, y int, s string) {
	d := font.Drawer{Dst: c, Src: image.NewUniform(col), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(s)
}

func (c *canvas) fill(col color.Color, x, y, w, h int) {
	draw.Draw(c, image.Rect(x, y, x+w, y+h), image.NewUniform(col), image.Point{}, draw.Src)
}

// samples shows three rows of an alphabet's letters in order under a caption.
func (c *canvas) samples(r *rand.Rand, x, y int, a Alphabet, caption string) error {
	c.text(c.plain, softColor, x, y, caption)
	for i := range 3 * columns {
		m, err := Draw(r, a.Letters[i%len(a.Letters)].Rune)
		if err != nil {
			return err
		}
		at := image.Pt(x+i%columns*cell, y+14+i/columns*cell)
		draw.Draw(c, m.Bounds().Add(at), m, image.Point{}, draw.Src)
	}
	return nil
}

// measure is one column of the chart: a number of every run as bars from 0 to the greatest.
type measure struct {
	name        string
	left, width int
	most        float64 // 0: the greatest of the runs
	of          func(Outcome) float64
	text        func(Outcome) string
}

var measures = []measure{
	{"accuracy", chartLeft + 70, 170, 1, func(r Outcome) float64 { return r.ValAccuracy }, func(r Outcome) string { return percent(r.ValAccuracy) }},
	{"time", chartLeft + 320, 110, 0, func(r Outcome) float64 { return r.Seconds }, func(r Outcome) string { return secondsText(r.Seconds) }},
	{"training memory", chartLeft + 500, 90, 0, func(r Outcome) float64 { return float64(r.TrainBytes) }, func(r Outcome) string { return bytesText(r.TrainBytes) }},
}

// chart shows accuracy, time and memory of every run.
func (c *canvas) chart(t *teller, y int) {
	for _, m := range measures {
		c.text(c.plain, softColor, m.left, y, m.name)
		most := m.most
		if most == 0 {
			for _, r := range t.Runs {
				most = max(most, m.of(r))
			}
		}
		for i, r := range t.Runs {
			k := i % len(thaws)
			line := y + 22 + i/len(thaws)*(section+70) + 34 + k*44
			w := int(float64(m.width) * m.of(r) / most)
			c.fill(planColors[k], m.left, line, w, 30)
			c.text(c.bold, inkColor, m.left+w+8, line+20, m.text(r))
			if m.name == measures[0].name {
				c.text(c.plain, inkColor, chartLeft, line+20, r.Thaw)
			}
		}
	}
	for i, a := range t.alphabets {
		c.text(c.bold, inkColor, chartLeft, y+42+i*(section+70), title(a.Name))
	}
}

// title is a name with a capital.
func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (c *canvas) write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, c); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
