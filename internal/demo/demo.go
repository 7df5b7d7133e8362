// Package demo tells the whole story of Permafrost in under a minute, without network or files: a
// small model that knows Latin letters learns Greek and Cyrillic ones from a handful of pictures
// each.
//
// Model and pictures are the project's own. The pictures are letters of the Go fonts, drawn with
// random distortions from a seed (Draw); the model is a small residual network (Untrained) that
// command gen pretrained with this project's own training and that lies in the program (Model).
package demo

import (
	"cmp"
	"context"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/inspect"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/run/page"

	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// the model

//go:generate go run ./gen

// Model is the pretrained network as an ONNX file. It is a tuned file with its own record: it names
// Latin letters by itself.
//
//go:embed letters.onnx
var Model []byte

// Options of a demonstration.
type Options struct {
	Stdout io.Writer // the story, or with JSON one object
	Stderr io.Writer // progress

	Out     string // folder to write; "" takes the first of permafrost-demo, permafrost-demo-2, ... that is free
	Seed    uint64 // of pictures and training; 0 is 1
	Threads int    // 0: one a core; nothing but the times depends on it
	JSON    bool

	size *size // nil: standard
}

// size says how much is drawn and trained.
type size struct {
	latin, learn, val int // pictures of each letter: to measure the base, to learn from, to measure by
	epochs            int // 0: as many as the recipe of a plan has
	alphabets         []Alphabet
}

var standard = size{latin: 10, learn: 10, val: 30, alphabets: []Alphabet{Greek, Cyrillic}}

// thaws are the plans that are compared, by their selectors.
var thaws = []string{"head", "last:1", "all"}

// Report is what a demonstration found; its JSON form is what demo --json prints.
type Report struct {
	Out     string    `json:"out"`
	Seed    uint64    `json:"seed"`
	Threads int       `json:"threads"`
	Seconds float64   `json:"seconds"`
	PeakRSS int64     `json:"peak_rss_bytes"` // of the whole process
	Base    Base      `json:"base"`
	Runs    []Outcome `json:"runs"`
	Tamper  Tamper    `json:"tamper"`

	plans []*inspect.Inspection // by thaws
}

// Base is the model that everything starts from.
type Base struct {
	Model    string  `json:"model"`
	Params   int     `json:"params"`
	Accuracy float64 `json:"accuracy"` // on fresh Latin letters
	Examples int     `json:"examples"`
}

// Outcome is one alphabet learned under one plan.
type Outcome struct {
	Alphabet     string   `json:"alphabet"`
	Classes      int      `json:"classes"`
	Thaw         string   `json:"thaw"`
	ValAccuracy  float64  `json:"val_accuracy"`
	Examples     int      `json:"examples"`     // to learn from
	ValExamples  int      `json:"val_examples"` // to measure by
	Seconds      float64  `json:"seconds"`
	Epochs       int      `json:"epochs"`
	ParamsTotal  int      `json:"params_total"`
	ParamsThawed int      `json:"params_thawed"`
	TrainBytes   int64    `json:"train_bytes"` // the model, gradients, optimiser state and activations
	Identical    bool     `json:"identical"`   // every frozen tensor has its bytes unchanged
	Frozen       int      `json:"frozen"`      // frozen tensors compared
	Changed      []string `json:"changed"`     // frozen tensors that are not as they were
	Digest       string   `json:"frozen_digest"`
	Out          string   `json:"out"`
}

// Tamper is the proof that verification can fail: a copy of a tuned model with one bit flipped.
type Tamper struct {
	Model   string   `json:"model"`   // whose copy
	Tensor  string   `json:"tensor"`  // where the bit is
	Changed []string `json:"changed"` // what verification named
}

// teller is a demonstration under way.
type teller struct {
	Report
	size
	w   io.Writer // of the story
	log io.Writer // of progress
}

// Run tells the story and leaves its pictures, models and runs in a folder. It errors when the
// folder holds anything already, when it cannot be written, and when ctx ends.
func Run(ctx context.Context, o Options) error {
	began := time.Now()
	t := &teller{size: standard, w: o.Stdout, log: o.Stderr}
	if o.size != nil {
		t.size = *o.size
	}
	if o.JSON {
		t.w = io.Discard
	}
	defer kernel.Use(o.Threads)()
	t.Seed, t.Threads = cmp.Or(o.Seed, 1), kernel.Threads()
	var err error
	if t.Out, err = folder(o.Out); err != nil {
		return err
	}
	for _, chapter := range []func(context.Context) error{t.materials, t.plan, t.train, t.prove} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	t.Seconds, t.PeakRSS = time.Since(began).Seconds(), report.PeakRSS()
	if err := t.picture(filepath.Join(t.Out, pictureFile)); err != nil {
		return err
	}
	t.tellEnd()
	if !o.JSON {
		return nil
	}
	b, err := json.MarshalIndent(t.Report, "", "  ")
	if err != nil {
		return err
	}
	_, err = o.Stdout.Write(append(b, '\n'))
	return err
}

// The names in the folder of a demonstration.
const (
	modelFile   = "letters.onnx"
	pictureFile = "demo.png"
	runsFolder  = "runs"
)

// folder decides where a demonstration goes.
func folder(out string) (string, error) {
	if out != "" {
		entries, err := os.ReadDir(out)
		switch {
		case err == nil && len(entries) > 0:
			return "", fmt.Errorf("option out %s: it is not empty: name a new folder", out)
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return "", fmt.Errorf("option out %s: %w", out, err)
		}
		return out, nil
	}
	for n := 1; ; n++ {
		out = "permafrost-demo"
		if n > 1 {
			out = fmt.Sprintf("%s-%d", out, n)
		}
		if _, err := os.Lstat(out); errors.Is(err, os.ErrNotExist) {
			return out, nil
		}
	}
}

func (t *teller) path(parts ...string) string {
	return filepath.Join(append([]string{t.Out}, parts...)...)
}

// Material writes the model and the pictures to a folder, which must be new or empty. Seed 0 is 1.
func Material(ctx context.Context, dir string, seed uint64) error {
	if _, err := folder(dir); err != nil {
		return err
	}
	return standard.write(ctx, dir, cmp.Or(seed, 1))
}

// write writes the model and as many pictures.
func (s size) write(ctx context.Context, dir string, seed uint64) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, modelFile), Model, 0o666); err != nil {
		return err
	}
	if err := Latin.Write(filepath.Join(dir, Latin.Name), "demo", seed, s.latin); err != nil {
		return err
	}
	for _, a := range s.alphabets {
		for split, n := range map[string]int{"train": s.learn, "val": s.val} {
			if err := a.Write(filepath.Join(dir, a.Name, split), split, seed, n); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// materials writes the model and the pictures, and shows what the model knows.
func (t *teller) materials(ctx context.Context) error {
	if err := t.size.write(ctx, t.Out, t.Seed); err != nil {
		return err
	}
	t.Base.Model = t.path(modelFile)
	p, err := tuned.Open(t.Base.Model)
	if err != nil {
		return err
	}
	e, err := p.Eval(ctx, t.path(Latin.Name))
	if err != nil {
		return err
	}
	t.Base.Accuracy, t.Base.Examples = e.Accuracy, e.Examples
	t.tellMaterials()
	return nil
}

// config is that of one run: what permafrost fit would do with its --thaw.
func (t *teller) config(a Alphabet, thaw string) config.Config {
	c := config.DefaultConfig()
	c.Model, c.Data = t.Base.Model, t.path(a.Name)
	c.Thaw = []string{thaw}
	if thaw != "head" { // so few pictures make few steps an epoch
		c.Epochs, c.LR = 30, 0.003
	}
	c.Epochs, c.Seed = cmp.Or(t.epochs, c.Epochs), t.Seed
	c.Out = t.path(runsFolder, a.Name+"-"+runName(thaw))
	return c
}

// plan shows what each plan freezes, before anything is trained.
func (t *teller) plan(ctx context.Context) error {
	for _, thaw := range thaws {
		in, err := inspect.Inspect(ctx, inspect.InspectOptions{Config: t.config(t.alphabets[0], thaw), Measure: true})
		if err != nil {
			return err
		}
		t.plans = append(t.plans, in)
	}
	t.Base.Params = t.plans[0].ParamsTotal
	t.tellPlan()
	return nil
}

// train learns every alphabet under every plan.
func (t *teller) train(ctx context.Context) error {
	fmt.Fprintln(t.log, heading("Training"))
	for _, a := range t.alphabets {
		for i, thaw := range thaws {
			r, err := t.fit(ctx, a, thaw)
			if err != nil {
				return err
			}
			r.TrainBytes = t.plans[i].Predicted.TrainBytes // measured, it would depend on what earlier runs have kept
			t.Runs = append(t.Runs, *r)
		}
	}
	fmt.Fprintln(t.log)
	t.tellTable()
	return nil
}

func (t *teller) fit(ctx context.Context, a Alphabet, thaw string) (*Outcome, error) {
	cfg := t.config(a, thaw)
	s, err := run.Prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	dir, err := run.CreateRunDir(cfg.Out, &s.Config)
	if err != nil {
		return nil, err
	}
	bar := newProgress(t.log, a.Name, thaw)
	r, err := s.Fit(ctx, dir, false, bar)
	bar.end(r)
	if err != nil {
		return nil, err
	}
	if err := page.Leave(ctx, dir.Path, s, r); err != nil {
		fmt.Fprintln(t.log, err)
	}
	return &Outcome{Alphabet: a.Name, Classes: len(a.Letters), Thaw: thaw, ValAccuracy: r.ValAccuracy, Examples: r.Examples, ValExamples: s.Val.Len(),
		Seconds: r.Seconds, Epochs: r.Epochs, ParamsTotal: r.ParamsTotal, ParamsThawed: r.ParamsThawed, Digest: r.FrozenDigestAfter, Out: dir.Path}, nil
}

// prove compares every tuned model with the pretrained one, and a tampered copy of the first.
func (t *teller) prove(context.Context) error {
	for i := range t.Runs {
		r := &t.Runs[i]
		v, err := tuned.Verify(t.Base.Model, filepath.Join(r.Out, run.ModelFile), "")
		if err != nil {
			return err
		}
		r.Identical, r.Frozen, r.Changed = v.Identical, v.Frozen, v.Changed
	}
	if err := t.tamper(); err != nil {
		return err
	}
	t.tellProof()
	return nil
}

// tamper flips one bit of a frozen tensor in a copy of the first run's model and verifies that.
func (t *teller) tamper() error {
	t.Tamper.Model = filepath.Join(t.Runs[0].Out, run.ModelFile)
	m, err := onnx.Open(t.Tamper.Model)
	if err != nil {
		return err
	}
	p := m.Params[0] // the filters of the stem, frozen in every plan but all
	flipped := p.Tensor.Clone()
	flipped.Bytes[len(flipped.Bytes)/2] ^= 1
	t.Tamper.Tensor = p.Name
	path := t.path("tampered.onnx")
	if err := m.WriteFile(path, &onnx.Patch{Tensors: map[string]*tensor.Tensor{p.Name: flipped}}); err != nil {
		return err
	}
	v, err := tuned.Verify(t.Base.Model, path, "")
	if err != nil {
		return err
	}
	t.Tamper.Changed = v.Changed
	return nil
}
