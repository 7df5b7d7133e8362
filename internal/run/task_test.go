package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// answerTables turns class folders into tables of their files, with an answer for each class.
func answerTables(t testing.TB, folders string, answers ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"train", "val"} {
		var b strings.Builder
		b.WriteString("file,label\n")
		for c, a := range answers {
			files, err := filepath.Glob(filepath.Join(folders, part, fmt.Sprint("class", c), "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				fmt.Fprintf(&b, "%s,%s\n", f, a)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, part+".csv"), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestTasks trains on several labels and on numbers, and reads the tuned file back: it measures and
// answers as training did, frozen weights are untouched, and an interrupted run ends in the same
// bits.
func TestTasks(t *testing.T) {
	for _, c := range []struct {
		answers []string
		task    string
		metric  string
		good    func(v float64) bool
		thaw    string
	}{
		{[]string{"a", "a|b", "b|c", ""}, "multilabel", "macro_f1", func(v float64) bool { return v > 0.8 }, "head"},
		{[]string{"-3.5", "10", "22.5", "40"}, "regress", "rmse", func(v float64) bool { return v < 8 }, "all"}, // the deviation is 16
	} {
		t.Run(c.task, func(t *testing.T) {
			cfg := tinyConfig(t)
			cfg.Data, cfg.Out, cfg.Epochs, cfg.Thaw, cfg.Seed = answerTables(t, cfg.Data, c.answers...), t.TempDir(), 12, []string{c.thaw}, 2
			r := mustFit(t, cfg)
			if r.ValMetric == nil || r.ValMetric.Name != c.metric || !c.good(*r.ValMetric.Value) {
				t.Fatalf("%+v", r.ValMetric)
			}
			p, err := tuned.Open(filepath.Join(cfg.Out, ModelFile))
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Eval(context.Background(), cfg.Data)
			if err != nil || e.Metric == nil || e.Metric.Name != c.metric || math.Abs(*e.Metric.Value-*r.ValMetric.Value) > 1e-4**r.ValMetric.Value {
				t.Errorf("the tuned file gives %+v (%v), the fit %v", e, err, *r.ValMetric.Value)
			}
			v, err := tuned.Verify(cfg.Model, filepath.Join(cfg.Out, ModelFile), "")
			if err != nil || !v.Identical {
				t.Errorf("%+v (%v)", v, err)
			}

			again := cfg
			again.Out = t.TempDir()
			ctx, cancel := context.WithCancel(context.Background())
			if _, err := fit(t, ctx, again, false, &stopper{after: 7, cancel: cancel}); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if _, err := fit(t, context.Background(), again, true); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(read(t, cfg.Out, ModelFile), read(t, again.Out, ModelFile)) {
				t.Error("an interrupted run ends in other bits")
			}
		})
	}
}

func TestTaskErrors(t *testing.T) {
	for _, c := range []struct {
		edit func(*config.Config)
		want string
	}{
		{func(c *config.Config) { c.Task = "regress" }, `is no number, which regress takes`},
		{func(c *config.Config) { c.Task, c.ClassWeights = "ctc", "balanced" }, "has no classes"},
		{func(c *config.Config) { c.Task, c.LabelSmoothing = "ctc", 0.1 }, "nothing to smooth"},
		{func(c *config.Config) { c.Task = "lm" }, "its examples are no texts"},
	} {
		cfg := tinyConfig(t)
		c.edit(&cfg)
		if _, err := Prepare(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}
