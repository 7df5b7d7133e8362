package task_test

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// TestExtending fits the task of docs/extending.md, and measures and predicts by the file that
// comes of it.
func TestExtending(t *testing.T) {
	dir := t.TempDir()
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "tables"), filepath.Join(dir, "run")
	cfg.Task, cfg.Preprocess, cfg.Epochs, cfg.Batch, cfg.LR, cfg.Cache = "count", "unit", 40, 6, 0.03, "ram"
	if err := fixture.WriteModel(cfg.Model, 5, 1); err != nil {
		t.Fatal(err)
	}
	for k, part := range []string{"train", "val"} {
		if err := fixture.WritePictures(filepath.Join(dir, "photos", part), 12-8*k, 3, uint64(k)); err != nil {
			t.Fatal(err)
		}
	}
	if err := fixture.WriteAnswers(filepath.Join(dir, "photos"), cfg.Data, "label", []string{"0", "2", "9"}); err != nil {
		t.Fatal(err)
	}
	s, err := run.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.CreateRunDir(cfg.Out, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Fit(t.Context(), out, false)
	if err != nil {
		t.Fatal(err)
	}
	if r.ValMetric == nil || r.ValMetric.Name != "mean_error" || *r.ValMetric.Value > 1 {
		t.Errorf("the metric is %+v", r.ValMetric)
	}
	p, err := tuned.Open(filepath.Join(cfg.Out, run.ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	e, err := p.Eval(t.Context(), cfg.Data)
	if err != nil || math.Abs(*e.Metric.Value-*r.ValMetric.Value) > 1e-6 {
		t.Errorf("measured again: %+v (%v), want %v", e, err, *r.ValMetric.Value)
	}
	found, _, err := p.Predict(t.Context(), []string{filepath.Join(dir, "photos/val/red/00.png")})
	if err != nil || math.Abs(*found[0].Value-9) > 2 {
		t.Errorf("nine things are counted as %+v (%v)", found, err)
	}
	cfg.LabelSmoothing = 0.1
	if _, err := run.Prepare(t.Context(), cfg); err == nil {
		t.Error("smoothing passes for a task that does not take it")
	}
}
