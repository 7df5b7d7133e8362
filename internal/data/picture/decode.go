package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	_ "image/png" // registers the format
	"io"

	"golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff" // registers the format
	_ "golang.org/x/image/webp" // registers the format
)

const (
	// maxPixels limits a picture before its pixels are decoded. Pillow has the same limit.
	maxPixels = 178956970
	// MaxFile limits a picture's file in bytes.
	MaxFile = 1 << 30
)

// decode turns an encoded picture upright into rows of channels (1 to 4) samples, as Pillow's
// exif_transpose and convert("L"), ("LA"), ("RGB") or ("RGBA") do: opacity that is no channel is
// dropped, not blended; a palette
// is looked up; of 16 bits the high ones stay (Pillow clips 16-bit grey instead, which makes it
// white). An animation gives its first frame.
func decode(file []byte, channels int) (r Raster, err error) {
	// The decoders are other people's code, and the pictures are untrusted. A panic there must cost
	// one file, not the run.
	defer func() {
		if p := recover(); p != nil {
			r, err = Raster{}, fmt.Errorf("decoder failed: %v", p)
		}
	}()
	m, format, err := decodeImage(file, channels%2 == 0)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return Raster{}, fmt.Errorf("cut off: %w", unexpected(err))
	}
	if err != nil {
		return Raster{}, err
	}
	r = toRaster(m, format, colours(channels))
	if channels > r.c {
		r = r.withOpacity(m)
	}
	return r.orient(orientation(file)), nil
}

// decodeImage decodes the first picture of a file. opacity says that it is wanted.
func decodeImage(file []byte, opacity bool) (m image.Image, format string, err error) {
	if isAnimatedWebP(file) {
		m, err = decodeAnimatedWebP(file)
		return m, "webp", err
	}
	cfg, format, err := image.DecodeConfig(bytes.NewReader(file))
	var unsupported jpeg.UnsupportedError
	switch {
	case errors.As(err, &unsupported):
		m, err = decodeJPEG(file)
		return m, "jpeg", err
	case errors.Is(err, bmp.ErrUnsupported):
		m, err = decodeBMP(file)
		return m, "bmp", err
	case errors.Is(err, image.ErrFormat):
		return nil, "", errors.New("not a JPEG, PNG, GIF, BMP, TIFF, WebP, PPM or PGM picture")
	case err != nil:
		return nil, "", err
	case cfg.Width <= 0 || cfg.Height <= 0:
		return nil, "", fmt.Errorf("%s: a picture of %dx%d pixels", format, cfg.Width, cfg.Height)
	case cfg.Width > maxPixels/cfg.Height:
		return nil, "", fmt.Errorf("%s: %dx%d pixels are more than %d", format, cfg.Width, cfg.Height, maxPixels)
	}
	if format == "gif" {
		m, err = decodeGIF(file, cfg, opacity)
		return m, format, err
	}
	m, _, err = image.Decode(bytes.NewReader(file))
	if errors.As(err, &unsupported) {
		m, err = decodeJPEG(file)
	}
	return m, format, err
}

// decodeGIF returns the first frame on its screen. Go blanks the transparent entry of a palette;
// where opacity is dropped and the palette is the global one, its colour is put back.
func decodeGIF(file []byte, cfg image.Config, opacity bool) (image.Image, error) {
	m, err := gif.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	p, ok := m.(*image.Paletted)
	if !ok {
		return m, nil
	}
	if global, ok := cfg.ColorModel.(color.Palette); ok && !opacity && len(global) == len(p.Palette) && differences(global, p.Palette) <= 1 {
		p.Palette = global
	}
	screen := image.Rect(0, 0, cfg.Width, cfg.Height)
	if p.Rect == screen {
		return p, nil
	}
	full := image.NewPaletted(screen, p.Palette)
	draw.Draw(full, screen, p, image.Point{}, draw.Src)
	return full, nil
}

func differences(a, b color.Palette) int {
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func toRaster(m image.Image, format string, channels int) Raster {
	switch m := m.(type) {
	case *image.Gray:
		return fromGrey(m.Rect, m.Pix, m.Stride, 1, channels)
	case *image.Gray16:
		return fromGrey(m.Rect, m.Pix, m.Stride, 2, channels)
	}
	return toRGB(m, format).channels(channels)
}

// fromGrey reads the first byte of every step bytes: the sample or its high byte.
func fromGrey(b image.Rectangle, pix []uint8, stride, step, channels int) Raster {
	out := newRaster(b.Dx(), b.Dy(), channels)
	i := 0
	for y := range out.h {
		for x := range out.w {
			v := pix[y*stride+x*step]
			for range channels {
				out.pix[i] = v
				i++
			}
		}
	}
	return out
}

// channels converts a three-channel picture to c channels. Luma is ITU-R BT.601 with Pillow's
// rounding.
func (r Raster) channels(c int) Raster {
	if c == r.c {
		return r
	}
	return r.luma()
}

// luma is one channel of a picture of colours, or the grey of one without.
func (r Raster) luma() Raster {
	out := newRaster(r.w, r.h, 1)
	for i := range out.pix {
		p := r.pix[r.c*i:][:r.c]
		out.pix[i] = p[0]
		if r.c >= 3 {
			out.pix[i] = uint8((uint32(p[0])*19595 + uint32(p[1])*38470 + uint32(p[2])*7471 + 1<<15) >> 16)
		}
	}
	return out
}

// withOpacity adds the opacity of m, which r was made of, as a last channel.
func (r Raster) withOpacity(m image.Image) Raster {
	out := newRaster(r.w, r.h, r.c+1)
	b := m.Bounds()
	opaque := false
	if o, ok := m.(interface{ Opaque() bool }); ok {
		opaque = o.Opaque()
	}
	for y := range r.h {
		for x := range r.w {
			i := y*r.w + x
			p := out.pix[i*out.c:][:out.c]
			copy(p, r.pix[i*r.c:][:r.c])
			p[r.c] = 255
			if !opaque {
				_, _, _, a := m.At(b.Min.X+x, b.Min.Y+y).RGBA()
				p[r.c] = uint8(a >> 8)
			}
		}
	}
	return out
}

func toRGB(m image.Image, format string) Raster {
	switch m := m.(type) {
	case *image.YCbCr:
		if m.Rect.Min == (image.Point{}) {
			return fromYCbCr(m, matrix(format))
		}
	case *image.NYCbCrA:
		if m.Rect.Min == (image.Point{}) {
			return fromYCbCr(&m.YCbCr, matrix(format))
		}
	case *image.RGBA:
		if m.Opaque() {
			return fromPacked(m.Rect, m.Pix, m.Stride, 4, 1)
		}
	case *image.NRGBA:
		return fromPacked(m.Rect, m.Pix, m.Stride, 4, 1)
	case *image.RGBA64:
		if m.Opaque() {
			return fromPacked(m.Rect, m.Pix, m.Stride, 8, 2)
		}
	case *image.NRGBA64:
		return fromPacked(m.Rect, m.Pix, m.Stride, 8, 2)
	case *image.CMYK:
		return fromCMYK(m)
	case *image.Paletted:
		return fromPaletted(m)
	}
	b := m.Bounds()
	out := newRaster(b.Dx(), b.Dy(), 3)
	i := 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			out.pix[i], out.pix[i+1], out.pix[i+2] = c.R, c.G, c.B
			i += 3
		}
	}
	return out
}

func matrix(format string) *ycc {
	if format == "webp" {
		return studio
	}
	return jfif
}

// fromPacked reads pixels of step bytes. Red, green and blue are the first bytes of three samples
// of size bytes.
func fromPacked(b image.Rectangle, pix []uint8, stride, step, size int) Raster {
	out := newRaster(b.Dx(), b.Dy(), 3)
	for y := range out.h {
		src, dst := pix[y*stride:][:out.w*step], out.row(y)
		for len(dst) >= 3 && len(src) >= step {
			dst[0], dst[1], dst[2] = src[0], src[size], src[2*size]
			src, dst = src[step:], dst[3:]
		}
	}
	return out
}

// fromCMYK multiplies the light, (1-c)(1-k), like Pillow, without a colour profile.
func fromCMYK(m *image.CMYK) Raster {
	out := newRaster(m.Rect.Dx(), m.Rect.Dy(), 3)
	for y := range out.h {
		src, dst := m.Pix[y*m.Stride:], out.row(y)
		for x := range out.w {
			p := src[4*x:][:4]
			k := 255 - uint32(p[3])
			for c := range 3 {
				v := (255-uint32(p[c]))*k + 128
				dst[3*x+c] = uint8((v + v>>8) >> 8)
			}
		}
	}
	return out
}

func fromPaletted(m *image.Paletted) Raster {
	var table [256][3]uint8
	for i, c := range m.Palette {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		if raw, ok := c.(color.NRGBA); ok {
			n = raw
		}
		table[i] = [3]uint8{n.R, n.G, n.B}
	}
	out := newRaster(m.Rect.Dx(), m.Rect.Dy(), 3)
	for y := range out.h {
		dst := out.row(y)
		for x, i := range m.Pix[y*m.Stride:][:out.w] {
			copy(dst[3*x:3*x+3], table[i][:])
		}
	}
	return out
}
