package picture

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestParsePreprocess(t *testing.T) {
	base := Preprocess{Resample: Bilinear, DoRescale: true, Factor: 1. / 255}
	with := func(change func(*Preprocess)) Preprocess { p := base; change(&p); return p }
	for file, want := range map[string]Preprocess{
		`{}`:          base,
		`{"size":32}`: with(func(p *Preprocess) { p.DoResize, p.Size = true, Square(32) }),
		`{"size":256,"crop_size":224,"resample":3}`: with(func(p *Preprocess) {
			p.DoResize, p.Size, p.DoCenterCrop, p.CropSize, p.Resample = true, &Size{ShortestEdge: 256}, true, Square(224), Bicubic
		}),
		`{"do_resize":false,"do_rescale":false,"image_mean":128,"image_std":[64]}`: with(func(p *Preprocess) {
			p.DoRescale, p.DoNormalize, p.Mean, p.Std = false, true, PerChannel{128}, PerChannel{64}
		}),
		`{"size":{"height":8,"width":9},"image_processor_type":"ViTImageProcessor"}`: with(func(p *Preprocess) { p.DoResize, p.Size = true, &Size{Height: 8, Width: 9} }),
		`{"size":[9,8]}`: with(func(p *Preprocess) { p.DoResize, p.Size = true, &Size{Height: 8, Width: 9} }),
		`{"size":{"shortest_edge":224},"crop_pct":0.875,"crop_size":null}`: with(func(p *Preprocess) {
			p.DoResize, p.Size, p.DoCenterCrop, p.CropSize = true, &Size{ShortestEdge: 256}, true, Square(224)
		}),
		`{"size":384,"crop_pct":0.875}`: with(func(p *Preprocess) { p.DoResize, p.Size = true, Square(384) }),
	} {
		got, err := ParsePreprocess([]byte(file))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n %+v, %v\nwant\n %+v", file, got, err, want)
			continue
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParsePreprocess(again); err != nil || !reflect.DeepEqual(back, got) {
			t.Errorf("%s: after a round trip\n %+v, %v\nwant\n %+v", again, back, err, got)
		}
	}
}

func TestParsePreprocessErrors(t *testing.T) {
	for file, want := range map[string]string{
		`{`:                                  "not a preprocessor file",
		`[]`:                                 "not a preprocessor file",
		`{"size":0}`:                         "size: give",
		`{"size":-3}`:                        "size: -3",
		`{"size":99999999}`:                  "size: 99999999",
		`{"size":{"height":3}}`:              "size: give",
		`{"size":"big"}`:                     "size: ",
		`{"crop_size":{"shortest_edge":3}}`:  "crop_size: give",
		`{"resample":6}`:                     "resample 6",
		`{"rescale_factor":0}`:               "rescale_factor",
		`{"do_normalize":true}`:              "image_mean",
		`{"image_mean":[1],"image_std":[0]}`: "image_std",
		`{"sampling_rate":16000}`:            "sound",
	} {
		if _, err := ParsePreprocess([]byte(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}

func FuzzPreprocess(f *testing.F) {
	for _, s := range []string{
		`{"do_resize":true,"size":{"shortest_edge":256},"resample":2,"do_center_crop":true,"crop_size":{"height":224,"width":224},"do_rescale":true,"rescale_factor":0.00392156862745098,"do_normalize":true,"image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5]}`,
		`{"size":32,"image_mean":1,"image_std":2}`, `{"crop_pct":0.9,"size":{"shortest_edge":9}}`, `{"size":{"longest_edge":7}}`, `{"size":[1,2]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := ParsePreprocess(file)
		if err != nil {
			return
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParsePreprocess(b)
		if err != nil {
			t.Fatalf("%s does not read back: %v", b, err)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%s became %s (%v)", b, again, err)
		}
		for _, c := range []int{1, 3} {
			if pl, err := p.For(c, 0, 0); err == nil && (pl.Height <= 0 || pl.Width <= 0 || pl.Len() <= 0) {
				t.Fatalf("%s: input of %dx%d", b, pl.Height, pl.Width)
			}
		}
	})
}

// What a preset or file becomes for a model's input, given as the sizes of the resized picture of
// 300 by 200 pixels and of the input.
func TestFor(t *testing.T) {
	for _, c := range []struct {
		spec           string // a preset or JSON
		h, w           int
		rw, rh, ih, iw int
	}{
		{"imagenet", 224, 224, 384, 256, 224, 224},
		{"imagenet", 0, -1, 384, 256, 224, 224},
		{"inception", 299, 0, 513, 342, 299, 299},
		{"imagenet", 32, 32, 55, 37, 32, 32},
		{"unit", 32, 48, 48, 32, 32, 48},
		{"raw", 0, 0, 224, 224, 224, 224},
		{`{"size":{"shortest_edge":40}}`, 0, 0, 60, 40, 40, 40},
		{`{"size":{"shortest_edge":40}}`, 32, 32, 60, 40, 32, 32},
		{`{"size":{"longest_edge":60}}`, 0, 0, 60, 40, 60, 60},
		{`{"size":{"shortest_edge":100,"longest_edge":120}}`, 0, 0, 120, 80, 120, 120},
		{`{"size":{"height":50,"width":40},"do_center_crop":true}`, 0, 0, 40, 50, 50, 40},
		{`{"size":50,"do_resize":false}`, 32, 32, 32, 32, 32, 32},
		{`{"crop_size":50,"do_resize":false}`, 50, 50, 300, 200, 50, 50},
	} {
		p, ok := Preset(c.spec)
		if !ok {
			var err error
			if p, err = ParsePreprocess([]byte(c.spec)); err != nil {
				t.Fatal(err)
			}
		}
		pl, err := p.For(3, c.h, c.w)
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		rw, rh := 300, 200
		if pl.DoResize {
			rw, rh = pl.Size.of(300, 200)
		}
		if rw != c.rw || rh != c.rh || pl.Height != c.ih || pl.Width != c.iw {
			t.Errorf("%s for [%d,%d]: resized to %dx%d, input %dx%d, want %dx%d, %dx%d", c.spec, c.h, c.w, rw, rh, pl.Width, pl.Height, c.rw, c.rh, c.iw, c.ih)
		}
		// What is resolved stays as it is.
		if again, err := pl.Preprocess.For(3, c.h, c.w); err != nil || again.Digest() != pl.Digest() {
			t.Errorf("%s: resolved again: %v", c.spec, err)
		}
	}
}

func TestForErrors(t *testing.T) {
	for _, c := range []struct {
		spec    string
		c, h, w int
		want    string
	}{
		{`{"size":32}`, 3, 224, 224, "size is 32x32 but the model's input is 224x224"},
		{`{"size":256,"crop_size":224}`, 3, 32, -1, "crop_size is 224x224 but the model's input is 32x?"},
		{`{}`, 5, 32, 32, "5 channels"},
		{`{"do_flip_channel_order":true}`, 1, 32, 32, "do_flip_channel_order"},
		{`{"size":{"longest_edge":64},"do_pad":true}`, 3, 0, 0, "pad_size"},
		{`{"image_mean":[1,2,3],"image_std":[1,2,3]}`, 1, 32, 32, "image_mean has 3 values"},
		{`{}`, 3, 1 << 20, 32, "larger than"},
		{`{"image_mean":0,"image_std":1e-300}`, 3, 1, 1, "becomes"},
	} {
		p, err := ParsePreprocess([]byte(c.spec))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.For(c.c, c.h, c.w); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.spec, err, c.want)
		}
	}
}

// The whole road from a file to values, against Pillow's resize and crop and the formula.
func TestPrepare(t *testing.T) {
	p, err := ParsePreprocess([]byte(`{"size":30,"crop_size":24,"resample":3,"image_mean":[0.5,0.4,0.3],"image_std":[0.1,0.2,0.3]}`))
	if err != nil {
		t.Fatal(err)
	}
	pl, err := p.For(3, 24, 24)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, pl.Len())
	if err := pl.Prepare(read(t, "testdata/pictures/rgb.png"), got); err != nil {
		t.Fatal(err)
	}
	pix := read(t, "testdata/resize/edge30_crop24.bin")
	for i, v := range got {
		c, at := i/(24*24), i%(24*24)
		want := (float64(pix[3*at+c])/255 - p.Mean[c]) / p.Std[c]
		if math.Abs(float64(v)-want) > 1e-6 {
			t.Fatalf("value %d (channel %d) is %g, want %g", i, c, v, want)
		}
	}
}

// A picture smaller than the crop gets a black border, as in Hugging Face's center_crop.
func TestPrepareBorder(t *testing.T) {
	p, err := ParsePreprocess([]byte(`{"crop_size":{"height":3,"width":4},"do_rescale":false}`))
	if err != nil {
		t.Fatal(err)
	}
	pl, err := p.For(1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, pl.Len())
	if err := pl.Prepare([]byte("P5 1 2 255 \x05\x06"), got); err != nil {
		t.Fatal(err)
	}
	if want := []float32{0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 6, 0}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLoadPreprocess(t *testing.T) {
	for _, name := range PresetNames() {
		if _, err := LoadPreprocess(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := LoadPreprocess("imagnet"); err == nil || !strings.Contains(err.Error(), "imagenet, inception, unit, raw") {
		t.Errorf("unknown preset: %v", err)
	}
}
