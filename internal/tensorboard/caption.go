package tensorboard

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg" // decodes previews
	"image/png"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// captionMost is how many characters of a line are shown.
const captionMost = 40

// Captioned puts lines of text under a picture, so that they are seen wherever the picture is. The
// font has Latin letters only; the text belongs into a description too.
func Captioned(file []byte, lines ...string) (*Picture, error) {
	p, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	face := basicfont.Face7x13
	w, h := p.Bounds().Dx(), p.Bounds().Dy()
	wide := w
	for i, l := range lines {
		if r := []rune(l); len(r) > captionMost {
			lines[i] = string(r[:captionMost-1]) + "~"
		}
		wide = max(wide, face.Advance*len([]rune(lines[i]))+2)
	}
	out := image.NewRGBA(image.Rect(0, 0, wide, h+face.Height*len(lines)+2))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(out, image.Rect(0, 0, w, h), p, p.Bounds().Min, draw.Over)
	d := font.Drawer{Dst: out, Src: image.NewUniform(color.Black), Face: face}
	for i, l := range lines {
		d.Dot = fixed.P(1, h+face.Height*i+face.Ascent+1)
		d.DrawString(l)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, out); err != nil {
		return nil, err
	}
	return &Picture{Width: out.Rect.Dx(), Height: out.Rect.Dy(), Bytes: b.Bytes()}, nil
}
