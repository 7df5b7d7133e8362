package tensorboard

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg" // decodes previews
	_ "image/png"

	"github.com/permafrost-ml/permafrost/internal/chart/raster"
)

// captionMost is how many characters of a line are shown.
const captionMost = 40

// Captioned puts lines of text under a picture, so that they are seen wherever the picture is. The font
// has Latin, Greek and Cyrillic letters; the text belongs into a description too.
func Captioned(file []byte, lines ...string) (*Picture, error) {
	p, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	w, h := p.Bounds().Dx(), p.Bounds().Dy()
	wide, step := w, raster.Size+3
	for i, l := range lines {
		if r := []rune(l); len(r) > captionMost {
			lines[i] = string(r[:captionMost-1]) + "…"
		}
		wide = max(wide, raster.Width(lines[i])+4)
	}
	c := raster.New(wide, h+step*len(lines)+4)
	draw.Draw(c, image.Rect(0, 0, w, h), p, p.Bounds().Min, draw.Over)
	for i, l := range lines {
		c.Text(2, float64(h+step*(i+1)-2), raster.Right, l, color.Black)
	}
	b, err := c.PNG()
	if err != nil {
		return nil, err
	}
	return &Picture{Width: c.Bounds().Dx(), Height: c.Bounds().Dy(), Bytes: b}, nil
}
