package inspect

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
)

// TestShownNamesAreTaken: option thaw takes every name of a layer, a group of layers, a node, a
// block or a weight that an inspection shows.
func TestShownNamesAreTaken(t *testing.T) {
	ctx := context.Background()
	check := func(t *testing.T, path string) {
		c := config.DefaultConfig()
		c.Model = path
		in, err := Inspect(ctx, InspectOptions{Config: c, Classes: 3})
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, l := range in.Layers {
			if l.Params == 0 {
				t.Errorf("layer %s has no weights that train", l.Name)
			}
			parts := strings.Split(l.Name, ".")
			for i := range parts { // the rows above it in the tree
				names[strings.Join(parts[:i+1], ".")] = true
			}
			names[l.Node] = true
			for _, w := range l.Weights {
				if w.Role.Trains() {
					names[w.Name] = true
				}
			}
		}
		for _, b := range in.Blocks {
			names[b.Name] = true
		}
		if len(names) < 4 {
			t.Fatalf("only %d names", len(names))
		}
		c.Thaw = slices.Sorted(maps.Keys(names))
		if _, err := Inspect(ctx, InspectOptions{Config: c, Classes: 3}); err != nil {
			t.Error(err)
		}
	}
	t.Run("fixture", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tiny.onnx")
		if err := fixture.WriteModel(path, 3, 1); err != nil {
			t.Fatal(err)
		}
		check(t, path)
	})
	for _, name := range []string{"blazeface", "mnist-cntk", "ppocr-cls", "squeezenet-fp16", "st-mbv2-035", "ultraface", "yolox_nano"} {
		t.Run(name, func(t *testing.T) { check(t, shared.Path(t, "world-models", name, "model.onnx")) })
	}
}
