package permafrost_test

import (
	"context"
	"image"
	_ "image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// TestWithData: examples from a file system and from memory train as the folder does.
func TestWithData(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	t.Setenv("PERMAFROST_CACHE", "off")
	ctx := context.Background()
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Epochs, cfg.Thaw = model, 2, []string{"head", "last:1"}
	fit := func(cfg permafrost.Config, opts ...permafrost.Option) *permafrost.Result {
		t.Helper()
		r, err := permafrost.Fit(ctx, cfg, opts...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	named := cfg
	named.Data = photos
	want := fit(named)
	for name, d := range map[string]permafrost.Data{
		"file system": permafrost.FS(os.DirFS(photos), "."),
		"memory":      permafrost.ExampleList(pictures(t, photos)...),
	} {
		got := fit(cfg, permafrost.WithData(d, permafrost.Data{}))
		if got.ValLoss != want.ValLoss || got.TrainLoss != want.TrainLoss || got.Examples != want.Examples {
			t.Errorf("%s: losses %v and %v of %d examples, want %v and %v of %d", name, got.TrainLoss, got.ValLoss, got.Examples, want.TrainLoss, want.ValLoss, want.Examples)
		}
	}
	own := permafrost.WithData(permafrost.FS(os.DirFS(photos), "."), permafrost.Data{})
	if in, err := permafrost.Inspect(ctx, cfg, permafrost.InspectOptions{}, own); err != nil || in.ParamsThawed != want.ParamsThawed {
		t.Errorf("inspect: %v, %v", in, err)
	}
	if a, err := permafrost.Advise(ctx, cfg, own); err != nil || a.Examples != want.Examples {
		t.Errorf("advise: %v, %v", a, err)
	}
	if c, err := permafrost.Compare(ctx, cfg, permafrost.CompareOptions{Plans: []string{"a=head,last:1"}, Seeds: 1}, own); err != nil || c.Train != want.Examples {
		t.Errorf("compare: %v, %v", c, err)
	}
	if _, err := permafrost.Fit(ctx, named, own); err == nil {
		t.Error("two sets of examples were taken")
	}
}

// pictures reads class folders as examples in memory.
func pictures(t *testing.T, root string) []permafrost.Example {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "*", "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	var list []permafrost.Example
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, permafrost.Example{Image: img, Label: filepath.Base(filepath.Dir(path))})
	}
	return list
}
