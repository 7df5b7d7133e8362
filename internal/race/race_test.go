package race

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/choose"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
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
	if !strings.Contains(a.Why, "nothing deeper was tried") || len(a.Trials) > minFolds {
		t.Errorf("%d trials where there is nothing to gain: %s", len(a.Trials), a.Why)
	}
}

// TestDeepWins: where the frozen trunk falls short the race thaws it, within its share of the
// grid's work, gains by it, tells the whole race, and leaves a run that its run.yaml repeats to the
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
	if !strings.Contains(a.Text, "against") || !strings.Contains(a.Text, "head alone on") || !strings.Contains(a.Why, "falls short") {
		t.Errorf("text %q why %q", a.Text, a.Why)
	}
	b, err := os.ReadFile(filepath.Join(cfg.Out, File))
	must(t, err)
	var written Report
	must(t, json.Unmarshal(b, &written))
	if !reflect.DeepEqual(written.Trials, a.Trials) || len(a.Trials) < 5 {
		t.Errorf("race.json has %d trials, the race %d", len(written.Trials), len(a.Trials))
	}
	log, err := os.ReadFile(filepath.Join(cfg.Out, run.EventsFile))
	must(t, err)
	if n := strings.Count(string(log), `"type":"trial"`); n != len(a.Trials) || strings.Count(strings.Join(events, " "), "trial") != n || !strings.Contains(string(log), `"type":"choice"`) {
		t.Errorf("%d trials in the log, %d in the race", n, len(a.Trials))
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
		t.Errorf("with other validation answers, and one thread, the race is another:\n%+v\n%+v", a, s)
	}
	if swapped.ValAccuracy > 0.5 {
		t.Errorf("accuracy %g on wrong answers", swapped.ValAccuracy)
	}
}

// fit is a fit without a race.
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

// TestInterrupted: a race that is cut off leaves nothing.
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
	if _, err := os.Stat(cfg.Out); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
}

// TestBudget: time is the limit where one is given.
func TestBudget(t *testing.T) {
	cfg := blind(t, 20)
	cfg.Auto, cfg.Budget = true, time.Nanosecond
	r, err := Fit(context.Background(), cfg, run.Sets{})
	must(t, err)
	a := r.Auto.(*Report)
	if a.Limit != 0 || a.Parts != minFolds {
		t.Errorf("limit %g, %d parts", a.Limit, a.Parts)
	}
	for _, x := range a.Trials {
		if x.Round > 0 || x.Part > 0 {
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

func TestPaired(t *testing.T) {
	for _, test := range []struct {
		a, b      []float64
		mean, dev float64
	}{
		{[]float64{1, 1, 1, 1}, []float64{1, 1, 1, 1}, 0, 0},
		{[]float64{1, 1, 1, 1}, []float64{0, 1, 1, 1}, 0.25, 0.25},
		{[]float64{1, 0}, []float64{0, 1}, 0, 1},
		{[]float64{1}, []float64{0}, 1, math.Inf(1)},
		{nil, nil, 0, math.Inf(1)},
	} {
		mean, dev := paired(test.a, test.b)
		if math.Abs(mean-test.mean) > 1e-12 || dev != test.dev && math.Abs(dev-test.dev) > 1e-12 {
			t.Errorf("%v - %v: %g with error %g, want %g with %g", test.a, test.b, mean, dev, test.mean, test.dev)
		}
	}
}

// TestPick: a costlier plan has to win by more than half the error of the difference; a departure
// from the recipe clearly; a smaller loss decides where answers do not.
func TestPick(t *testing.T) {
	of := func(cost float64, headOnly bool, right int, loss float64) *candidate {
		c := &candidate{fitWork: cost, headOnly: headOnly, rate: 1, scores: [][]float64{nil, make([]float64, 100)}, losses: [][]float64{nil, make([]float64, 100)}}
		for i := range right {
			c.scores[1][i] = 1
		}
		for i := range c.losses[1] {
			c.losses[1][i] = loss + 0.001*float64(i%3)*loss
		}
		return c
	}
	head, last, all := of(1, true, 90, 0.5), of(2, false, 95, 0.5), of(3, false, 95, 0.5)
	for _, c := range []*candidate{last, all} {
		// right five times where the head is wrong, and wrong four times where it is right
		copy(c.scores[1], make([]float64, 4))
	}
	if got := pick([]*candidate{all, last, head}); got != head {
		t.Errorf("five answers gained and four lost of 100 beat the head: %+v", got.name())
	}
	if got := pick([]*candidate{head, of(2, false, 90, 0.4)}); got == head {
		t.Error("as many right answers and a clearly smaller loss do not beat the head")
	}
	last, all = of(2, false, 95, 0.5), of(3, false, 95, 0.2)
	if got := pick([]*candidate{head, last, all}); got != all {
		t.Errorf("a smaller loss does not tell deep plans apart: %+v", got)
	}
	if got := pick([]*candidate{head, last, of(3, false, 94, 0.2)}); got != last {
		t.Errorf("a smaller loss makes up for a wrong answer: %+v", got)
	}
	fast := of(2, false, 97, 0.5)
	if got := pick([]*candidate{head, last, fast}); got != last {
		t.Errorf("another rate that is not clearly better wins: %+v", got)
	}
	if got := pick([]*candidate{head, last, of(2, false, 100, 0.5)}); got == last {
		t.Error("another rate that is clearly better does not win")
	}
}

// TestTried: the more answers a deep plan gets wrong that the head gets right, the less is thawed.
func TestTried(t *testing.T) {
	of := func(thaw string, right int) *candidate {
		c := &candidate{thaw: []string{"head", thaw}, scores: [][]float64{make([]float64, 100)}}
		for i := range right {
			c.scores[0][i] = 1
		}
		return c
	}
	s, err := run.Prepare(t.Context(), blind(t, 20))
	must(t, err)
	r := &race{session: s}
	head, least := of("head", 90), of("last:1", 0)
	for _, test := range []struct {
		right     int
		want, why string
	}{{95, "all", ""}, {90, "all", "neither is clearly better"}, {89, "all", "neither is clearly better"}, {87, "last:1", "likely, not certain"}, {85, "head", ""}} {
		r.reason = ""
		if got := r.afterTrial(head, of("all", test.right), least); got.name() != test.want || !strings.Contains(r.reason, test.why) || test.why == "" && r.reason != "" {
			t.Errorf("%d of 100 against 90 for the head: %s (%s), want %s", test.right, got.name(), r.reason, test.want)
		}
	}
}

// TestClimb: a plan that is clearly better than the head is held against the next that computes
// more, on the parts that it was measured on, and gives way to it where that is worth more. One
// that is not is taken as it is.
func TestClimb(t *testing.T) {
	cfg := blind(t, 20)
	s, err := run.Prepare(t.Context(), cfg)
	must(t, err)
	for _, test := range []struct {
		head, deep float64 // score of each example of the first part
		want       string
		trials     int
	}{{0, 1, "last:1", 1}, {0, 0.5, "all", 1}, {1, 1, "last:1", 0}} {
		r, err := newRace(s, cfg, nil, func(report.Event) {})
		must(t, err)
		r.report, r.limit = &Report{}, 1e12
		made := func(thaw string, score float64) *candidate {
			c, err := r.candidate([]string{"head", thaw}, 1, false)
			must(t, err)
			c.scores, c.losses, c.each = make([][]float64, len(r.folds)), make([][]float64, len(r.folds)), make([][]*task.Metrics, len(r.folds))
			for fold := range r.folds { // so that it need not be measured anywhere
				c.share, c.scores[fold], c.losses[fold] = 1, slices.Repeat([]float64{score}, len(r.folds[fold])), make([]float64, len(r.folds[fold]))
			}
			return c
		}
		all, err := r.candidate([]string{"head", "all"}, 1, false)
		must(t, err)
		deep := made("last:1", test.deep)
		got, err := r.tryDeeper(t.Context(), deep, made("head", test.head), []*candidate{deep, all})
		must(t, err)
		if got.name() != test.want || (len(r.report.Trials) > 0) != (test.trials > 0) {
			t.Errorf("head %g, last:1 %g: %s after %d trials, want %s", test.head, test.deep, got.name(), len(r.report.Trials), test.want)
		}
	}
}

// TestHeed: sure advice is followed without a race; on few examples the deeper plan of the highest
// score stands for all, and is tried against the head where advice is not sure.
func TestHeed(t *testing.T) {
	for _, test := range []struct {
		name       string
		cfg        config.Config
		thaw, sure string
		deep       bool
		why        string
		trials     string // of deeper plans, in order
	}{
		{"sure of the head", blind(t, 20), "head", "high", false, "sure that the frozen trunk suits", ""},
		{"sure of thawing", blind(t, 20), "all", "medium", true, "too few for a race to tell deeper plans apart", ""},
		{"unsure", blind(t, 20), "head", "low", true, "", "all"},
	} {
		s, err := run.Prepare(t.Context(), test.cfg)
		must(t, err)
		r, err := newRace(s, test.cfg, nil, func(report.Event) {})
		must(t, err)
		r.report = &Report{}
		advice := &choose.Advice{Depths: make([]choose.DepthEvidence, 1), Recommended: choose.Recommendation{Thaw: test.thaw, Sure: test.sure},
			Candidates: []choose.Candidate{{Thaw: "head", Score: 0.5}, {Thaw: "head,last:1", Score: 0.6}, {Thaw: "all", Score: 0.7}, {Thaw: "head,kind:adapter", Adapter: "ia3", Score: 0.9}}}
		field, err := r.enter(r.ladder(advice))
		must(t, err)
		winner, err := r.followAdvice(t.Context(), advice, field)
		must(t, err)
		if winner == nil || winner.headOnly == test.deep {
			t.Fatalf("%s: %+v", test.name, winner)
		}
		r.conclude(winner)
		var trials []string
		for _, x := range r.report.Trials {
			if name := x.Thaw[len(x.Thaw)-1]; name != "head" && !slices.Contains(trials, name) {
				trials = append(trials, name)
			}
		}
		if strings.Join(trials, " ") != test.trials || !strings.Contains(r.report.Why, test.why) || r.report.Text == "" {
			t.Errorf("%s: trials of %v: %s. %s", test.name, trials, r.report.Text, r.report.Why)
		}
		if test.deep && winner.name() != "all" {
			t.Errorf("%s: %s was taken", test.name, winner.name())
		}
	}
}

// TestPassedOver: a rate or start of the same plan that scored more and was not taken is named.
func TestPassedOver(t *testing.T) {
	s, err := run.Prepare(t.Context(), blind(t, 20))
	must(t, err)
	of := func(rate float64, right int) *candidate {
		c := &candidate{thaw: []string{"head", "last:1"}, rate: rate, cfg: s.Config, share: 1, scores: [][]float64{make([]float64, 100)}}
		c.cfg.LR = rate
		for i := range right {
			c.scores[0][i] = 1
		}
		return c
	}
	winner := of(0.01, 95)
	for _, test := range []struct {
		other *candidate
		want  string
	}{
		{of(0.0033, 96), "At a rate of 0.0033 it scored 1.0 points more, with an error of 1.0 points"},
		{of(0.0033, 95), ""},
		{of(0.03, 90), ""},
	} {
		r := &race{session: s, field: []*candidate{winner, test.other}}
		if got := strings.Join(r.passedOver(winner), " "); !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
