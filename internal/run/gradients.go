package run

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// SetHead gives a fresh linear head the weights of a layer that reads raw features: weight [C,D]
// and bias [C].
func (s *Session) SetHead(weight, bias []float32) error {
	if !s.Net.Headed.Fresh || len(s.Net.Headed.Weights) != 2 {
		return fmt.Errorf("run: the session has no fresh linear head")
	}
	for k, v := range [][]float32{weight, bias} {
		w := s.Net.Set.ByName(s.Net.Headed.Weights[k]).Value.Data.F32()
		if len(w) != len(v) {
			return fmt.Errorf("run: head %s holds %d numbers, not %d", s.Net.Headed.Weights[k], len(w), len(v))
		}
		copy(w, v)
	}
	return nil
}

// StandardiseHead makes a fresh linear head read features standardised by norm. It rewrites the
// head's weights so that its scores stay the same. Without this call, a fit measures the features
// and assumes that the weights are for standardised ones.
func (s *Session) StandardiseHead(norm *split.Standard) error {
	if !s.Net.Headed.Fresh || len(s.Net.Headed.Weights) != 2 || s.Net.Norm != nil || len(norm.Mean) != s.Net.Headed.Features {
		return fmt.Errorf("run: the session has no fresh linear head on %d features as they are", len(norm.Mean))
	}
	of := func(k int) []float32 { return s.Net.Set.ByName(s.Net.Headed.Weights[k]).Value.Data.F32() }
	norm.Unfold(of(0), of(1))
	s.Net.Norm = norm
	return nil
}

// Gradients runs forward and backward at the current weights, over at most batches shuffled batches
// of training examples. After each batch it calls visit with the gradient of every thawed weight.
// Nothing is trained. The gradient is valid until visit returns.
func (s *Session) Gradients(ctx context.Context, batches int, visit func(w *freeze.Weight, grad []float32)) (n int, err error) {
	return s.probe(ctx, 0, batches, visit, nil)
}

// Steps is like Gradients, but takes an optimiser step after every batch, so the weights move. The
// learning rate is part times the fit's highest. Its batches differ from those of Gradients.
func (s *Session) Steps(ctx context.Context, batches int, part float64, visit func(w *freeze.Weight, grad []float32)) (n int, err error) {
	return s.probe(ctx, 1, batches, visit, func(f *loop, step *split.Step) error {
		step.Update()
		_, err := f.update(step.Grads, part*f.session.Config.LR)
		return err
	})
}

// probe runs batches in the order of one epoch, and calls then after each.
func (s *Session) probe(ctx context.Context, epoch, batches int, visit func(w *freeze.Weight, grad []float32), then func(f *loop, step *split.Step) error) (n int, err error) {
	train, err := keep.NewEncoder(s.Net, s.Train, nil)
	if err != nil {
		return 0, err
	}
	f := &loop{session: s, events: report.NewEvents(), frontier: &keep.Encoders{Train: train}}
	groups := s.groups(epoch)
	for b, err := range f.frontier.Train.Batches(ctx, groups[:min(batches, len(groups))], data.Plain) {
		if err != nil {
			return n, err
		}
		_, step, err := f.forwardBackward(ctx, b, f.session.Task.NewMetrics())
		if err != nil {
			return n, err
		}
		k := 0
		s.Plans.Ever.Thawed(s.Net.Set).Each(func(w *freeze.Weight, _ freeze.Entry) {
			if g := step.Grads[k]; g != nil && g.DType == tensor.Float32 {
				visit(w, g.F32())
			}
			k++
		})
		if then != nil {
			if err := then(f, step); err != nil {
				return n, err
			}
		}
		n++
	}
	return n, nil
}

// ParamsTotal counts the elements of all weights, without running statistics.
func (s *Session) ParamsTotal() int { return s.Net.Set.Elements() }
