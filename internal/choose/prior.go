package choose

import (
	"context"
	"errors"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Prior scores plans of a model for a data set before any is trained, by the evidence of Advise:
// linear probes of the frozen features at several depths, and the gradients of a few batches. It
// may be used from many goroutines.
type Prior struct {
	advice *Advice
	last   DepthEvidence
	mend   float64
	tug    *tug
}

// ErrNoPrior is the error for a task that has no probe.
var ErrNoPrior = errors.New("the task has no linear probe")

// NewPrior gathers the evidence on the training examples of a session. The same session gives the
// same scores on every machine. The error is ErrNoPrior for a task without classes, and for a model
// that keeps its own head.
func NewPrior(ctx context.Context, s *run.Session) (*Prior, error) {
	if !task.KindOf(s.Task).Answers.Classes || !s.Net.Headed.Fresh {
		return nil, ErrNoPrior
	}
	cfg := s.Config
	cfg.Thaw, cfg.Freeze, cfg.Adapter, cfg.AdapterTargets, cfg.AdapterAlpha, cfg.AdapterMerge = nil, nil, "", nil, 0, false
	cfg.Head, cfg.LR, cfg.Epochs, cfg.Batch = "linear", 0, 0, 0
	frozen, err := s.With(cfg, s.Train, s.Val)
	if err != nil {
		return nil, err
	}
	p := &Prior{advice: &Advice{Examples: s.Train.Len(), Classes: len(s.Train.Classes), Params: s.ParamsTotal(), Blocks: frozen.Net.Set.Blocks}}
	probe, err := p.advice.depths(ctx, AdviseOptions{Config: cfg, Progress: func(int, int) {}}, frozen, labelsOf(s))
	if err != nil {
		return nil, err
	}
	p.last = p.advice.Depths[len(p.advice.Depths)-1]
	p.mend = p.advice.mend(p.last)
	cfg.Thaw, cfg.BatchNorm = []string{"all"}, "frozen"
	all, err := s.With(cfg, s.Train, s.Val)
	if err != nil {
		return nil, err
	}
	if err := probe.start(all); err != nil {
		return nil, err
	}
	traced, err := trace(ctx, all, probingBatches)
	if err != nil {
		return nil, fmt.Errorf("gradients of everything: %w", err)
	}
	p.tug = newTug(all.Net.Set, traced)
	return p, nil
}

// Score is the accuracy on new examples under ideal fine-tuning of what a session trains, by the
// rule of Weigh. It orders plans and is no forecast. An adapter counts as if it thawed its layers.
func (p *Prior) Score(s *run.Session) float64 {
	names := map[string]bool{}
	s.Plans.Ever.Thawed(s.Net.Set).Each(func(w *freeze.Weight, _ freeze.Entry) { names[w.Name] = true })
	if a := s.Net.Headed.Adapters; a != nil {
		for _, name := range a.Of {
			names[name] = true
		}
	}
	var ws []*freeze.Weight
	for _, w := range p.tug.set.Weights {
		if names[w.Name] && !w.Head {
			ws = append(ws, w)
		}
	}
	if len(ws) == 0 {
		return p.last.HeldOut
	}
	return p.advice.score(p.tug.pull(ws), p.last, p.mend)
}
