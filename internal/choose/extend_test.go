package choose_test

import (
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/choose"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// TestExtending ranks a model and advises by the criteria of docs/extending.md.
func TestExtending(t *testing.T) {
	dir := t.TempDir()
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Preprocess, cfg.Cache = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "photos"), "unit", "off"
	if err := fixture.WriteModel(cfg.Model, 5, 1); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WritePictures(cfg.Data, 20, 3, 1); err != nil {
		t.Fatal(err)
	}
	r, err := choose.Rank(t.Context(), choose.RankOptions{Config: cfg, Models: []string{cfg.Model}, By: "nearest_mean"})
	if err != nil {
		t.Fatal(err)
	}
	m := r.Models[0]
	if v := m.Scores["nearest_mean"]; !(v > 0.5 && v <= 1) || m.Score != v || r.By != "nearest_mean" { // the colours lie apart
		t.Errorf("by %s: %v of %v", r.By, m.Score, m.Scores)
	}
	a, err := choose.Advise(t.Context(), choose.AdviseOptions{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range a.Gradients {
		if g.Scores["largest_gradient"] <= 0 {
			t.Errorf("block %s: %v", g.Block, g.Scores)
		}
	}
	if len(a.Gradients) == 0 {
		t.Error("no block has gradients")
	}
}
