package run

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// A model that is kept gives its scores to classes by name: on examples of a part of its classes it
// is as good as it was, though there they have other places.
func TestKeptScoresByName(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Out, cfg.Epochs, cfg.Thaw = t.TempDir(), 12, []string{"all"}
	if first := mustFit(t, cfg); first.ValAccuracy < 0.9 {
		t.Fatalf("accuracy %v", first.ValAccuracy)
	}
	for _, part := range []string{"train", "val"} {
		must(t, os.RemoveAll(filepath.Join(cfg.Data, part, "class0")))
	}
	again := cfg
	again.Model, again.Out, again.Head, again.Epochs, again.LR = filepath.Join(cfg.Out, ModelFile), t.TempDir(), "keep", 1, 1e-6
	r := mustFit(t, again)
	if r.ValAccuracy < 0.9 {
		t.Errorf("accuracy %g", r.ValAccuracy)
	}
	p, err := tuned.Open(filepath.Join(again.Out, ModelFile))
	must(t, err)
	if got := strings.Join(p.Record.Labels, " "); got != "class0 class1 class2 class3" {
		t.Errorf("labels %s", got)
	}
	e, err := p.Eval(context.Background(), cfg.Data)
	if err != nil || e.Accuracy != r.ValAccuracy {
		t.Errorf("eval %v (%v), the fit %v", e, err, r.ValAccuracy)
	}
	must(t, os.Rename(filepath.Join(cfg.Data, "train", "class1"), filepath.Join(cfg.Data, "train", "bird")))
	_, err = Prepare(context.Background(), again)
	wantError(t, err, "the model knows no class bird")
}
