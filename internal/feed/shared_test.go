package feed

import (
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
)

// Real models' preprocessor files and real folders, where they are at hand.
func TestShared(t *testing.T) {
	for _, c := range []struct {
		model, folder string
		side          int
		train, val    int
		classes       int
		first         float32 // sample 0 as a value of the first channel
	}{
		{"mobilenetv1-imagenet-trunk.onnx", "ants-bees", 224, 244, 153, 2, -1},
		{"resnet20-cifar10.onnx", "sign-digits", 32, 1451, 611, 10, -0.485 / 0.229},
	} {
		path := FindPreprocess(shared.Path(t, "models", c.model))
		p, err := picture.LoadPreprocess(path)
		if err != nil {
			t.Fatal(err)
		}
		pl, err := p.For(3, c.side, c.side)
		if err != nil {
			t.Fatal(err)
		}
		black := make([]float32, pl.Len())
		if err := pl.Prepare([]byte("P5 1 1 255 \x00"), black); err != nil {
			t.Fatal(err)
		}
		if got := black[0]; got != c.first {
			t.Errorf("%s: black becomes %g, want %g", c.model, got, c.first)
		}
		if testing.Short() {
			continue
		}
		train, val, err := openPictures(t, shared.Path(t, "data", c.folder), pl, data.Options{Budget: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		if train.Len() != c.train || val.Len() != c.val || len(train.Classes) != c.classes || len(train.Skipped)+len(val.Skipped) > 0 {
			t.Errorf("%s: %d and %d examples of %v, skipped %v, %v", c.folder, train.Len(), val.Len(), train.Classes, train.Skipped, val.Skipped)
		}
		n := 0
		for b, err := range val.Loader(50).Batches(t.Context(), data.FileOrder(val.Len()), data.Plain) {
			if err != nil {
				t.Fatal(err)
			}
			n += len(b.Labels)
			if v := b.Inputs[0].F32(); slices.Min(v) < -3 || slices.Max(v) > 3 || slices.Min(v) == slices.Max(v) {
				t.Fatalf("%s: values from %g to %g", c.folder, slices.Min(v), slices.Max(v))
			}
		}
		if n != c.val {
			t.Errorf("%s: %d validation examples in batches, want %d", c.folder, n, c.val)
		}
	}
}
