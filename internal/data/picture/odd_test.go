package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
)

// The decoder for JPEG files that the standard library refuses gives libjpeg's bits.
func TestDecodeJPEG(t *testing.T) {
	files, err := filepath.Glob("testdata/pictures/*.jpg")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		b := read(t, file)
		m, err := decodeJPEG(b)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if r := toRaster(m, "jpeg", 3).orient(orientation(b)); !bytes.Equal(r.pix, read(t, file+".raw")) {
			t.Errorf("%s: other pixels than Pillow's", file)
		}
	}
}

// flatJPEG is a baseline JPEG whose blocks are flat: sample(c, x, y) is channel c's value in block
// x, y, in steps of 1 from 128. Each channel has its own sampling.
func flatJPEG(w, h int, sampling [][2]int, sample func(c, x, y int) int) []byte {
	segment := func(marker byte, body ...byte) []byte {
		return append([]byte{0xff, marker, 0, byte(len(body) + 2)}, body...)
	}
	b := []byte{0xff, 0xd8}
	quant := append([]byte{0}, bytes.Repeat([]byte{8}, 64)...)
	b = append(b, segment(0xdb, quant...)...)
	frame := []byte{8, 0, byte(h), 0, byte(w), byte(len(sampling))}
	scan := []byte{byte(len(sampling))}
	hMax, vMax := 1, 1
	for i, s := range sampling {
		frame = append(frame, byte(i+1), byte(s[0]<<4|s[1]), 0)
		scan = append(scan, byte(i+1), 0)
		hMax, vMax = max(hMax, s[0]), max(vMax, s[1])
	}
	b = append(b, segment(0xc0, frame...)...)
	// Categories 0 to 8 have codes of four bits, the end of a block one of one bit.
	b = append(b, segment(0xc4, append([]byte{0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0, 1, 2, 3, 4, 5, 6, 7, 8)...)...)
	b = append(b, segment(0xc4, append([]byte{0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0)...)...)
	b = append(b, segment(0xda, append(scan, 0, 63, 0)...)...)
	acc, n := 0, 0
	put := func(v, bits int) {
		for i := bits - 1; i >= 0; i-- {
			acc, n = acc<<1|v>>i&1, n+1
			if n == 8 {
				if b = append(b, byte(acc)); acc == 0xff {
					b = append(b, 0)
				}
				acc, n = 0, 0
			}
		}
	}
	before := make([]int, len(sampling))
	unitsX, unitsY := (w+8*hMax-1)/(8*hMax), (h+8*vMax-1)/(8*vMax)
	for u := range unitsX * unitsY {
		for c, s := range sampling {
			for k := range s[0] * s[1] {
				v := sample(c, u%unitsX*s[0]+k%s[0], u/unitsX*s[1]+k/s[0])
				diff, size := v-before[c], 0
				for 1<<size <= max(diff, -diff) {
					size++
				}
				before[c] = v
				put(size, 4)
				if diff < 0 {
					diff += 1<<size - 1
				}
				put(diff, size)
				put(0, 1)
			}
		}
	}
	put(0x7f, 7)
	return append(b, 0xff, 0xd9)
}

// Chroma of any whole ratio, and of two, is repeated as libjpeg does.
func TestJPEGSampling(t *testing.T) {
	sample := func(c, x, y int) int { return 7*x - 5*y + 11*c - 20 }
	for _, sampling := range [][][2]int{
		{{3, 1}, {1, 1}, {1, 1}}, {{3, 1}, {1, 1}, {3, 1}}, {{2, 2}, {2, 1}, {1, 1}}, {{1, 1}, {3, 1}, {3, 1}}, {{4, 2}, {1, 1}, {1, 2}}, {{1, 3}, {1, 1}, {1, 3}},
	} {
		const w, h = 50, 40
		r, err := decode(flatJPEG(w, h, sampling, sample), 3)
		if err != nil {
			t.Errorf("%v: %v", sampling, err)
			continue
		}
		hMax, vMax, smooth := 1, 1, false
		for _, s := range sampling {
			hMax, vMax = max(hMax, s[0]), max(vMax, s[1])
		}
		for _, s := range sampling { // these are interpolated, which flat blocks do not show alike
			smooth = smooth || hMax == 2*s[0] && vMax <= 2*s[1] || vMax == 2*s[1] && hMax <= 2*s[0]
		}
		m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio444)
		for c, plane := range [][]uint8{m.Y, m.Cb, m.Cr} {
			for i := range plane {
				s := sampling[c]
				plane[i] = uint8(128 + sample(c, i%w*s[0]/hMax/8, i/w*s[1]/vMax/8))
			}
		}
		if want := fromYCbCr(m, jfif); !smooth && !bytes.Equal(r.pix, want.pix) {
			t.Errorf("%v: other pixels", sampling)
		}
		if r.w != w || r.h != h {
			t.Errorf("%v: %dx%d", sampling, r.w, r.h)
		}
	}
	// Four channels without Adobe's marker are inverted.
	cmyk := flatJPEG(8, 8, [][2]int{{1, 1}, {1, 1}, {1, 1}, {1, 1}}, func(c, _, _ int) int { return []int{127, -128, 127, 127}[c] })
	if r, err := decode(cmyk, 3); err != nil || r.pix[0] != 255 || r.pix[1] != 0 || r.pix[2] != 255 {
		t.Errorf("CMYK without Adobe's marker: %v (%v)", r.pix[:3], err)
	}
}

// BMP files with run lengths and with 16 bits.
func TestBMP(t *testing.T) {
	header := func(bits, compression int, behind []byte, pixels ...byte) []byte {
		le := binary.LittleEndian
		b := le.AppendUint32([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00"), uint32(54+len(behind)))
		for _, v := range []uint32{40, 4, 2} {
			b = le.AppendUint32(b, v)
		}
		b = le.AppendUint16(le.AppendUint16(b, 1), uint16(bits))
		for _, v := range []uint32{uint32(compression), 0, 0, 0, uint32(len(behind) / 4), 0} {
			b = le.AppendUint32(b, v)
		}
		return append(append(b, behind...), pixels...)
	}
	palette := []byte{0, 0, 0, 0, 30, 20, 10, 0, 60, 50, 40, 0} // blue, green, red
	black, one, two := []uint8{0, 0, 0}, []uint8{10, 20, 30}, []uint8{40, 50, 60}
	row := func(p ...[]uint8) []uint8 { return bytes.Join(p, nil) }
	for name, c := range map[string]struct {
		file []byte
		want []uint8
	}{
		"RLE8":            {header(8, bmpRLE8, palette, 3, 1, 0, 0, 0, 3, 1, 2, 1, 0, 0, 1), row(one, two, one, black, one, one, one, black)},
		"RLE8 with moves": {header(8, bmpRLE8, palette, 0, 2, 1, 1, 2, 2, 0, 1), row(black, two, two, black, black, black, black, black)},
		"RLE4":            {header(4, bmpRLE4, palette, 3, 0x12, 0, 0, 0, 3, 0x21, 0x20, 0, 1), row(two, one, two, black, one, two, one, black)},
		"565": {header(16, bmpMasks, []byte{0, 0xf8, 0, 0, 0xe0, 7, 0, 0, 0x1f, 0, 0, 0}, 0, 0xf8, 0xe0, 7, 0x1f, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x10, 0x84),
			row(black, black, black, []uint8{131, 129, 131}, []uint8{255, 0, 0}, []uint8{0, 255, 0}, []uint8{0, 0, 255}, []uint8{255, 255, 255})},
		"555": {header(16, 0, nil, 0, 0x7c, 0xe0, 3, 0x1f, 0, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0),
			row(black, black, black, black, []uint8{255, 0, 0}, []uint8{0, 255, 0}, []uint8{0, 0, 255}, []uint8{255, 255, 255})},
	} {
		r, err := decode(c.file, 3)
		if err != nil || !reflect.DeepEqual(r.pix, c.want) {
			t.Errorf("%s: %v (%v), want %v", name, r.pix, err, c.want)
		}
	}
	if _, err := decode(header(16, 0, nil, 0), 3); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("a BMP without its pixels: %v", err)
	}
}

// The first frame of an animated WebP, on its canvas.
func TestAnimatedWebP(t *testing.T) {
	still := read(t, "testdata/pictures/lossless.webp")
	m, err := webp.Decode(bytes.NewReader(still))
	if err != nil {
		t.Fatal(err)
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	put24 := func(b []byte, v int) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16)) }
	animation := func(x, y, width, height int) []byte {
		frame := put24(put24(put24(put24(nil, x/2), y/2), w-1), h-1)
		frame = append(append(frame, 100, 0, 0, 0), still[12:]...)
		b := append([]byte("VP8X\x0a\x00\x00\x00"), 2, 0, 0, 0)
		b = append(put24(put24(b, width-1), height-1), "ANIM\x06\x00\x00\x00\xff\xff\xff\xff\x00\x00"...)
		b = binary.LittleEndian.AppendUint32(append(b, "ANMF"...), uint32(len(frame)))
		b = append(b, frame...)
		return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(b))), append([]byte("WEBP"), b...)...)
	}
	want, err := decode(still, 3)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := decode(animation(0, 0, w, h), 3); err != nil || !reflect.DeepEqual(r, want) {
		t.Errorf("a whole frame: %v", err)
	}
	r, err := decode(animation(4, 2, w+7, h+5), 3)
	if err != nil || !reflect.DeepEqual(r.crop(4, 2, w, h), want) || r.w != w+7 || r.pix[0] != 0 {
		t.Errorf("a part of the canvas: %v", err)
	}
	if _, err := decode(animation(4, 2, w, h), 3); err == nil {
		t.Error("a frame that reaches out of its canvas is read")
	}
}

// TIFF, upright by its own tag.
func TestTIFF(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	for i := range 6 {
		m.SetNRGBA(i%3, i/3, color.NRGBA{uint8(40 * i), uint8(10 * i), 7, 255})
	}
	for _, opt := range []*tiff.Options{nil, {Compression: tiff.Deflate, Predictor: true}} {
		var b bytes.Buffer
		if err := tiff.Encode(&b, m, opt); err != nil {
			t.Fatal(err)
		}
		r, err := decode(b.Bytes(), 3)
		if err != nil || r.w != 3 || r.h != 2 || r.pix[3] != 40 || r.pix[4] != 10 || r.pix[5] != 7 {
			t.Errorf("%+v: %v (%v)", opt, r.pix, err)
		}
	}
}

// Odd pictures as they are out there, as near to the picture they were made of as plain ones.
func TestOddPictures(t *testing.T) {
	dir := shared.Path(t, "cases", "odd-pictures")
	ref, err := decode(read(t, filepath.Join(dir, "odd", "ref.png")), 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s-3x1.jpg", "s-uneven.jpg", "s411.jpg", "cmyk-no-adobe.jpg", "cmyk.jpg", "rgb.jpg"} {
		r, err := decode(read(t, filepath.Join(dir, "odd", name)), 3)
		if err != nil || len(r.pix) != len(ref.pix) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sum := 0
		for i, v := range r.pix {
			sum += max(int(v), int(ref.pix[i])) - min(int(v), int(ref.pix[i]))
		}
		if off := float64(sum) / float64(len(r.pix)); off > 8 {
			t.Errorf("%s is %.1f levels off", name, off)
		}
	}
	for a, b := range map[string]string{"rle8.bmp": "rle8-ref.png", "anim.webp": "anim.png"} {
		got, err := decode(read(t, filepath.Join(dir, "more", a)), 3)
		want, err2 := decode(read(t, filepath.Join(dir, "more", b)), 3)
		if err != nil || err2 != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is not %s: %v, %v", a, b, err, err2)
		}
	}
	for name, want := range map[string]string{"arithmetic.jpg": "arithmetic coding is not read", "no-eoi.jpg": "cut off", "truncated.jpg": "short"} {
		if _, err := decode(read(t, filepath.Join(dir, "odd", name)), 3); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func FuzzDecodeOdd(f *testing.F) {
	f.Add(flatJPEG(20, 9, [][2]int{{3, 1}, {1, 1}, {3, 1}}, func(c, x, y int) int { return c + x - y }))
	f.Add([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x08\x00\x01"))
	for _, name := range []string{"progressive.jpg", "jpeg420.jpg", "palette.bmp"} {
		b, err := os.ReadFile("testdata/pictures/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 26 && b[0] == 'B' {
			if h, err := readBMPHeader(b); err != nil || h.w > 1<<22/h.h {
				return
			}
			_, _ = decodeBMP(b)
			return
		}
		_, _ = decodeJPEG(b)
	})
}
