package picture

import (
	"bytes"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"testing"
)

func TestThumbnail(t *testing.T) {
	for _, c := range []struct {
		w, h, c    int
		mime       string
		wantW, hgt int
	}{
		{8, 8, 1, "image/png", 8, 8},
		{40, 30, 4, "image/png", 40, 30},
		{400, 100, 3, "image/jpeg", 96, 24},
		{2, 1000, 2, "image/jpeg", 1, 96},
	} {
		r := newRaster(c.w, c.h, c.c)
		for i := range r.pix {
			r.pix[i] = 200
		}
		mime, b, err := r.Thumbnail(96)
		if err != nil || mime != c.mime {
			t.Fatalf("%+v: %s, %v", c, mime, err)
		}
		m, _, err := image.Decode(bytes.NewReader(b))
		if err != nil || m.Bounds().Dx() != c.wantW || m.Bounds().Dy() != c.hgt {
			t.Fatalf("%+v: %v, %v", c, m.Bounds(), err)
		}
		if v, _, _, _ := m.At(0, 0).RGBA(); v>>8 < 195 || v>>8 > 205 {
			t.Errorf("%+v: grey %d, want 200", c, v>>8)
		}
	}
}
