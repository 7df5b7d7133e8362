package data

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// levels returns the greatest difference of two pictures' samples and the mean one.
func levels(a, b []uint8) (most int, mean float64) {
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		d = max(d, -d)
		most, sum = max(most, d), sum+d
	}
	return most, float64(sum) / float64(len(a))
}

// Pillow's reading of every format and pixel type, see testdata/generate.py.
func TestDecodeAsPillow(t *testing.T) {
	raws, err := filepath.Glob("testdata/pictures/*.raw")
	if err != nil || len(raws) < 40 {
		t.Fatalf("%d expected pictures, %v", len(raws), err)
	}
	for _, raw := range raws {
		path := strings.TrimSuffix(raw, ".raw")
		t.Run(filepath.Base(path), func(t *testing.T) {
			want, err := os.ReadFile(raw)
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decode(file, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.pix) != len(want) {
				t.Fatalf("%dx%dx%d, want %d samples", got.w, got.h, got.c, len(want))
			}
			most, mean := levels(got.pix, want)
			t.Logf("differs by at most %d, on average %.3f levels", most, mean)
		})
	}
}
