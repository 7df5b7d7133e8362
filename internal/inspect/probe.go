package inspect

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// probe is a model to analyse or time, with a task and the lengths of examples to assume.
type probe struct {
	base  *split.Base
	task  task.Task
	steps lengths // of examples
	notes []string
}

// openProbe reads a model, see OpenShaped.
func openProbe(path string, o feed.Options) (*probe, error) {
	if path == "" {
		return nil, option.Errorf("model", "name an ONNX file")
	}
	base, err := split.OpenShaped(path, o)
	if err != nil {
		return nil, err
	}
	p := &probe{base: base, notes: base.Notes}
	p.suppose()
	return p, nil
}

// batch returns the input shapes for n examples of typical length.
func (p *probe) batch(n int) map[string]tensor.Shape { return p.base.ShapesAt(n, p.typical()) }

// trainable is a probe with a head and a plan.
type trainable struct {
	net   *split.Network // of all lengths
	sized *split.Network // of the typical length
	cfg   config.Config  // fully resolved
	hasty bool           // predictions should take little time, and may be further off
	guess bool           // predictions take their times from rates, and run nothing
	rates Rates
}

// trainable gives the model a head for the task and makes the plan. The configuration's defaults
// are those for the given number of examples.
func (p *probe) trainable(cfg config.Config, examples int) (*trainable, error) {
	net, err := split.New(p.base, p.task, cfg.NetworkOptions())
	if err != nil {
		return nil, err
	}
	if net.Plan.Pending() {
		return nil, fmt.Errorf("option thaw %s:%g%%: which numbers these are is measured on the training data by fit; here, name weights or magnitude:%[2]g%%", net.Plan.Share.By, 100*net.Plan.Share.Share)
	}
	p.notes = append(p.notes, net.Headed.Notes...)
	p.notes = append(p.notes, net.Headed.AdapterNotes()...)
	cfg.Recipe(config.SubjectOf(net.Headed, net.Set, net.Plan, examples))
	return &trainable{net: net, sized: net.At(p.typical()), cfg: cfg}, nil
}

// optimizer returns an optimiser with the plan's thawed weights, which get their own buffers: the
// model's own weights are views of its file.
func (t *trainable) optimizer() (*optim.Optimizer, error) {
	for _, w := range t.net.Set.Weights {
		if t.net.Plan.Of(w.Name).State != freeze.Frozen {
			w.Value.Data = w.Value.Data.Clone()
		}
	}
	a := run.NewActive(&t.cfg, t.net.IsNew)
	return a.Opt, a.Hold(t.net.Set, t.net.Plan)
}

// step is one training step on synthetic inputs that can be run repeatedly: the frozen region, the
// loss, the gradients and the update of the thawed weights.
type step struct {
	frozen *compile.Program
	live   *split.Step
	opt    *optim.Optimizer
	inputs []*tensor.Tensor
	labels []*tensor.Tensor
	values []*tensor.Tensor // at the frontier
	lr     float64
}

func (t *trainable) step(batch int) (*step, error) {
	s := &step{lr: t.cfg.LR}
	var err error
	if s.opt, err = t.optimizer(); err != nil {
		return nil, err
	}
	if s.frozen, err = t.sized.Frozen(batch); err != nil {
		return nil, err
	}
	if s.live, err = t.sized.Train(batch); err != nil {
		return nil, err
	}
	s.inputs = madeUp(s.frozen.Graph().Inputs, t.cfg.Seed)
	s.labels = madeUpLabels(t.sized.Task, batch, s.live.Program.OutputTensor(1).Shape)
	return s, nil
}

// encode runs the frozen region.
func (s *step) encode(ctx context.Context) ([]*tensor.Tensor, error) {
	if _, err := s.frozen.Run(ctx, s.inputs...); err != nil {
		return nil, err
	}
	s.values = s.frozen.Detach(s.values)
	return s.values, nil
}

// train runs the live region on frontier values and updates the weights.
func (s *step) train(ctx context.Context, values []*tensor.Tensor) error {
	if _, _, err := s.live.Run(ctx, values, s.labels, 0); err != nil {
		return err
	}
	s.live.Update()
	for i, slot := range s.opt.Slots() {
		slot.Grad = s.live.Grads[i]
	}
	return s.opt.Step(s.lr)
}
