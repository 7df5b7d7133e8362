package inspect

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/run"
)

func TestMain(m *testing.M) {
	os.Setenv("PERMAFROST_CACHE", "off")
	os.Exit(m.Run())
}

// fits are configurations of every task on tiny models and data.
func fits(t *testing.T) map[string]config.Config {
	t.Helper()
	dir := t.TempDir()
	path := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(fixture.WriteModel(path("pictures.onnx"), 3, 1))
	must(fixture.WritePictures(path("pictures", "train"), 12, 3, 1))
	must(fixture.WritePictures(path("pictures", "val"), 6, 3, 2))
	must(fixture.WriteAnswers(path("pictures"), path("multilabel"), "label", []string{"cold", "cold|calm", ""}))
	must(fixture.WriteTextModel(path("texts.onnx"), false, 3))
	must(os.MkdirAll(path("texts"), 0o755))
	must(fixture.WriteTexts(path("texts"), 12, 3))
	must(fixture.WriteAnswers(path("texts"), path("regress"), "label", []string{"-4", "1.5", "20"}))
	must(fixture.WriteLanguageModel(path("prose.onnx"), 5))
	must(fixture.WriteProse(path("prose"), 40, 5))
	must(fixture.WriteSoundModel(path("sounds.onnx"), 3, 6))
	must(fixture.WriteSounds(path("sounds"), 8, 6))
	must(fixture.WriteAnswers(path("sounds"), path("transcripts"), "text", []string{"ab", "b", "a"}))
	fit := func(model, data string, thaw ...string) config.Config {
		c := config.DefaultConfig()
		c.Model, c.Data, c.Thaw, c.Epochs, c.Cache = path(model), path(data), thaw, 1, "ram"
		return c
	}
	return map[string]config.Config{
		"classify":           fit("pictures.onnx", "pictures", "last:1"),
		"classify texts":     fit("texts.onnx", "texts", "last:1", "head"),
		"classify sounds":    fit("sounds.onnx", "sounds", "head"),
		"multilabel":         fit("pictures.onnx", "multilabel", "head"),
		"regress":            fit("texts.onnx", "regress", "head"),
		"language modelling": fit("prose.onnx", "prose", "last:1"),
		"transcripts":        fit("sounds.onnx", "transcripts", "head"),
	}
}

// TestInspectIsTheFit: for every task, what is predicted is of the plan, batch and lengths of the
// fit with the same options.
func TestInspectIsTheFit(t *testing.T) {
	ctx := context.Background()
	for name, cfg := range fits(t) {
		t.Run(name, func(t *testing.T) {
			in, err := Inspect(ctx, InspectOptions{Config: cfg, Measure: true})
			if err != nil {
				t.Fatal(err)
			}
			s, err := run.Prepare(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := in.Plan.Digest(), s.Plans.Reach.Digest(); got != want {
				t.Errorf("another plan: %s, the fit has %s", got, want)
			}
			if in.Batch != s.Config.Batch || in.Predicted.Examples != s.Train.Len() {
				t.Errorf("batches of %d of %d examples, the fit has %d of %d", in.Batch, in.Predicted.Examples, s.Config.Batch, s.Train.Len())
			}
			r, err := s.Fit(ctx, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			if in.ParamsThawed != r.ParamsThawed || in.ParamsTotal != r.ParamsTotal {
				t.Errorf("%d of %d parameters train, in the fit %d of %d", in.ParamsThawed, in.ParamsTotal, r.ParamsThawed, r.ParamsTotal)
			}
			said := float64(in.Predicted.CachePerExample) * float64(in.Predicted.Examples+s.Val.Len())
			if got := float64(r.CacheBytes); math.Abs(said-got) > 0.1*got {
				t.Errorf("%g bytes are kept, %g were predicted", got, said)
			}
		})
	}
}

// TestInspectLengths: operations are those of the lengths of the data, and a note says which.
func TestInspectLengths(t *testing.T) {
	for name, longer := range map[string]bool{"classify texts": false, "classify sounds": true} {
		cfg := fits(t)[name]
		in, err := Inspect(context.Background(), InspectOptions{Config: cfg})
		if err != nil {
			t.Fatal(err)
		}
		if len(in.Notes) == 0 || !strings.Contains(in.Notes[len(in.Notes)-1], "on average") {
			t.Errorf("%s: notes %q do not say which lengths", name, in.Notes)
		}
		cfg.Data = ""
		one, err := Inspect(context.Background(), InspectOptions{Config: cfg, Classes: 3, Examples: 100})
		if err != nil {
			t.Fatal(err)
		}
		if (in.FLOPs > one.FLOPs) != longer { // without data: one window, or a text as long as the model takes
			t.Errorf("%s: %d operations with data, %d without", name, in.FLOPs, one.FLOPs)
		}
	}
}

// TestBenchOfTasks: a training step is timed for every task, on answers made up for it.
func TestBenchOfTasks(t *testing.T) {
	of := fits(t)
	for name, task := range map[string]string{"classify": "", "multilabel": "multilabel", "regress": "regress", "language modelling": "lm", "transcripts": "ctc"} {
		cfg := of[name]
		cfg.Task, cfg.Data = task, ""
		r, err := Bench(context.Background(), BenchOptions{Config: cfg, Batch: 3, Steps: 2, Classes: 4})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if r.StepMin == nil || *r.StepMin <= 0 {
			t.Errorf("%s: no training step: %q", name, r.Notes)
		}
	}
}
