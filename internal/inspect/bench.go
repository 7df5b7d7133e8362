package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// BenchOptions say how a model is timed.
type BenchOptions struct {
	Config  config.Config // Model, Thaw, Freeze, BatchNorm, Head, Attach, Pool, Optimizer, Seed and Threads count
	Batch   int           // examples a run
	Steps   int           // timed runs of each kind
	Classes int           // scores of a fresh head
	Ops     bool          // say what each operator took
}

// BenchResult holds times in milliseconds per batch.
type BenchResult struct {
	ForwardMin    float64
	ForwardMedian float64
	StepMin       *float64 // nil if the model accepts no classifier
	StepMedian    *float64
	FLOPs         int64   // of one forward pass; a multiply-add counts as two
	GFLOPS        float64 // of the fastest forward pass
	PeakGFLOPS    float64 // of multiply-adds in registers, on the same threads
	PeakRSS       int64
	Threads       int

	Batch        int
	Steps        int
	Head         string // the head that the step trains: keep or linear
	ParamsTotal  int
	ParamsThawed int
	ForwardBytes int64    // planned memory of the forward pass
	StepBytes    int64    // of a training step: its regions take turns in it
	Ops          []OpTime // of the forward pass
	Notes        []string
}

// Bench times a model on synthetic, seeded inputs of any kind and number. It times the forward pass
// of the whole model as inference, with all weights frozen. It also times a training step with the
// plan's weights thawed: the frozen region, the loss, the backward pass and the optimiser. The step
// trains the model's own classifier if it has one, or else a fresh linear one.
func Bench(ctx context.Context, o BenchOptions) (*BenchResult, error) {
	switch {
	case o.Batch < 1:
		return nil, fmt.Errorf("option batch %d: at least 1", o.Batch)
	case o.Steps < 1:
		return nil, fmt.Errorf("option steps %d: at least 1", o.Steps)
	}
	defer kernel.Use(o.Config.Threads)()
	p, err := openProbe(o.Config.Model, o.Config.FeedOptions())
	if err != nil {
		return nil, err
	}
	r := &BenchResult{Batch: o.Batch, Steps: o.Steps, Threads: kernel.Threads(), Notes: p.notes}
	if p.base.Form() != nil {
		r.Notes = append(r.Notes, p.lengthNote(false))
	}
	if p.base.Fixed && o.Batch > 1 {
		return nil, fmt.Errorf("%s; use option batch 1", p.notes[len(p.notes)-1])
	}
	if err := r.forward(ctx, p, o.Ops); err != nil {
		return nil, err
	}
	if err := r.step(ctx, p, o); err != nil {
		return nil, err
	}
	r.PeakGFLOPS = kernel.MeasurePeak() / 1e9
	r.PeakRSS = report.PeakRSS()
	return r, nil
}

func (r *BenchResult) forward(ctx context.Context, p *probe, ops bool) error {
	plain, err := compile.Model(p.base.Model.Graph, compile.Options{Shapes: p.batch(r.Batch), Frozen: compile.All, Plain: true})
	if err != nil {
		return err
	}
	r.FLOPs = plain.FLOPs()
	program, err := p.base.Inference(r.Batch, p.typical())
	if err != nil {
		return err
	}
	r.ForwardBytes = int64(program.ArenaBytes())
	in := madeUp(program.Graph().Inputs, 1)
	r.ForwardMin, r.ForwardMedian, err = timed(r.Steps, func() error {
		_, err := program.Run(ctx, in...)
		return err
	})
	r.GFLOPS = float64(r.FLOPs) / r.ForwardMin / 1e6
	if err == nil && ops {
		r.Ops, err = opTimes(ctx, program, r.Steps, in)
	}
	return err
}

// chooseHead decides which head the step trains: the model's own if it has one for the task, else a
// fresh one. It errors if the model accepts neither.
func (r *BenchResult) chooseHead(cfg *config.Config, p *probe, classes int) error {
	attach := func(spec split.HeadSpec) error {
		_, err := split.AttachHead(p.base.Model.Graph, spec, p.batch(p.base.Two()))
		return err
	}
	kind, err := task.Lookup(cfg.Task)
	if err != nil {
		return err
	}
	cfg.Head = "keep"
	if kind.Answers.Classes {
		if attach(split.HeadSpec{Kind: "keep"}) == nil {
			return nil
		}
	}
	if (cfg.Task == "" || kind.KeepsHead) && len(cfg.Attach) == 0 {
		err := attach(split.HeadSpec{Kind: "keep", PerPosition: true})
		if err == nil {
			cfg.Task = cmp.Or(cfg.Task, task.NameLM)
			return nil
		}
		if kind.KeepsHead {
			return err
		}
	}
	cfg.Head = "linear"
	r.Notes = append(r.Notes, fmt.Sprintf("the step trains a fresh linear head of %d classes: the model ends in no classifier of its own", classes))
	if !kind.Answers.Classes {
		r.Notes[len(r.Notes)-1] = fmt.Sprintf("the step trains a fresh linear head for task %s", cfg.Task)
	}
	one := kind.Named(make([]string, classes), task.Options{})
	err = attach(split.HeadSpec{Kind: "linear", Classes: classes, Attach: cfg.Attach, Pool: cfg.Pool, PerPosition: one.PerPosition()})
	if err != nil {
		r.Notes = r.Notes[:len(r.Notes)-1]
	}
	return err
}

// step times a training step. If the model accepts no classifier it adds a note and times nothing.
// A plan that does not fit the model is an error.
func (r *BenchResult) step(ctx context.Context, p *probe, o BenchOptions) error {
	cfg := o.Config
	if err := r.chooseHead(&cfg, p, o.Classes); err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("no training step: %v", err))
		return nil
	}
	var err error
	if p.task, err = madeUpTask(&cfg, o.Classes); err != nil {
		return err
	}
	t, err := p.trainable(cfg, usualExamples)
	if err != nil {
		return err
	}
	s, err := t.step(r.Batch)
	if err != nil {
		return err
	}
	s.lr = 1e-5 // small, so that thousands of steps on noise do not diverge
	lo, mid, err := timed(r.Steps, func() error {
		values, err := s.encode(ctx)
		if err != nil {
			return err
		}
		return s.train(ctx, values)
	})
	if err != nil {
		return err
	}
	r.StepMin, r.StepMedian = &lo, &mid
	r.StepBytes = int64(max(s.frozen.ArenaBytes(), s.live.Program.ArenaBytes()))
	r.Head, r.ParamsThawed = cfg.Head, t.net.Plan.Thawed(t.net.Set).Elements()
	r.ParamsTotal = t.net.Set.Elements()
	return nil
}

// timed runs f once to warm up and then n times. It returns the minimum and median time in
// milliseconds.
func timed(n int, f func() error) (lo, median float64, err error) {
	if err := f(); err != nil {
		return 0, 0, err
	}
	ms := make([]float64, n)
	for i := range ms {
		began := time.Now()
		if err := f(); err != nil {
			return 0, 0, err
		}
		ms[i] = float64(time.Since(began).Nanoseconds()) / 1e6
	}
	slices.Sort(ms)
	return ms[0], (ms[(n-1)/2] + ms[n/2]) / 2, nil
}
