package picture

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestParseAugment(t *testing.T) {
	for spec, want := range map[string]*Augment{
		"":                                 nil,
		"none":                             nil,
		"flip":                             {Flip: true},
		"flip,crop:0.8,color:0.2,rand:2:9": {Flip: true, Crop: 0.8, Color: 0.2, Ops: 2, Magnitude: 9},
		"vflip,crop:1":                     {VFlip: true, Crop: 1},
	} {
		got, err := ParseAugment(spec)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", spec, got, err, want)
		}
	}
	for _, spec := range []string{"flop", "flip,", "flip,flip", "flip:2", "crop", "crop:0", "crop:0.01", "crop:2", "crop:NaN", "color:0", "color:1.5",
		"rand", "rand:2", "rand:0:3", "rand:2:11", "rand:2:3:4", "flip, crop:0.5", "none,flip"} {
		_, err := ParseAugment(spec)
		if err == nil || !strings.Contains(err.Error(), AugmentHelp) {
			t.Errorf("%q: %v, want an error that lists what is known", spec, err)
		}
	}
}

func FuzzAugment(f *testing.F) {
	for _, s := range []string{"flip,crop:0.8,color:0.2,rand:2:9", "none", "vflip", "crop:1e-1", "rand:1:1,rand:1:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		a, err := ParseAugment(spec)
		if err != nil {
			return
		}
		b, err := ParseAugment(a.String())
		if err != nil || !reflect.DeepEqual(a, b) {
			t.Fatalf("%q is written %q, which reads as %+v, %v", spec, a, b, err)
		}
	})
}

func pipeline(t testing.TB, spec string, c, h, w int) *Pipeline {
	t.Helper()
	p, ok := Preset(spec)
	if !ok {
		t.Fatalf("no preset %s", spec)
	}
	pl, err := p.For(c, h, w)
	if err != nil {
		t.Fatal(err)
	}
	return pl
}

func TestAugmentApply(t *testing.T) {
	for _, channels := range []int{1, 3} {
		pl := pipeline(t, "inception", channels, 20, 24)
		src := noise(40, 30, channels)
		before := bytes.Clone(src.pix)
		for _, spec := range []string{"flip", "vflip", "crop:0.3", "color:0.4", "rand:3:9", "flip,vflip,crop:0.5,color:0.5,rand:2:10"} {
			a, err := ParseAugment(spec)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for epoch := range 20 {
				r := a.apply(src, pl, rand.New(rand.NewPCG(1, uint64(epoch))))
				if r.w != 24 || r.h != 20 || len(r.pix) != pl.Len() {
					t.Fatalf("%s: %dx%d with %d samples", spec, r.w, r.h, len(r.pix))
				}
				if again := a.apply(src, pl, rand.New(rand.NewPCG(1, uint64(epoch)))); !bytes.Equal(again.pix, r.pix) {
					t.Errorf("%s: epoch %d differs when repeated", spec, epoch)
				}
				seen[string(r.pix)] = true
			}
			if len(seen) < 2 {
				t.Errorf("%s: all epochs alike", spec)
			}
			if !bytes.Equal(src.pix, before) {
				t.Fatalf("%s: changed its source", spec)
			}
		}
	}
}

// Each operation at its neutral strength, and at values worked out by hand.
func TestAugmentOps(t *testing.T) {
	src := noise(9, 7, 3)
	clone := func() Raster { return Raster{src.w, src.h, src.c, bytes.Clone(src.pix)} }
	for name, r := range map[string]Raster{
		"brightness": brightness(clone(), 1),
		"contrast":   contrast(clone(), 1),
		"saturation": saturation(clone(), 1),
		"sharpness":  sharpness(clone(), 1),
		"solarize":   solarize(clone(), 256),
		"posterize":  posterize(clone(), 8),
		"affine":     affine(clone(), [4]float64{1, 0, 0, 1}, 0, 0, []uint8{9, 9, 9}),
	} {
		if !bytes.Equal(r.pix, src.pix) {
			t.Errorf("%s: the neutral strength changes the picture", name)
		}
	}
	grey := func(v ...uint8) Raster { return Raster{len(v), 1, 1, v} }
	for _, c := range []struct {
		name string
		got  Raster
		want []uint8
	}{
		{"brightness", brightness(grey(10, 200), 1.5), []uint8{15, 255}},
		{"contrast", contrast(grey(50, 150), 0.5), []uint8{75, 125}},
		{"contrast", contrast(grey(50, 150), 2), []uint8{0, 200}},
		{"solarize", solarize(grey(100, 200), 128), []uint8{100, 55}},
		{"posterize", posterize(grey(0xff, 0x1f), 4), []uint8{0xf0, 0x10}},
		{"autocontrast", autocontrast(grey(50, 75, 100)), []uint8{0, 128, 255}},
		{"autocontrast of one level", autocontrast(grey(50, 50)), []uint8{50, 50}},
		{"equalize", equalize(grey(1, 2, 3, 4)), []uint8{32, 96, 159, 223}},
		{"translate", affine(grey(1, 2, 3), [4]float64{1, 0, 0, 1}, 1, 0, []uint8{9}), []uint8{2, 3, 9}},
		{"translate by half", affine(grey(10, 20, 30), [4]float64{1, 0, 0, 1}, 0.5, 0, []uint8{0}), []uint8{15, 25, 15}},
		{"half turn", affine(grey(1, 2, 3), [4]float64{-1, 0, 0, -1}, 0, 0, []uint8{9}), []uint8{3, 2, 1}},
		{"saturation", saturation(Raster{1, 1, 3, []uint8{200, 100, 0}}, 0), []uint8{118, 118, 118}},
		{"sharpness", sharpness(Raster{3, 3, 1, []uint8{0, 0, 0, 0, 130, 0, 0, 0, 0}}, 0), []uint8{0, 0, 0, 0, 50, 0, 0, 0, 0}},
	} {
		if !bytes.Equal(c.got.pix, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got.pix, c.want)
		}
	}
}
