package picture

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// What the keys of Hugging Face's processors make of a picture's first pixel, red 200, green 100,
// blue 50, and of the corner below it.
func TestPreprocessKeys(t *testing.T) {
	file := []byte("P6 2 1 255 \xc8\x64\x32\xc8\x64\x32")
	r, g, b := 200., 100., 50.
	for _, c := range []struct {
		spec   string
		pixel  [3]float64
		corner float64 // of the first channel, bottom right
	}{
		{`{"size":2,"rescale_factor":0.5}`, [3]float64{r / 2, g / 2, b / 2}, r / 2},
		{`{"size":2,"do_rescale":false,"do_flip_channel_order":true}`, [3]float64{b, g, r}, b},
		{`{"size":2,"do_rescale":false,"do_flip_channel_order":true,"image_mean":[1,2,3],"image_std":[1,2,4]}`, [3]float64{(b - 3) / 4, (g - 2) / 2, r - 1}, (b - 3) / 4},
		{`{"size":2,"rescale_factor":0.01,"rescale_offset":true}`, [3]float64{r/100 - 1, g/100 - 1, b/100 - 1}, r/100 - 1},
		{`{"size":2,"do_rescale":false,"image_mean":10,"image_std":[2,4,5],"include_top":true}`, [3]float64{(r - 10) / 4, (g - 10) / 16, (b - 10) / 25}, (r - 10) / 4},
		{`{"size":2,"do_rescale":false,"image_mean":10,"image_std":2,"image_processor_type":"EfficientNetImageProcessorFast"}`, [3]float64{(r - 10) / 4, (g - 10) / 4, (b - 10) / 4}, (r - 10) / 4},
		{`{"size":{"longest_edge":2},"do_rescale":false,"image_mean":10,"image_std":2,"do_pad":true,"pad_size":{"height":2,"width":2}}`, [3]float64{(r - 10) / 2, (g - 10) / 2, (b - 10) / 2}, 0},
		{`{"size":{"height":2,"width":2},"do_rescale":false,"do_pad":true}`, [3]float64{r, g, b}, r},
		{`{"image_processor":{"size":2,"do_rescale":false}}`, [3]float64{r, g, b}, r},
	} {
		p, err := ParsePreprocess([]byte(c.spec))
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		pl, err := p.For(3, 2, 2)
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		x := make([]float32, pl.Len())
		if err := pl.Prepare(file, x); err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		for k, want := range map[int]float64{0: c.pixel[0], 4: c.pixel[1], 8: c.pixel[2], 3: c.corner} {
			if math.Abs(float64(x[k])-want) > 1e-5 {
				t.Errorf("%s: value %d is %g, want %g", c.spec, k, x[k], want)
			}
		}
	}
}

// What sizes become, by the keys and by the classes that differ.
func TestPreprocessSizes(t *testing.T) {
	for spec, want := range map[string][2]*Size{ // size, crop_size
		`{"size":{"shortest_edge":224},"crop_size":224,"crop_pct":0.9}`:                                      {{ShortestEdge: 248}, Square(224)},
		`{"size":{"height":224,"width":224},"crop_size":224,"crop_pct":0.9}`:                                 {{ShortestEdge: 248}, Square(224)},
		`{"size":{"shortest_edge":224},"image_processor_type":"ConvNextImageProcessor"}`:                     {{ShortestEdge: 256}, Square(224)},
		`{"size":{"shortest_edge":224},"crop_size":224,"feature_extractor_type":"LevitFeatureExtractor"}`:    {{ShortestEdge: 256}, Square(224)},
		`{"size":256,"crop_size":224,"feature_extractor_type":"DeiTFeatureExtractor"}`:                       {Square(256), Square(224)},
		`{"size":256,"crop_size":224,"do_center_crop":true,"image_processor_type":"FlavaImageProcessor"}`:    {Square(256), Square(224)},
		`{"size":256,"crop_size":224,"image_processor_type":"BeitImageProcessor"}`:                           {Square(256), Square(224)},
		`{"size":224,"image_processor_type":"ViTImageProcessorFast"}`:                                        {Square(224), nil},
		`{"size":256,"crop_size":224,"image_processor_type":"EfficientFormerImageProcessor"}`:                {Square(256), Square(224)},
		`{"size":256,"crop_size":224,"feature_extractor_type":"CLIPFeatureExtractor"}`:                       {{ShortestEdge: 256}, Square(224)},
		`{"size":224,"do_center_crop":false,"image_processor_type":"CLIPImageProcessor"}`:                    {{ShortestEdge: 224}, nil},
		`{"size":256,"crop_size":224,"image_processor_type":"BitImageProcessor"}`:                            {{ShortestEdge: 256}, Square(224)},
		`{"size":256,"crop_size":224,"default_to_square":false,"image_processor_type":"DeiTImageProcessor"}`: {{ShortestEdge: 256}, Square(224)},
		`{"size":224,"crop_size":224,"feature_extractor_type":"PoolFormerFeatureExtractor"}`:                 {{ShortestEdge: 248}, Square(224)},
		`{"size":256,"crop_size":224}`:                             {{ShortestEdge: 256}, Square(224)},
		`{"size":224,"default_to_square":false}`:                   {{ShortestEdge: 224}, nil},
		`{"size":1024,"image_processor_type":"SamImageProcessor"}`: {{LongestEdge: 1024}, nil},
		`{"size":256,"crop_size":224,"default_to_square":true}`:    {Square(256), Square(224)},
		`{"pretrained_cfg":{"input_size":[3,224,224],"crop_pct":0.95,"interpolation":"bicubic","mean":[0.5],"std":[0.5]}}`:  {{ShortestEdge: 235}, Square(224)},
		`{"pretrained_cfg":{"input_size":[3,224,224],"crop_pct":0.9,"crop_mode":"squash","mean":[0.5,0,1],"std":[1,1,1]}}`:  {Square(248), Square(224)},
		`{"architecture":"x","pretrained_cfg":{"input_size":[3,32,32],"mean":[0.5],"std":[0.5],"url":"","first_conv":"c"}}`: {{ShortestEdge: 36}, Square(32)},
		`{"size":{"shortest_edge":8,"longest_edge":13},"_valid_processor_keys":["a"],"do_convert_rgb":true,"do_x":false}`:   {{ShortestEdge: 8, LongestEdge: 13}, nil},
	} {
		p, err := ParsePreprocess([]byte(spec))
		if err != nil || !reflect.DeepEqual([2]*Size{p.Size, p.CropSize}, want) {
			t.Errorf("%s: size %v, crop_size %v (%v), want %v, %v", spec, p.Size, p.CropSize, err, want[0], want[1])
		}
	}
	// DETR's and SAM's roundings.
	for _, c := range []struct {
		s          Size
		w, h, x, y int
	}{
		{Size{ShortestEdge: 800, LongestEdge: 1333}, 640, 480, 1066, 800},
		{Size{ShortestEdge: 800, LongestEdge: 1333}, 1000, 333, 1333, 444},
		{Size{LongestEdge: 1024}, 333, 1000, 341, 1024},
		{Size{LongestEdge: 1024}, 1000, 667, 1024, 683},
	} {
		if x, y := c.s.of(c.w, c.h); x != c.x || y != c.y {
			t.Errorf("%+v makes %dx%d of %dx%d, want %dx%d", c.s, x, y, c.w, c.h, c.x, c.y)
		}
	}
}

// A key that may change a picture and is not understood is refused by its name.
func TestPreprocessUnknownKeys(t *testing.T) {
	for spec, want := range map[string]string{
		`{"size":8,"size_divisor":32}`:                                                        "size_divisor: 32",
		`{"do_grayscale":true}`:                                                               "do_grayscale",
		`{"do_thumbnail":true}`:                                                               "do_thumbnail",
		`{"image_maen":[1]}`:                                                                  "image_maen",
		`{"size":{"max_height":3,"max_width":4}}`:                                             "size: the key max_height is not understood: give an integer, {\"height",
		`{"size":{"height":"8","width":8}}`:                                                   "size: {\"height\":\"8\",\"width\":8}: give an integer",
		`{"crop_size":"big"}`:                                                                 "crop_size: \"big\": give an integer",
		`{"do_pad":true,"pad_size":8}`:                                                        "pad_size: 8",
		`{"do_pad":true,"image_processor_type":"Owlv2ImageProcessor"}`:                        "Owlv2ImageProcessor pads before",
		`{"do_pad":true,"image_processor_type":"OtherImageProcessor"}`:                        "do_pad: how OtherImageProcessor",
		`{"image_processor_type":"PerceiverImageProcessor"}`:                                  "crops before",
		`{"image_processor_type":"Idefics3ImageProcessor"}`:                                   "tiles",
		`{"image_processor_type":"MllamaImageProcessorFast"}`:                                 "tiles",
		`{"image_processor_type":"PixtralImageProcessor"}`:                                    "rounds",
		`{"image_processor_type":"TimmWrapperImageProcessor"}`:                                "pretrained_cfg of config.json",
		`{"data_format":"planes"}`:                                                            "data_format",
		`{"resample":"area"}`:                                                                 "area",
		`{"pretrained_cfg":{"mean":[0],"std":[1]}}`:                                           "input_size",
		`{"pretrained_cfg":{"input_size":[3,8,8],"mean":[0],"std":[1],"crop_mode":"border"}}`: "border",
	} {
		if _, err := ParsePreprocess([]byte(spec)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
	for _, name := range []string{`"bicubic"`, `"BICUBIC"`, `"PIL.Image.BICUBIC"`, `3`} {
		if p, err := ParsePreprocess([]byte(`{"resample":` + name + `}`)); err != nil || p.Resample != Bicubic {
			t.Errorf("resample %s: %v (%v)", name, p.Resample, err)
		}
	}
}

// A class that is not known is said, one that is, and a file that names none, is not.
func TestPreprocessUnknownClass(t *testing.T) {
	for spec, want := range map[string]string{
		`{"image_processor_type":"MyOwnImageProcessor"}`:                     "MyOwnImageProcessor",
		`{"feature_extractor_type":"MyOwnFeatureExtractor"}`:                 "MyOwnFeatureExtractor",
		`{"image_processor":{"image_processor_type":"MyOwnImageProcessor"}}`: "MyOwnImageProcessor",
		`{"image_processor_type":"ViTImageProcessorFast"}`:                   "",
		`{"image_processor_type":"CLIPImageProcessorPil"}`:                   "",
		`{}`: "",
	} {
		if p, err := ParsePreprocess([]byte(spec)); err != nil || p.Unknown != want {
			t.Errorf("%s: %q (%v), want %q", spec, p.Unknown, err, want)
		}
	}
	if p, err := ParsePreprocess([]byte(`{"feature_extractor_type":"MobileViTFeatureExtractor"}`)); err != nil || !p.Flip {
		t.Errorf("MobileViT's channels are red first (%v)", err)
	}
}

// Opacity is a channel of models that have it, and what cannot be seen does not bleed.
func TestOpacity(t *testing.T) {
	p, _ := Preset("raw")
	pl, err := p.For(4, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 4)
	if err := pl.Prepare([]byte("P6 1 1 255 \x0a\x14\x1e"), x); err != nil || !reflect.DeepEqual(x, []float32{10, 20, 30, 255}) {
		t.Errorf("an opaque pixel is %v (%v)", x, err)
	}
	r := Raster{2, 1, 4, []uint8{200, 100, 50, 255, 0, 0, 0, 0}}
	if got := r.resize(Bilinear, r.all(), 1, 1, window{0, 0, 1, 1}).pix; !reflect.DeepEqual(got, []uint8{200, 100, 50, 128}) && !reflect.DeepEqual(got, []uint8{199, 99, 49, 128}) {
		t.Errorf("half of a pixel is %v", got)
	}
}

// TestKeysListed: Keys are what a preprocessor file is read into, and none of them is harmless.
func TestKeysListed(t *testing.T) {
	var tags, names []string
	for f := range reflect.TypeFor[preprocessFile]().Fields() {
		tags = append(tags, f.Tag.Get("json"))
	}
	for _, k := range Keys {
		names = append(names, k.Name)
		if slices.Contains(Harmless, k.Name) {
			t.Errorf("%s is heeded and harmless", k.Name)
		}
	}
	if !slices.Equal(slices.Sorted(slices.Values(tags)), slices.Sorted(slices.Values(names))) {
		t.Errorf("Keys are %v, read are %v", names, tags)
	}
	for _, p := range Presets {
		if _, ok := Preset(p.Name); !ok {
			t.Errorf("no preset %s", p.Name)
		}
	}
	if len(Presets) != len(presets) {
		t.Errorf("%d presets are listed of %d", len(Presets), len(presets))
	}
}

// TestAugmentStepsListed: every step that is listed is known.
func TestAugmentStepsListed(t *testing.T) {
	for _, s := range AugmentSteps {
		name, _, _ := strings.Cut(s.Name, ":")
		if _, err := ParseAugment(name + ":x"); err == nil || strings.Contains(err.Error(), "unknown step") {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}
