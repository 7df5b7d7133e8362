package picture

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// levels returns the greatest difference of two pictures' samples and the mean one.
func levels(a, b []uint8) (most int, mean float64) {
	if len(a) != len(b) {
		return 256, 256
	}
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		d = max(d, -d)
		most, sum = max(most, d), sum+d
	}
	return most, float64(sum) / float64(len(a))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Pillow's reading of every format and pixel type, see testdata/generate.py. The same bits are
// wanted but for lossy formats, whose standards leave the rounding of the transform open.
func TestDecodeAsPillow(t *testing.T) {
	raws, err := filepath.Glob("testdata/pictures/*.raw")
	if err != nil || len(raws) < 40 {
		t.Fatalf("%d expected pictures, %v", len(raws), err)
	}
	for _, raw := range raws {
		path := strings.TrimSuffix(raw, ".raw")
		t.Run(filepath.Base(path), func(t *testing.T) {
			got, err := decode(read(t, path), 3)
			if err != nil {
				t.Fatal(err)
			}
			allowed, allowedMean := 0, 0.
			if filepath.Ext(path) == ".jpg" || strings.Contains(path, "lossy") {
				allowed, allowedMean = 3, 0.1
			}
			if len(got.pix) < 100 {
				allowedMean = 0.5
			}
			if most, mean := levels(got.pix, read(t, raw)); most > allowed || mean > allowedMean {
				t.Errorf("%dx%d differs by up to %d levels, %.3f on average; allowed %d, %.1f", got.w, got.h, most, mean, allowed, allowedMean)
			}
		})
	}
}

func TestDecodeGrey(t *testing.T) {
	want := read(t, "testdata/pictures/rgb.png.grey")
	got, err := decode(read(t, "testdata/pictures/rgb.png"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if most, _ := levels(got.pix, want); most > 0 {
		t.Errorf("luma differs by up to %d levels", most)
	}
	// A grey picture keeps its samples in one channel and in three.
	one, err := decode(read(t, "testdata/pictures/grey.png"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if most, _ := levels(one.pix, want); most > 0 {
		t.Errorf("grey samples differ by up to %d levels", most)
	}
}

// Half of a file is an error, whatever the format, never a half picture and never a panic.
func TestDecodeTruncated(t *testing.T) {
	for _, name := range []string{"jpeg420.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "palette.png", "plain.gif", "rgb.bmp",
		"lossy.webp", "lossless.webp", "p6.ppm", "p5.pgm", "p3.ppm"} {
		file := read(t, "testdata/pictures/"+name)
		for _, n := range []int{len(file) / 2, 20, 3} {
			if _, err := decode(file[:n], 3); err == nil {
				t.Errorf("%s: the first %d of %d bytes decode", name, n, len(file))
			}
		}
	}
}

func TestDecodeHostile(t *testing.T) {
	bomb := bytes.Clone(read(t, "testdata/pictures/rgb.png"))
	binary.BigEndian.PutUint32(bomb[16:], 1<<20) // width; the checksum is not looked at before the size
	binary.BigEndian.PutUint32(bomb[20:], 1<<20)
	for name, file := range map[string][]byte{
		"png of a million by a million": bomb,
		"ppm of a billion by a billion": []byte("P6 1000000000 1000000000 255 "),
		"ppm without pixels":            []byte("P6 10000 10000 255 "),
		"ppm of width 0":                []byte("P6 0 3 255 "),
		"ppm of maximum 0":              []byte("P6 1 1 0 abc"),
		"ppm of maximum 65536":          []byte("P6 1 1 65536 abcdef"),
		"pbm":                           []byte("P4 8 1 a"),
		"text":                          []byte("hello"),
		"nothing":                       nil,
	} {
		if _, err := decode(file, 3); err == nil {
			t.Errorf("%s: decodes", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %v", name, err)
		}
	}
}

func TestPNM(t *testing.T) {
	for _, c := range []struct {
		file string
		want []uint8
	}{
		{"P2\n#one\n2 1 #two\n3\n0 3", []uint8{0, 255}},
		{"P5 2 1 255\n\x00\x80", []uint8{0, 128}},
		{"P5 2 1 65535 \x80\x00\xff\xff", []uint8{128, 255}},
		{"P5 1 1 15 \xff", []uint8{255}}, // above the maximum
		{"P6 1 1 255 \x01\x02\x03P6 1 1", []uint8{1, 2, 3}},
		{"P3 1 1 100 0 50 100", []uint8{0, 128, 255}},
	} {
		channels := 1
		if c.file[1] == '3' || c.file[1] == '6' {
			channels = 3
		}
		got, err := decode([]byte(c.file), channels)
		if err != nil || !bytes.Equal(got.pix, c.want) {
			t.Errorf("%q: %v, %v, want %v", c.file, got.pix, err, c.want)
		}
	}
}

func FuzzPNM(f *testing.F) {
	for _, s := range []string{"P2 1 1 255 7", "P3\n# c\n1 1 15 1 2 3", "P5 2 2 255 abcd", "P6 1 1 65535 abcdef", "P6 99999 99999 255 ", "P5 1 1 9"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		cfg, err := decodePNMConfig(bytes.NewReader(file))
		m, err2 := decodePNM(bytes.NewReader(file))
		if err != nil && err2 == nil {
			t.Fatalf("header refused (%v), picture accepted", err)
		}
		if err2 == nil && (m.Bounds().Dx() != cfg.Width || m.Bounds().Dy() != cfg.Height || toRaster(m, "pnm", 3).w != cfg.Width) {
			t.Fatalf("picture of %v, header says %dx%d", m.Bounds(), cfg.Width, cfg.Height)
		}
	})
}

func FuzzOrientation(f *testing.F) {
	for _, name := range []string{"orient6.jpg", "orient6.png", "orient6.webp", "rgb.png"} {
		f.Add(read(f, "testdata/pictures/"+name))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if o := orientation(file); o < 1 || o > 8 {
			t.Fatalf("orientation %d", o)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"tiny.jpg", "cmyk.jpg", "transparent.gif", "rgb16.png", "palette.bmp", "losslessalpha.webp", "lossyalpha.webp"} {
		f.Add(read(f, "testdata/pictures/"+name))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := decode(file, 3)
		if err == nil && len(r.pix) != r.w*r.h*3 {
			t.Fatalf("%d samples for %dx%d", len(r.pix), r.w, r.h)
		}
	})
}
