package freeze_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// TestExtending thaws by the selector of docs/extending.md.
func TestExtending(t *testing.T) {
	dir := t.TempDir()
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Preprocess, cfg.Cache = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "photos"), "unit", "off"
	if err := fixture.WriteModel(cfg.Model, 5, 1); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WritePictures(cfg.Data, 4, 3, 1); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		thaw, want string // weights that train, or an error
	}{
		{"head,larger:500", "blocks.1.conv.weight"},
		{"head,larger:100,!larger:500", "blocks.0.conv.weight"},
		{"larger:many", "selector \"larger:many\": give a number of elements, as in larger:1000"},
		{"larger:1000000", "matches no weight"},
	} {
		cfg.Thaw = []string{c.thaw}
		s, err := run.Prepare(t.Context(), cfg)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.thaw, err)
			}
			continue
		}
		var got []string
		for _, w := range s.Net.Set.Weights {
			if !w.Head && s.Plans.Now.Of(w.Name).Trains() {
				got = append(got, w.Name)
			}
		}
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s thaws %q, want %q", c.thaw, got, c.want)
		}
	}
	if !slices.Contains(freeze.SelectorExamples(), "larger:1000") {
		t.Errorf("completion knows %q", freeze.SelectorExamples())
	}
}
