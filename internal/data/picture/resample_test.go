package picture

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Pillow's resize for every filter, shrinking and enlarging; the same bits are wanted.
func TestResizeAsPillow(t *testing.T) {
	file, err := os.ReadFile("testdata/resize/source.png")
	if err != nil {
		t.Fatal(err)
	}
	src, err := decode(file, 3)
	if err != nil {
		t.Fatal(err)
	}
	raws, err := filepath.Glob("testdata/resize/*.raw")
	if err != nil || len(raws) < 40 {
		t.Fatalf("%d expected pictures, %v", len(raws), err)
	}
	for _, raw := range raws {
		var f Filter
		var w, h int
		if _, err := fmt.Sscanf(filepath.Base(raw), "%d_%dx%d.raw", &f, &w, &h); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		got := src.resize(f, src.all(), w, h, window{0, 0, w, h})
		if most, mean := levels(got.pix, want); most > 0 {
			t.Errorf("%v to %dx%d: differs by up to %d levels, %.3f on average", f, w, h, most, mean)
		}
	}
}

// A window of a resized picture is what cropping the whole resized picture gives.
func TestResizeWindow(t *testing.T) {
	src := noise(53, 41, 3)
	for f := Nearest; f <= Hamming; f++ {
		for _, size := range [][2]int{{31, 29}, {53, 20}, {90, 41}, {120, 100}} {
			whole := src.resize(f, src.all(), size[0], size[1], window{0, 0, size[0], size[1]})
			got := src.resize(f, src.all(), size[0], size[1], window{5, 3, 17, 11})
			if most, _ := levels(got.pix, whole.crop(5, 3, 17, 11).pix); most > 0 {
				t.Errorf("%v to %v: window differs by %d levels", f, size, most)
			}
		}
	}
}

// noise is a picture of repeatable random samples.
func noise(w, h, c int) Raster {
	r := newRaster(w, h, c)
	s := uint32(1)
	for i := range r.pix {
		s = s*1664525 + 1013904223
		r.pix[i] = uint8(s >> 24)
	}
	return r
}

func BenchmarkResize(b *testing.B) {
	src := noise(1600, 1200, 3)
	for b.Loop() {
		src.resize(Bilinear, src.all(), 341, 256, window{58, 16, 224, 224})
	}
}
