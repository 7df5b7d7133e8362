package run

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// A tuned file is a model like any other: it can be tuned again, with another new head.
func TestTunedModelTunedAgain(t *testing.T) {
	model := tinyConfig(t).Model
	bases := []string{model}
	for i, step := range []struct{ head, module string }{{"linear", "head"}, {"linear", "head2"}, {"mlp:4", "head"}, {"mlp:4", "head2"}} {
		cfg := tinyConfig(t)
		cfg.Model, cfg.Head, cfg.Out, cfg.Epochs = model, step.head, t.TempDir(), 1
		mustFit(t, cfg)
		file := filepath.Join(cfg.Out, ModelFile)
		v, err := tuned.Verify(model, file, "")
		if err != nil || !v.Identical || !slices.Contains(v.Added, step.module+".linear.weight") {
			t.Fatalf("fit %d: %+v (%v), want %s.linear.weight added", i, v, err, step.module)
		}
		for k, base := range bases { // all earlier ones
			v, err := tuned.Verify(base, file, "")
			if err != nil || !v.Identical || len(v.Stages) != len(bases)-k {
				t.Errorf("fit %d against base %d: %+v (%v)", i, k, v, err)
			}
		}
		model, bases = file, append(bases, file)
	}
}
