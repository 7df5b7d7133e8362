package trials

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

func TestMain(m *testing.M) {
	os.Setenv("PERMAFROST_CACHE", "off")
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// small are the options of a search on a tiny model and pictures.
func small(t *testing.T, file string) Options {
	t.Helper()
	dir := t.TempDir()
	must(t, fixture.WriteModel(filepath.Join(dir, "tiny.onnx"), 3, 1))
	must(t, fixture.WritePictures(filepath.Join(dir, "photos", "train"), 12, 3, 1))
	must(t, fixture.WritePictures(filepath.Join(dir, "photos", "val"), 4, 3, 2))
	c := config.DefaultConfig()
	c.Model, c.Data, c.Out, c.Epochs = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "photos"), filepath.Join(dir, "found"), 4
	o := Options{Config: c, Algorithm: "tpe", Objectives: []Objective{Accuracy}}
	if file != "" {
		o.Space = []byte(file)
	}
	return o
}

const twoDepths = "thaw: [head, \"last:1\"]\nlr: {log: [1e-4, 1e-1]}\n"

func searched(t *testing.T, o Options) *Search {
	t.Helper()
	s, err := New(t.Context(), o)
	must(t, err)
	must(t, s.Run(t.Context()))
	return s
}

// told is what a search found, without times.
func told(s *Search) []Entry {
	out := s.Record().Trials()
	for i, e := range out {
		of := *e.Outcome
		of.Seconds, of.LatencyMS = 0, 0
		out[i].At, out[i].Outcome = out[i].At.Truncate(0), &of
		out[i] = Entry{Trial: e.Trial, Rung: e.Rung, Point: e.Point, Outcome: &of}
	}
	return out
}

// TestResume: a search that is stopped after any number of results and resumed finds what one finds
// that was never stopped, and runs nothing again.
func TestResume(t *testing.T) {
	o := small(t, twoDepths)
	o.Trials = 18 // with rungs
	whole := searched(t, o)
	if len(told(whole)) != 18 || len(whole.Header.Rungs) == 0 || len(whole.Record().whole()) >= 18 {
		t.Fatalf("%d trials, %d went all the way", len(told(whole)), len(whole.Record().whole()))
	}
	want, err := whole.Record().Best()
	must(t, err)
	for _, after := range []int{0, 1, 7, 20} {
		o := o
		o.Config.Out += string(rune('a' + after))
		ctx, stop := context.WithCancel(t.Context())
		ran := 0
		o.Ended = func(Entry) {
			if ran++; ran > after {
				stop()
			}
		}
		s, err := New(ctx, o)
		must(t, err)
		if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after %d results: %v", after, err)
		}
		o.Resume, o.Ended = true, nil
		again := 0
		o.Started = func(Entry) { again++ }
		s = searched(t, o)
		if !reflect.DeepEqual(told(s), told(whole)) {
			t.Errorf("stopped after %d results, the search found\n%v, else\n%v", after, told(s), told(whole))
		}
		if ran+again != len(whole.Entries) {
			t.Errorf("stopped after %d results: %d tasks ran, of %d", after, ran+again, len(whole.Entries))
		}
		if got, err := s.Record().Best(); err != nil || got.Trial != want.Trial {
			t.Errorf("the best is %d (%v), else %d", got.Trial, err, want.Trial)
		}
	}
}

// TestValidationChoosesNothing: other validation examples change neither trials nor choice.
func TestValidationChoosesNothing(t *testing.T) {
	o := small(t, twoDepths)
	o.Trials = 5
	a := searched(t, o)
	o.Config.Out += "2"
	o.Config.Val = filepath.Join(filepath.Dir(o.Config.Out), "other")
	must(t, fixture.WritePictures(o.Config.Val, 9, 3, 7))
	if b := searched(t, o); !reflect.DeepEqual(told(a), told(b)) {
		t.Errorf("%v, with other validation examples %v", told(a), told(b))
	}
}

// TestReplay: the folder of the best trial repeats it, and so do the options that the log gives, also
// where the last fit is calibrated.
func TestReplay(t *testing.T) {
	o := small(t, "thaw: [head]\nweight_decay: [0.01, 0.1]\n")
	must(t, fixture.WritePictures(filepath.Join(o.Config.Data, "train"), 24, 3, 1))
	o.Config.Calibrate = "on"
	s := searched(t, o)
	best, err := s.Record().Best()
	must(t, err)
	r, err := s.Fit(t.Context(), best)
	must(t, err)
	c, err := config.LoadConfig(filepath.Join(r.Out, "run.yaml"))
	must(t, err)
	if best.Outcome.LR != c.LR || r.Examples != 72 {
		t.Errorf("the best trial has the rate %g, its run.yaml %g, on %d examples", best.Outcome.LR, c.LR, r.Examples)
	}
	again, err := s.Record().Replay(best.Trial)
	must(t, err)
	for i, c := range []config.Config{c, again} {
		c.Out = filepath.Join(t.TempDir(), "again")
		p, err := run.Prepare(t.Context(), c)
		must(t, err)
		must(t, p.Settle(t.Context()))
		d, err := run.CreateRunDir(c.Out, &p.Config)
		must(t, err)
		_, err = p.Fit(t.Context(), d, false)
		must(t, err)
		a, err := os.ReadFile(filepath.Join(r.Out, run.ModelFile))
		must(t, err)
		b, err := os.ReadFile(filepath.Join(c.Out, run.ModelFile))
		must(t, err)
		if !bytes.Equal(a, b) {
			t.Errorf("repeated by way %d, the model differs", i)
		}
	}
}

// TestLog: an unfinished last line is left out; any other change of a log is an error with its line.
func TestLog(t *testing.T) {
	o := small(t, twoDepths)
	o.Trials = 2
	s := searched(t, o)
	path := filepath.Join(o.Config.Out, LogFile)
	b, err := os.ReadFile(path)
	must(t, err)
	_, entries, _, err := ReadLog(path)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d entries (%v)", len(entries), err)
	}
	for cut := 1; cut < 40; cut += 6 {
		must(t, os.WriteFile(path, b[:len(b)-cut], 0o644))
		if _, entries, _, err := ReadLog(path); err != nil || len(entries) != 3 {
			t.Errorf("%d bytes cut off: %d entries (%v)", cut, len(entries), err)
		}
		o := o
		o.Resume = true
		if got := searched(t, o); !reflect.DeepEqual(told(got), told(s)) {
			t.Errorf("%d bytes cut off: %v", cut, told(got))
		}
	}
	for at := 3; at < len(b)-1; at += len(b) / 17 {
		bad := bytes.Clone(b)
		if bad[at] ^= 4; bad[at] == '\n' {
			continue
		}
		must(t, os.WriteFile(path, bad, 0o644))
		if _, _, _, err := ReadLog(path); err == nil || !strings.Contains(err.Error(), ", line ") {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
}

// TestLimits: a network beyond a limit of the space is not trained.
func TestLimits(t *testing.T) {
	o := small(t, "head: [linear, \"mlp:512\"]\nmax_params: 3000\n")
	s := searched(t, o)
	for _, e := range s.Record().Trials() {
		v, _ := e.Point.Get("head")
		if failed := strings.Contains(e.Outcome.Failed, "max_params is 3000"); failed != (v.String() == "mlp:512") || failed != (e.Outcome.Epochs == 0) {
			t.Errorf("%v: %+v", e.Point, e.Outcome)
		}
	}
}

// TestRefused: what a space says is checked against the model before anything is written.
func TestRefused(t *testing.T) {
	for file, want := range map[string]string{
		"":                             "empty",
		"thaw: [head, \"layer9\"]\n":   "layer9",
		"attach: [auto, nowhere]\n":    "nowhere",
		"head: [tail]\n":               "tail",
		"lr: {log: [1, 0.1]}\n":        "low end",
		"lrr: [1]\n":                   "lr",
		"seed: [1, 2]\n":               "seed",
		"optimizer: [adam]\n":          "adam",
		"max_params: many\nlr: [0.1]":  "many",
		"epochs: [2.5]\n":              "2.5",
		"adapter: [\"\", \"lora:x\"]":  "lora:x",
		"thaw: [head]\nthaw: [head]\n": "thaw",

		"lr_times: [1, 2]\nlr: [0.1]\n":   "leave one of them out",
		"lr_times: [0, 2]\n":              "0",
		"cut: [nowhere, none]\n":          `no block "nowhere"; it can end behind blocks.0`,
		"skip: [none, blocks.1]\n":        "none of the model's blocks can",
		"head: [\"mlp:4,x\"]\n":           "mlp:4,x",
		"head_dropout: {float: [0, 1]}\n": "head_dropout",
		"attach: [auto, blocks.0]\ncut: [none, blocks.0]\n": `cut: blocks.0 with attach: blocks.0: cut: option attach says too what the head reads, and leaves out what is behind it; give one of the two; ` +
			`let one exist only beside the values of the other that allow it, as in attach: {choice: [...], when: {cut: ...}}`,

		"rank: {ordered: [0, 2], by: floor}\n":             "none of block, kind, layer",
		"rank: {ordered: [0, 2], by: kind}\n":              "no layers of which the kind is known",
		"lr: {log: [0.1, 1], by: block}\n":                 "has no parts",
		"rank: [0, 0.5]\n":                                 "0.5",
		"rank@wings: [1]\n":                                "wings",
		"rank@blocks: [1]\nrank@blocks.0: [2]\n":           "both name",
		"rank: [0, 2]\nadapter: [\"\", \"ia3\"]\n":         "say the same thing",
		"rank: {ordered: [0, 2], by: block, when: {a: 1}}": "no such parameter",
	} {
		o := small(t, file)
		if file == "" {
			o.Space = []byte{}
		}
		_, err := New(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
		if _, err := os.Stat(o.Config.Out); err == nil {
			t.Errorf("%q: %s was written", file, o.Config.Out)
		}
	}
}

// TestOtherSearch: a search is not resumed as another, and not written over.
func TestOtherSearch(t *testing.T) {
	o := small(t, twoDepths)
	o.Trials = 2
	searched(t, o)
	if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "holds another search") {
		t.Error(err)
	}
	o.Resume = true
	other := filepath.Join(filepath.Dir(o.Config.Out), "other")
	must(t, fixture.WritePictures(other, 12, 3, 8))
	for want, change := range map[string]func(o *Options){
		"another trials":        func(o *Options) { o.Trials = 3 },
		"another space":         func(o *Options) { o.Space = []byte("thaw: [head]\n") },
		"another algorithm":     func(o *Options) { o.Algorithm = "random" },
		"another seed":          func(o *Options) { o.Config.Seed = 9 },
		"another options":       func(o *Options) { o.Config.Epochs = 3 },
		"another training data": func(o *Options) { o.Config.Data = other },
	} {
		o := o
		change(&o)
		if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestWarmStart: what an earlier search has tried is known and not tried again.
func TestWarmStart(t *testing.T) {
	o := small(t, "thaw: [head, \"last:1\", all]\n")
	first := searched(t, o)
	o.WarmStart = o.Config.Out
	o.Config.Out += "2"
	o.Space = []byte("thaw: [head, \"last:1\", all]\nhead: [linear, \"mlp:4\"]\n")
	if s := searched(t, o); len(s.Record().Trials()) != 6 || len(s.plan.Known) != 0 {
		t.Errorf("%d trials with %d known of %d: points of the old space have no head", len(s.Record().Trials()), len(s.plan.Known), len(first.Record().Trials()))
	}
	o.Config.Out += "3"
	o.Space = []byte("thaw: [head, \"last:1\", all, \"first:1\"]\n")
	if s := searched(t, o); len(s.Record().Trials()) != 1 || len(s.plan.Known) != 3 {
		t.Errorf("%d trials with %d known, want 1 with 3", len(s.Record().Trials()), len(s.plan.Known))
	}
}

// TestRanks: one line of a space makes a rank for each part of the network. A point of it is an
// adapter by layer, and none where all ranks are 0.
func TestRanks(t *testing.T) {
	o := small(t, "rank: {ordered: [0, 1, 2], by: block, when: {thaw: head}}\nadapter_alpha: {choice: [2], when: {thaw: head}}\nthaw: [head, \"last:1\"]\n")
	o.Trials = 3
	s := searched(t, o)
	var names []string
	for _, p := range s.Space.Params() {
		names = append(names, p.Name)
	}
	if !reflect.DeepEqual(names, []string{"thaw", "rank@blocks.0", "rank@blocks.1", "adapter_alpha"}) {
		t.Errorf("the space has %v", names)
	}
	point := func(first, second float64) space.Point {
		return space.NewPoint(space.Setting{Name: "thaw", Value: space.Text("head")},
			space.Setting{Name: "rank@blocks.0", Value: space.Number(first)}, space.Setting{Name: "rank@blocks.1", Value: space.Number(second)},
			space.Setting{Name: "adapter_alpha", Value: space.Number(2)})
	}
	for _, c := range []struct {
		point space.Point
		want  string
	}{
		{point(1, 2), "lora:1@blocks.0+lora:2@blocks.1"},
		{point(0, 2), "lora:2@blocks.1"},
		{point(0, 0), ""},
		{space.NewPoint(space.Setting{Name: "rank", Value: space.Number(1)}, space.Setting{Name: "rank@blocks.0", Value: space.Number(0)}, space.Setting{Name: "adapter_alpha", Value: space.Number(2)}), "lora:1+none@blocks.0"},
	} {
		got, err := Apply(config.DefaultConfig(), c.point)
		if err != nil || got.Adapter != c.want || (got.AdapterAlpha == 0) != (c.want == "") {
			t.Errorf("%v: adapter %q, alpha %g (%v), want %q", c.point, got.Adapter, got.AdapterAlpha, err, c.want)
		}
		if _, err := s.Bench.prepare(c.point, s.Session.Train, s.Session.Val); err != nil {
			t.Errorf("%v: %v", c.point, err)
		}
	}
	r, err := ReadRecord(o.Config.Out)
	must(t, err)
	if _, err := r.Replay(2); err != nil {
		t.Error(err)
	}
	o.Resume = true
	if again := searched(t, o); !reflect.DeepEqual(told(again), told(s)) {
		t.Errorf("resumed to %v, it was %v", told(again), told(s))
	}
}

// TestGiven: what the user gives is no parameter of the default space, and contradicts one of a file.
func TestGiven(t *testing.T) {
	names := func(o Options) (out []string) {
		s, err := New(t.Context(), o)
		must(t, err)
		for _, p := range s.Space.Params() {
			out = append(out, p.Name)
		}
		return out
	}
	o := small(t, "")
	if got := names(o); !reflect.DeepEqual(got, []string{"thaw", "adapter", "head", "attach", "lr_times"}) {
		t.Errorf("the default space has %v", got)
	}
	o.Config.Thaw = []string{"last:1"}
	if got := names(o); !reflect.DeepEqual(got, []string{"lr_times"}) {
		t.Errorf("with a plan given the default space has %v", got)
	}
	o.Config.LR = 0.01
	if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "nothing is left to search") {
		t.Error(err)
	}
	o.Space = []byte("lr: [0.1, 0.2]\n")
	if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "leave one of the two out") {
		t.Error(err)
	}
}

// TestKnown: every option of a fit is a parameter, or shared by all trials, and takes its own
// default.
func TestKnown(t *testing.T) {
	names := map[string]bool{}
	for _, k := range Known(nil) {
		names[k.Name] = true
	}
	for _, name := range common {
		if names[name] {
			t.Errorf("%s is searched for and shared", name)
		}
	}
	c := config.DefaultConfig()
	got, err := Apply(c, space.NewPoint(space.Setting{Name: "thaw", Value: space.List("head", "last:2")}, space.Setting{Name: "lr", Value: space.Number(0.25)},
		space.Setting{Name: "attach", Value: space.Text("auto")}, space.Setting{Name: "nesterov", Value: space.Truth(true)}))
	if err != nil || !reflect.DeepEqual(got.Thaw, []string{"head", "last:2"}) || got.LR != 0.25 || len(got.Attach) != 0 || !got.Nesterov {
		t.Errorf("%+v (%v)", got, err)
	}
}

// TestDefaultSpace: every point of a default space can be fitted; cuts and skipped blocks are in it
// where an objective is about the model in use, and not where the user said what is left of it.
func TestDefaultSpace(t *testing.T) {
	for name, c := range map[string]struct {
		objectives []Objective
		change     func(c *config.Config)
		want       []string
	}{
		"accuracy alone":        {[]Objective{Accuracy}, nil, []string{"thaw", "head", "attach", "lr_times"}},
		"latency":               {[]Objective{Accuracy, Latency}, nil, []string{"thaw", "cut", "skip", "head", "attach", "lr_times"}},
		"size":                  {[]Objective{Bytes, Accuracy}, nil, []string{"thaw", "cut", "skip", "head", "attach", "lr_times"}},
		"training time":         {[]Objective{Accuracy, TrainSeconds}, nil, []string{"thaw", "head", "attach", "lr_times"}},
		"a cut given":           {[]Objective{Accuracy, Latency}, func(c *config.Config) { c.Cut = "last:2" }, []string{"thaw", "head", "lr_times"}},
		"blocks given":          {[]Objective{Accuracy, Latency}, func(c *config.Config) { c.Skip = []string{"blocks.3"} }, []string{"thaw", "cut", "head", "attach", "lr_times"}},
		"a head given":          {[]Objective{Accuracy}, func(c *config.Config) { c.Head = "mlp:5" }, []string{"thaw", "attach", "lr_times"}},
		"the model's own":       {[]Objective{Accuracy, Latency}, func(c *config.Config) { c.Head = "keep" }, []string{"thaw", "lr_times"}},
		"the head alone":        {[]Objective{Accuracy, Latency}, func(c *config.Config) { c.Thaw = []string{"head"} }, []string{"cut", "skip", "head", "attach", "lr_times"}},
		"a deeper plan":         {[]Objective{Accuracy, Latency}, func(c *config.Config) { c.Thaw = []string{"last:1"} }, []string{"cut", "skip", "lr_times"}},
		"a value that it reads": {[]Objective{Accuracy, Latency}, func(c *config.Config) { c.Attach = []string{"blocks.4"} }, []string{"thaw", "head", "lr_times"}},
	} {
		o := small(t, "")
		must(t, fixture.WriteChain(o.Config.Model, 6, 3, 1))
		o.Objectives = c.objectives
		if c.change != nil {
			c.change(&o.Config)
		}
		s, err := New(t.Context(), o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var names []string
		for _, p := range s.Space.Params() {
			names = append(names, p.Name)
		}
		if !reflect.DeepEqual(names, c.want) {
			t.Errorf("%s: the space has %v, want %v", name, names, c.want)
		}
		for k := range 6 {
			p, err := s.Space.Complete(space.NewPoint(), random.For(1, random.Search, k))
			must(t, err)
			if err := s.Bench.allows(p); err != nil {
				t.Errorf("%s: %v: %v", name, p, err)
			}
		}
	}
}
