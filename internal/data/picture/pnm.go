package picture

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
)

func init() {
	for _, magic := range []string{"P2", "P3", "P5", "P6"} {
		image.RegisterFormat("pnm", magic, decodePNM, decodePNMConfig)
	}
}

// pnmHeader is the header of a portable grey map (P2 text, P5 binary) or pixel map (P3, P6), see
// netpbm's pgm(5) and ppm(5).
type pnmHeader struct {
	kind    byte // '2', '3', '5' or '6'
	w, h    int
	maximum int // sample value of full brightness, 1 to 65535
}

func (h pnmHeader) channels() int {
	if h.kind == '3' || h.kind == '6' {
		return 3
	}
	return 1
}

func readPNMHeader(r *bufio.Reader) (h pnmHeader, err error) {
	var magic [2]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return h, fmt.Errorf("pnm: %w", unexpected(err))
	}
	h.kind = magic[1]
	if magic[0] != 'P' || h.kind != '2' && h.kind != '3' && h.kind != '5' && h.kind != '6' {
		return h, errors.New("pnm: not a P2, P3, P5 or P6 file")
	}
	for _, f := range []struct {
		name string
		to   *int
		most int
	}{{"width", &h.w, 1 << 30}, {"height", &h.h, 1 << 30}, {"maximum", &h.maximum, 65535}} {
		if *f.to, err = readPNMInt(r, f.most); err != nil {
			return h, fmt.Errorf("pnm: %s: %w", f.name, err)
		}
		if *f.to == 0 {
			return h, fmt.Errorf("pnm: %s is 0", f.name)
		}
	}
	if h.w > maxPixels/h.h {
		return h, fmt.Errorf("pnm: %dx%d is too large", h.w, h.h)
	}
	return h, nil
}

// readPNMInt reads a decimal number and the one byte that ends it, after white space and #
// comments.
func readPNMInt(r *bufio.Reader, most int) (int, error) {
	n, digits := 0, 0
	for {
		b, err := r.ReadByte()
		switch {
		case err == io.EOF && digits > 0:
			return n, nil
		case err != nil:
			return 0, unexpected(err)
		case b >= '0' && b <= '9':
			if n, digits = 10*n+int(b-'0'), digits+1; n > most {
				return 0, fmt.Errorf("number above %d", most)
			}
		case b == '#' && digits == 0:
			for b != '\n' && b != '\r' {
				if b, err = r.ReadByte(); err != nil {
					return 0, unexpected(err)
				}
			}
		case b == ' ' || b >= '\t' && b <= '\r':
			if digits > 0 {
				return n, nil
			}
		default:
			return 0, fmt.Errorf("unexpected byte %q", b)
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func decodePNMConfig(r io.Reader) (image.Config, error) {
	h, err := readPNMHeader(bufio.NewReader(r))
	if err != nil {
		return image.Config{}, err
	}
	m := color.GrayModel
	if h.channels() == 3 {
		m = color.RGBAModel
	}
	return image.Config{ColorModel: m, Width: h.w, Height: h.h}, nil
}

// decodePNM reads the first picture of the file and scales its samples to 8 bits.
func decodePNM(r io.Reader) (image.Image, error) {
	br := bufio.NewReader(r)
	h, err := readPNMHeader(br)
	if err != nil {
		return nil, err
	}
	sample := pnmText
	if h.kind >= '5' {
		if sample = pnmByte; h.maximum > 255 {
			sample = pnmWord
		}
	}
	// It grows as pixels are read, so that a header alone costs no memory.
	var pix []uint8
	for i := range h.w * h.h {
		for range h.channels() {
			v, err := sample(br, h.maximum)
			if err != nil {
				return nil, fmt.Errorf("pnm: pixel %d,%d: %w", i%h.w, i/h.w, err)
			}
			pix = append(pix, uint8((v*255+h.maximum/2)/h.maximum))
		}
		if h.channels() == 3 {
			pix = append(pix, 255)
		}
	}
	bounds := image.Rect(0, 0, h.w, h.h)
	if h.channels() == 1 {
		return &image.Gray{Pix: pix, Stride: h.w, Rect: bounds}, nil
	}
	return &image.RGBA{Pix: pix, Stride: 4 * h.w, Rect: bounds}, nil
}

func pnmText(r *bufio.Reader, most int) (int, error) { return readPNMInt(r, most) }

func pnmByte(r *bufio.Reader, most int) (int, error) {
	b, err := r.ReadByte()
	if err != nil {
		return 0, unexpected(err)
	}
	return min(int(b), most), nil
}

func pnmWord(r *bufio.Reader, most int) (int, error) {
	hi, err := r.ReadByte()
	if err != nil {
		return 0, unexpected(err)
	}
	lo, err := r.ReadByte()
	if err != nil {
		return 0, unexpected(err)
	}
	return min(int(hi)<<8|int(lo), most), nil
}

// Encode writes a picture as a binary pixel map or grey map. Its samples are those that decoding a
// file of the picture would give: opacity is dropped, and of 16 bits the high ones are kept.
func Encode(m image.Image) []byte {
	channels, kind := 3, 6
	switch m := m.(type) {
	case *image.Gray, *image.Gray16:
		channels, kind = 1, 5
	case *image.RGBA:
		if !m.Opaque() {
			return Encode(straight{m})
		}
	case *image.RGBA64:
		if !m.Opaque() {
			return Encode(straight{m})
		}
	}
	r := toRaster(m, "", channels)
	return append(fmt.Appendf(nil, "P%d %d %d 255\n", kind, r.w, r.h), r.pix...)
}

// straight hides the type of a picture with premultiplied colours, so that its pixels are read one
// by one and divided by their opacity.
type straight struct{ image.Image }
