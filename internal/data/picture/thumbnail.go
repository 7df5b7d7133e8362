package picture

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
)

// thumbnailQuality is the quality of JPEG: a thumbnail of 96 pixels takes about 3 kB.
const thumbnailQuality = 75

// Thumbnail encodes a picture with at most so many pixels on its longer side. A picture that is no
// larger stays as it is, as PNG; a larger one becomes a JPEG. Opacity is left out.
func (r Raster) Thumbnail(most int) (mime string, encoded []byte, err error) {
	var b bytes.Buffer
	if long := max(r.w, r.h); long > most {
		w, h := max(1, r.w*most/long), max(1, r.h*most/long)
		small := r.resize(Bilinear, r.all(), w, h, window{0, 0, w, h})
		err = jpeg.Encode(&b, small.image(), &jpeg.Options{Quality: thumbnailQuality})
		return "image/jpeg", b.Bytes(), err
	}
	err = png.Encode(&b, r.image())
	return "image/png", b.Bytes(), err
}

// image returns a copy without opacity.
func (r Raster) image() image.Image {
	box := image.Rect(0, 0, r.w, r.h)
	if r.c < 3 {
		m := image.NewGray(box)
		for i := range m.Pix {
			m.Pix[i] = r.pix[i*r.c]
		}
		return m
	}
	m := image.NewRGBA(box)
	for i := range r.w * r.h {
		copy(m.Pix[4*i:], r.pix[i*r.c:][:3])
		m.Pix[4*i+3] = 0xff
	}
	return m
}
