package demo

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math/rand/v2"
	"os"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// The layout of the picture in pixels.
const (
	pictureWidth  = 1240
	pictureHeight = 600
	margin        = 40
	columns       = 14           // letters in a row
	cell          = 2*Side/2 + 6 // a letter and the space after it
	chartLeft     = margin + columns*cell + 70
	barLeft       = chartLeft + 70
	barWidth      = 300 // of 100%
)

var (
	paperColor = color.RGBA{250, 251, 252, 255}
	inkColor   = color.RGBA{30, 41, 59, 255}
	softColor  = color.RGBA{100, 116, 139, 255}
	lineColor  = color.RGBA{226, 232, 240, 255}
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
	r := rand.New(rand.NewPCG(t.Options.Seed, 0x70696374))
	if err := c.samples(r, margin, y, Latin, fmt.Sprintf("pretrained on Latin: reads %s of fresh letters", percent(t.Base.Accuracy))); err != nil {
		return err
	}
	for i, a := range t.alphabets {
		caption := fmt.Sprintf("learned from %d pictures each: %s, %d letters", t.size.train, a.Name, len(a.Letters))
		if err := c.samples(r, margin, y+(i+1)*170, a, caption); err != nil {
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

// chart shows the accuracy of every run as a bar, with its time and memory.
func (c *canvas) chart(t *teller, y int) {
	bottom := y + (len(t.alphabets)+1)*170 - 40
	for p := 0; p <= 100; p += 25 {
		x := barLeft + barWidth*p/100
		c.fill(lineColor, x, y+8, 1, bottom-y-8)
		c.text(c.small, softColor, x-12, y, fmt.Sprintf("%d%%", p))
	}
	c.text(c.small, softColor, barLeft+barWidth+100, y, "time, memory to train")
	step := (bottom - y - 20) / max(1, len(t.alphabets))
	for i, a := range t.alphabets {
		top := y + 36 + i*step
		c.text(c.bold, inkColor, chartLeft, top, a.Name)
		for k, run := range t.Runs[i*len(thaws) : (i+1)*len(thaws)] {
			line := top + 16 + k*44
			c.text(c.plain, inkColor, chartLeft, line+20, run.Thaw)
			w := int(float64(barWidth) * run.ValAccuracy)
			c.fill(planColors[k%len(planColors)], barLeft, line, w, 30)
			c.text(c.bold, inkColor, barLeft+w+8, line+20, percent(run.ValAccuracy))
			c.text(c.small, softColor, barLeft+barWidth+100, line+20, fmt.Sprintf("%s, %s", secondsText(run.Seconds), bytesText(run.TrainBytes)))
		}
	}
}

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
