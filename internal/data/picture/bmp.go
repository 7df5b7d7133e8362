package picture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math/bits"
)

// Compressions of a BMP file.
const (
	bmpRLE8     = 1
	bmpRLE4     = 2
	bmpMasks    = 3
	bmpAllMasks = 6
)

// bmpHeader is what a BMP file says of its pixels.
type bmpHeader struct {
	w, h        int
	topDown     bool
	bits        int
	compression int
	masks       [3]uint32 // of red, green and blue
	palette     color.Palette
	pixels      []byte
}

// decodeBMP reads the BMP files that golang.org/x/image/bmp does not: run lengths of 8 and 4 bits,
// 16 bits a pixel, other masks, and headers of OS/2. As Pillow does, it takes pixels that run
// lengths pass over for those of index 0.
func decodeBMP(file []byte) (image.Image, error) {
	h, err := readBMPHeader(file)
	if err != nil {
		return nil, fmt.Errorf("bmp: %w", err)
	}
	var m image.Image
	switch {
	case h.compression == bmpRLE8 && h.bits == 8, h.compression == bmpRLE4 && h.bits == 4:
		m, err = h.runs()
	case h.compression != 0 && h.compression != bmpMasks && h.compression != bmpAllMasks:
		err = fmt.Errorf("compression %d with %d bits a pixel is not read", h.compression, h.bits)
	case h.bits <= 8:
		m, err = h.indices()
	default:
		m, err = h.colours()
	}
	if err != nil {
		return nil, fmt.Errorf("bmp: %w", err)
	}
	return m, nil
}

func readBMPHeader(file []byte) (h bmpHeader, err error) {
	if len(file) < 26 || string(file[:2]) != "BM" {
		return h, errors.New("not a BMP file")
	}
	le := binary.LittleEndian
	at, size := int(le.Uint32(file[10:])), int(le.Uint32(file[14:]))
	entry, used := 4, 0
	switch {
	case size == 12: // OS/2
		entry = 3
		h.w, h.h, h.bits = int(le.Uint16(file[18:])), int(le.Uint16(file[20:])), int(le.Uint16(file[24:]))
	case size >= 40 && size <= 124 && len(file) >= 14+size:
		h.w, h.h = int(int32(le.Uint32(file[18:]))), int(int32(le.Uint32(file[22:])))
		h.bits, h.compression, used = int(le.Uint16(file[28:])), int(le.Uint32(file[30:])), int(le.Uint32(file[46:]))
	default:
		return h, fmt.Errorf("a header of %d bytes is not read", size)
	}
	if h.topDown = h.h < 0; h.topDown {
		h.h = -h.h
	}
	if h.w < 1 || h.h < 1 || h.w > maxPixels/h.h {
		return h, fmt.Errorf("%dx%d pixels", h.w, h.h)
	}
	behind := 14 + size
	switch h.bits {
	case 16:
		h.masks = [3]uint32{0x7c00, 0x03e0, 0x001f}
	case 24, 32:
		h.masks = [3]uint32{0xff0000, 0x00ff00, 0x0000ff}
	case 1, 2, 4, 8:
		if used == 0 || used > 1<<h.bits {
			used = 1 << h.bits
		}
		for i := range used {
			k := behind + i*entry
			if k+3 > len(file) || k+3 > at {
				break
			}
			h.palette = append(h.palette, color.NRGBA{file[k+2], file[k+1], file[k], 255})
		}
	default:
		return h, fmt.Errorf("%d bits a pixel are not read", h.bits)
	}
	if h.compression == bmpMasks || h.compression == bmpAllMasks { // behind a header of 40 bytes, else in it
		if len(file) < 66 {
			return h, errors.New("cut off in the masks")
		}
		for i := range h.masks {
			h.masks[i] = le.Uint32(file[54+4*i:])
		}
	}
	if at < behind || at > len(file) {
		return h, fmt.Errorf("pixels at byte %d of %d", at, len(file))
	}
	h.pixels = file[at:]
	return h, nil
}

// rows calls each for every row of the picture with its bytes, which are padded to four. It errors
// where some are missing.
func (h *bmpHeader) rows(each func(y int, row []byte)) error {
	stride := (h.w*h.bits + 31) / 32 * 4
	for i := range h.h {
		y := h.h - 1 - i
		if h.topDown {
			y = i
		}
		if (i+1)*stride > len(h.pixels) {
			return fmt.Errorf("cut off in row %d of %d", i, h.h)
		}
		each(y, h.pixels[i*stride:][:stride])
	}
	return nil
}

// paletted is a picture of the header's size with the whole range of indices.
func (h *bmpHeader) paletted() *image.Paletted {
	p := h.palette
	for len(p) < 1<<h.bits {
		p = append(p, color.NRGBA{A: 255})
	}
	return image.NewPaletted(image.Rect(0, 0, h.w, h.h), p)
}

func (h *bmpHeader) indices() (image.Image, error) {
	m := h.paletted()
	err := h.rows(func(y int, row []byte) {
		for x := range h.w {
			bit := x * h.bits
			m.Pix[y*m.Stride+x] = row[bit/8] >> (8 - h.bits - bit%8) & (1<<h.bits - 1)
		}
	})
	return m, err
}

// colours reads pixels of 16, 24 or 32 bits by their masks. A channel of fewer bits is stretched
// over 8.
func (h *bmpHeader) colours() (image.Image, error) {
	m := image.NewRGBA(image.Rect(0, 0, h.w, h.h))
	width := h.bits / 8
	var shift, most [3]uint32
	for c, mask := range h.masks {
		if mask == 0 {
			return nil, fmt.Errorf("masks %x", h.masks)
		}
		shift[c] = uint32(bits.TrailingZeros32(mask))
		most[c] = mask >> shift[c]
	}
	err := h.rows(func(y int, row []byte) {
		for x := range h.w {
			var v uint32
			for i := range width {
				v |= uint32(row[x*width+i]) << (8 * i)
			}
			p := m.Pix[y*m.Stride+4*x:][:4]
			for c := range 3 {
				p[c] = uint8(uint64(v&h.masks[c]>>shift[c]) * 255 / uint64(most[c]))
			}
			p[3] = 255
		}
	})
	return m, err
}

// runs reads run lengths.
func (h *bmpHeader) runs() (image.Image, error) {
	m := h.paletted()
	x, y, b := 0, 0, h.pixels
	put := func(i uint8) {
		if x < h.w && y < h.h {
			m.Pix[(h.h-1-y)*m.Stride+x] = i
		}
		x++
	}
	// index is the k-th index of the bytes that hold a run.
	index := func(b []byte, k int) uint8 {
		if h.bits == 8 {
			return b[k]
		}
		return b[k/2] >> (4 * (1 - k%2)) & 0xf
	}
	for y < h.h {
		if len(b) < 2 {
			return m, fmt.Errorf("cut off in row %d of %d", y, h.h)
		}
		n, code := int(b[0]), int(b[1])
		switch {
		case n > 0: // a run of one byte
			for k := range n {
				put(index([]byte{b[1], b[1]}, k%2))
			}
		case code == 0: // end of the row
			x, y = 0, y+1
		case code == 1: // end of the picture
			return m, nil
		case code == 2: // a move
			if len(b) < 4 {
				return m, fmt.Errorf("cut off in row %d of %d", y, h.h)
			}
			x, y = x+int(b[2]), y+int(b[3])
			b = b[2:]
		default: // as they are, padded to two bytes
			size := (code*h.bits + 7) / 8
			if len(b) < 2+size {
				return m, fmt.Errorf("cut off in row %d of %d", y, h.h)
			}
			for k := range code {
				put(index(b[2:2+size], k))
			}
			b = b[min(len(b)-2, size+size%2):]
		}
		b = b[2:]
	}
	return m, nil
}
