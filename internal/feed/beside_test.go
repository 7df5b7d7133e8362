package feed

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/data/sound"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// besideAgain is the feed of a model without a record in a folder with the files beside f.
func besideAgain(t *testing.T, m *onnx.Model, f Feed) Feed {
	t.Helper()
	files, err := Beside(f)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range files {
		write(t, b, dir, name)
	}
	m.Path = filepath.Join(dir, "model.onnx")
	again, err := Of(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// firstInputs are the inputs that a feed makes of one example.
func firstInputs(t *testing.T, f Feed, example string) []string {
	t.Helper()
	ds, err := f.OpenInputs(context.Background(), Inputs(f.Kind(), []string{example}), data.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for b, err := range ds.Loader(1).Batches(context.Background(), data.FileOrder(1), data.Plain) {
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range b.Inputs {
			out = append(out, in.Shape.String()+string(in.Bytes))
		}
	}
	return out
}

// TestBesidePictures: the preprocessor file that is written beside a tuned file gives the same
// inputs as what it was made from.
func TestBesidePictures(t *testing.T) {
	file := write(t, encodedPicture(t, 37, 53, 1), t.TempDir(), "a.png")
	described := func(text string) string { return write(t, []byte(text), t.TempDir(), "p.json") }
	for name, c := range map[string]struct {
		preprocess string
		shape      []int
	}{
		"imagenet":          {"imagenet", []int{-1, 3, 24, 24}},
		"inception":         {"inception", []int{-1, 3, 24, 24}},
		"inception in grey": {"inception", []int{-1, 1, 24, 24}},
		"with opacity":      {"inception", []int{-1, 4, 24, 24}},
		"unit":              {"unit", []int{-1, 3, 20, 24}},
		"raw":               {"raw", []int{-1, 3, 24, 24}},
		"any size":          {"imagenet", []int{-1, 3, -1, -1}},
		"channels last":     {"unit", []int{-1, 24, 24, 3}},
		"levit":             {described(`{"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 24}, "crop_size": 24, "resample": 3, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}`), []int{-1, 3, 24, 24}},
		"convnext":          {described(`{"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 24}, "image_mean": 0.5, "image_std": 0.5}`), []int{-1, 3, 24, 24}},
		"efficientnet":      {described(`{"image_processor_type": "EfficientNetImageProcessor", "size": 24, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}`), []int{-1, 3, 24, 24}},
		"padded":            {described(`{"image_processor_type": "DetrImageProcessor", "size": {"longest_edge": 24}, "do_pad": true, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}`), []int{-1, 3, 24, 24}},
		"flipped":           {described(`{"size": 24, "do_flip_channel_order": true, "rescale_factor": 0.5, "rescale_offset": true}`), []int{-1, 3, 24, 24}},
		"timm":              {described(`{"pretrained_cfg": {"input_size": [3, 24, 24], "crop_pct": 0.9, "interpolation": "bicubic", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}}`), []int{-1, 3, 24, 24}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Of(model(t, tensor.Float32, c.shape...), Options{Preprocess: c.preprocess})
			if err != nil {
				t.Fatal(err)
			}
			again := besideAgain(t, model(t, tensor.Float32, c.shape...), f)
			if !slices.Equal(firstInputs(t, f, file), firstInputs(t, again, file)) {
				t.Error("the file beside the model gives other inputs")
			}
		})
	}
}

// TestBesideSounds: likewise for sounds, with a model as front end and with samples.
func TestBesideSounds(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(shared.Path(t, "data", "spoken-digits", "val", "7"), "*.wav"))
	if len(files) == 0 {
		t.Fatal("no recordings of a seven")
	}
	open := func() *onnx.Model {
		m, err := onnx.Open(shared.Path(t, "models", "speech-embedding.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	f, err := Of(open(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(firstInputs(t, f, files[0]), firstInputs(t, besideAgain(t, open(), f), files[0])) {
		t.Error("the files beside the model give other inputs")
	}
	for _, text := range []string{
		`{"feature_extractor_type": "` + sound.Raw + `", "sampling_rate": 8000, "window": 400, "hop": 200, "pad_seconds": [0.5, 0]}`,
		`{"feature_extractor_type": "` + sound.Whisper + `", "sampling_rate": 16000, "feature_size": 8, "chunk_length": 1}`,
		`{"feature_extractor_type": "` + sound.AST + `", "sampling_rate": 16000, "num_mel_bins": 8, "max_length": 32}`,
	} {
		shape := []int{-1, -1, -1}
		f, err := Of(model(t, tensor.Float32, shape...), Options{Preprocess: write(t, []byte(text), t.TempDir(), "p.json")})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(firstInputs(t, f, files[0]), firstInputs(t, besideAgain(t, model(t, tensor.Float32, shape...), f), files[0])) {
			t.Errorf("%s: the file beside the model gives other inputs", text)
		}
	}
}

// TestBesideVectors: likewise for vectors.
func TestBesideVectors(t *testing.T) {
	inputs := func(f Feed) []string {
		ds, err := f.OpenInputs(context.Background(), InputFiles([]string{place(t, "rows.csv", "1,2,4\n").Path}), data.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return rowsOf(t, ds)
	}
	for _, text := range []string{`{"mean": 1, "std": [1, 2, 4]}`, `{"std": 2}`, `{}`} {
		f, err := Of(model(t, tensor.Float32, -1, 3), Options{Preprocess: write(t, []byte(text), t.TempDir(), "p.json")})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := inputs(f), inputs(besideAgain(t, model(t, tensor.Float32, -1, 3), f)); !slices.Equal(a, b) {
			t.Errorf("%s: the file beside the model gives %v, not %v", text, b, a)
		}
	}
}
