package auto

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// colours is a fit of the tiny model to pictures whose classes a linear head tells apart.
func colours(t *testing.T) config.Config {
	t.Helper()
	dir := t.TempDir()
	c := config.DefaultConfig()
	c.Model, c.Data, c.Cache = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "photos"), "ram"
	must(t, fixture.WriteModel(c.Model, 3, 1))
	must(t, fixture.WritePictures(filepath.Join(c.Data, "train"), 12, 3, 1))
	must(t, fixture.WritePictures(filepath.Join(c.Data, "val"), 6, 3, 2))
	return c
}

// blind is a fit of a model whose first layer does not see blue to classes that differ in it alone:
// bright and dark.
func blind(t *testing.T, each int) config.Config {
	t.Helper()
	c := colours(t)
	g := fixture.Graph(3, 1)
	for _, p := range g.Params() {
		if p.Name == "blocks.0.conv.weight" {
			for i, w := range p.Data.F32() {
				if i/9%3 == 2 { // [K,C,3,3]
					w = 0
				}
				p.Data.F32()[i] = w
			}
		}
	}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	must(t, err)
	must(t, os.WriteFile(c.Model, b, 0o666))
	c.Data = t.TempDir()
	r := rand.New(rand.NewPCG(5, 6))
	for _, part := range []string{"train", "val"} {
		for class, name := range []string{"dark", "bright"} {
			dir := filepath.Join(c.Data, part, name)
			must(t, os.MkdirAll(dir, 0o777))
			for i := range each {
				m := image.NewNRGBA(image.Rect(0, 0, fixture.Side, fixture.Side))
				for k := 0; k < len(m.Pix); k += 4 {
					copy(m.Pix[k:], []byte{byte(r.IntN(256)), byte(r.IntN(256)), byte(80*class + r.IntN(150)), 255})
				}
				f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%03d.png", i)))
				must(t, err)
				must(t, png.Encode(f, m))
				must(t, f.Close())
			}
		}
	}
	return c
}

func TestHeadWins(t *testing.T) {
	r, err := Fit(context.Background(), colours(t), run.Sets{})
	must(t, err)
	a := r.Auto.(*Report)
	if !reflect.DeepEqual(a.Thaw, []string{"head"}) || r.ValAccuracy < 0.99 {
		t.Errorf("thawed %v, accuracy %g: %s", a.Thaw, r.ValAccuracy, a.Text)
	}
	deep := 0.0
	for _, x := range a.Candidates {
		if x.Share > 0 && !reflect.DeepEqual(x.Thaw, []string{"head"}) {
			deep += x.Share
		}
	}
	if deep > 1 {
		t.Errorf("deep plans trained for %g times their epochs where there is nothing to gain: %s", deep, a.Why)
	}
}

// TestDeepWins: where the frozen trunk falls short the search thaws it, within its share of the
// grid's work, gains by it, tells all trials, and leaves a run that its run.yaml repeats to the
// same bits. Other answers of the validation examples change nothing.
func TestDeepWins(t *testing.T) {
	cfg := blind(t, 52)
	head, err := fit(t, cfg)
	must(t, err)
	cfg.Auto, cfg.Out = true, filepath.Join(t.TempDir(), "run")
	var events []string
	r, err := Fit(context.Background(), cfg, run.Sets{}, sink(func(e report.Event) { events = append(events, e.Type()) }))
	must(t, err)
	a := r.Auto.(*Report)
	if reflect.DeepEqual(a.Thaw, []string{"head"}) || r.ValAccuracy < head.ValAccuracy+0.05 {
		t.Errorf("thawed %v: accuracy %g, the head alone %g: %s", a.Thaw, r.ValAccuracy, head.ValAccuracy, a.Text)
	}
	if a.Work <= 0 || a.Work > a.Limit || a.Grid <= 0 {
		t.Errorf("work %.3g of a grid of %.3g", a.Work, a.Grid)
	}
	if !strings.Contains(a.Text, "against") || !strings.Contains(a.Text, "the head alone") || !strings.Contains(a.Why, "the better of the two") {
		t.Errorf("text %q why %q", a.Text, a.Why)
	}
	b, err := os.ReadFile(filepath.Join(cfg.Out, File))
	must(t, err)
	var written Report
	must(t, json.Unmarshal(b, &written))
	if !reflect.DeepEqual(written.Trials, a.Trials) || len(a.Trials) < 5 {
		t.Errorf("race.json has %d trials, the search %d", len(written.Trials), len(a.Trials))
	}
	log, err := os.ReadFile(filepath.Join(cfg.Out, run.EventsFile))
	must(t, err)
	if n := strings.Count(string(log), `"type":"trial"`); n != len(a.Trials) || strings.Count(strings.Join(events, " "), "trial") != n || !strings.Contains(string(log), `"type":"choice"`) {
		t.Errorf("%d trials in the log, %d in the search", n, len(a.Trials))
	}

	replay, err := config.LoadConfig(filepath.Join(cfg.Out, run.RunFile))
	must(t, err)
	if replay.Auto || !reflect.DeepEqual(replay.Thaw, a.Thaw) || replay.LR != a.LR || replay.Epochs != a.Epochs {
		t.Errorf("run.yaml holds %+v, chosen was %+v", replay, a)
	}
	replay.Out = filepath.Join(t.TempDir(), "again")
	_, err = fit(t, replay)
	must(t, err)
	one, err := os.ReadFile(filepath.Join(cfg.Out, run.ModelFile))
	must(t, err)
	two, err := os.ReadFile(filepath.Join(replay.Out, run.ModelFile))
	must(t, err)
	if string(one) != string(two) {
		t.Error("run.yaml does not repeat the fit to the same bits")
	}

	must(t, os.Rename(filepath.Join(cfg.Data, "val", "dark"), filepath.Join(cfg.Data, "val", "swap")))
	must(t, os.Rename(filepath.Join(cfg.Data, "val", "bright"), filepath.Join(cfg.Data, "val", "dark")))
	must(t, os.Rename(filepath.Join(cfg.Data, "val", "swap"), filepath.Join(cfg.Data, "val", "bright")))
	cfg.Out, cfg.Threads = "", 1
	swapped, err := Fit(context.Background(), cfg, run.Sets{})
	must(t, err)
	s := swapped.Auto.(*Report)
	for _, x := range []*Report{a, s} {
		x.Seconds = 0
		for i := range x.Trials {
			x.Trials[i].Seconds = 0
		}
	}
	if !reflect.DeepEqual(a, s) {
		t.Errorf("with other validation answers, and one thread, the search is another:\n%+v\n%+v", a, s)
	}
	if swapped.ValAccuracy > 0.5 {
		t.Errorf("accuracy %g on wrong answers", swapped.ValAccuracy)
	}
}

// fit is a fit without a search.
func fit(t *testing.T, cfg config.Config) (*run.Result, error) {
	t.Helper()
	s, err := run.Prepare(context.Background(), cfg)
	must(t, err)
	if cfg.Out == "" {
		return s.Fit(context.Background(), nil, false)
	}
	dir, err := run.CreateRunDir(cfg.Out, &s.Config)
	must(t, err)
	return s.Fit(context.Background(), dir, false)
}

type sink func(report.Event)

func (s sink) Emit(_ time.Time, e report.Event) { s(e) }

// TestInterrupted: a search that is cut off leaves the head's run, whole.
func TestInterrupted(t *testing.T) {
	cfg := blind(t, 20)
	cfg.Out = filepath.Join(t.TempDir(), "run")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	_, err := Fit(ctx, cfg, run.Sets{}, sink(func(e report.Event) {
		if e.Type() == "trial" {
			stop()
		}
	}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	left, err := config.LoadConfig(filepath.Join(cfg.Out, run.RunFile))
	must(t, err)
	if !reflect.DeepEqual(left.Thaw, []string{"head"}) {
		t.Errorf("the run left is of %v", left.Thaw)
	}
	head := left
	head.Out = filepath.Join(t.TempDir(), "head")
	_, err = fit(t, head)
	must(t, err)
	if !bytes.Equal(read(t, cfg.Out, run.ModelFile), read(t, head.Out, run.ModelFile)) {
		t.Error("the model left is not the head's")
	}
}

func read(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	must(t, err)
	return b
}

// TestInterruptedFit: where the last fit is cut off, the folder holds a whole run, of the best so
// far.
func TestInterruptedFit(t *testing.T) {
	for _, after := range []int{1, 8} {
		cfg := blind(t, 52)
		cfg.Out = filepath.Join(t.TempDir(), "run")
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		epochs, chosen := 0, false
		_, err := Fit(ctx, cfg, run.Sets{}, sink(func(e report.Event) {
			chosen = chosen || e.Type() == "choice"
			if chosen && e.Type() == "epoch" {
				if epochs++; epochs == after {
					stop()
				}
			}
		}))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		for _, name := range []string{run.ModelFile, run.SealFile, run.DeltaFile, File} {
			if len(read(t, cfg.Out, name)) == 0 {
				t.Errorf("no %s", name)
			}
		}
		if log := string(read(t, cfg.Out, run.EventsFile)); strings.Count(log, `"type":"run_end"`) != 1 || !strings.Contains(log, `"type":"choice"`) {
			t.Errorf("the log after %d epochs does not tell one run", after)
		}
	}
}

// TestBudget: time is the limit where one is given.
func TestBudget(t *testing.T) {
	cfg := blind(t, 20)
	cfg.Auto, cfg.Budget = true, time.Nanosecond
	r, err := Fit(context.Background(), cfg, run.Sets{})
	must(t, err)
	a := r.Auto.(*Report)
	if a.Limit != 0 || a.Parts != 2*fewFolds {
		t.Errorf("limit %g, %d parts", a.Limit, a.Parts)
	}
	for _, x := range a.Trials {
		if !reflect.DeepEqual(x.Thaw, []string{"head"}) {
			t.Errorf("a trial after the time was over: %+v", x)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		edit func(*config.Config)
		want string
	}{
		{func(c *config.Config) { c.Thaw = []string{"last:1"} }, "leave option thaw last:1 out"},
		{func(c *config.Config) { c.Schedule = "gradual" }, "leave option schedule gradual out"},
		{func(c *config.Config) { c.Adapter = "lora:4" }, "leave option adapter lora:4 out"},
	} {
		c := config.DefaultConfig()
		test.edit(&c)
		if err := Check(&c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}

// TestFew: with too few examples to compare plans on, the head is taken and said why.
func TestFew(t *testing.T) {
	cfg := colours(t)
	cfg.Data = t.TempDir()
	must(t, fixture.WritePictures(filepath.Join(cfg.Data, "train"), 2, 3, 1))
	must(t, fixture.WritePictures(filepath.Join(cfg.Data, "val"), 2, 3, 2))
	r, err := Fit(context.Background(), cfg, run.Sets{})
	must(t, err)
	if a := r.Auto.(*Report); !reflect.DeepEqual(a.Thaw, []string{"head"}) || !strings.Contains(a.Why, "too few") {
		t.Errorf("%+v", a)
	}
}

// TestTasks: candidates are compared by the metric of any task.
func TestTasks(t *testing.T) {
	for label, metric := range map[string]func(class int) string{
		"rmse":     func(class int) string { return fmt.Sprint(10*class - 3) },
		"macro_f1": func(class int) string { return []string{"warm|bright", "cold|bright", "cold"}[class] },
		"accuracy": func(class int) string { return fixture.Classes[class] },
	} {
		dir := t.TempDir()
		cfg := config.DefaultConfig()
		cfg.Model, cfg.Data, cfg.Cache, cfg.Epochs = filepath.Join(dir, "text.onnx"), dir, "ram", 4
		cfg.Task = map[string]string{"rmse": "regress", "macro_f1": "multilabel"}[label]
		must(t, fixture.WriteTextModel(cfg.Model, false, 1))
		must(t, fixture.WriteTexts(dir, 20, 2))
		for _, part := range []string{"train.csv", "val.csv"} {
			b, err := os.ReadFile(filepath.Join(dir, part))
			must(t, err)
			text := string(b)
			for class, name := range fixture.Classes {
				text = strings.ReplaceAll(text, ","+name+"\n", ","+metric(class)+"\n")
			}
			must(t, os.WriteFile(filepath.Join(dir, part), []byte(text), 0o666))
		}
		r, err := Fit(context.Background(), cfg, run.Sets{})
		must(t, err)
		a := r.Auto.(*Report)
		if a.Metric != label || len(a.Trials) < 5 || !strings.Contains(a.Text, map[string]string{"rmse": "rmse", "macro_f1": "macro F1", "accuracy": "%"}[label]) {
			t.Errorf("%s: by %s, %d trials: %s", label, a.Metric, len(a.Trials), a.Text)
		}
		for _, x := range a.Trials {
			if x.Score == nil || label == "rmse" && *x.Score > 0 {
				t.Errorf("%s: %+v", label, x)
			}
		}
	}
}
