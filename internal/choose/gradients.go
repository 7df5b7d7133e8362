package choose

import (
	"context"
	"math"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// BlockGradient is what the gradients of a few batches say of one block, from the pretrained
// weights on and with a trained head. Each criterion has a function and a file of its own.
type BlockGradient struct {
	Block  string
	Params int

	Scores map[string]float64 // of the criteria, by name

	Importance float64 // share of the trunk's, see Importance
	// share of the trunk's gradients of weights, in operations
	Cost float64
	// share of its weights that Elastic picks for half of the backward pass
	Elastic float64
}

// Traced is what the probing pass gathers of one weight: the gradients g of B batches at the
// pretrained weights, then those of B other batches with an optimiser step after each.
type Traced struct {
	Weight  *freeze.Weight
	Batches int       // B
	Sum     []float32 // Σ g at the pretrained weights
	Squares []float64 // Σ g² there
	Later   []float32 // Σ g while training
	Before  []float32 // the pretrained weights
	After   []float32 // the weights after B steps
}

// probingRate is the share of the fit's learning rate that the probing pass uses. A fit reaches its
// full rate only after many batches. A few large steps from a fresh optimiser would only measure
// how far they overshoot.
const probingRate = 0.1

// trace runs the probing pass that all criteria share, with at most the given number of batches of
// each kind, on a session in which everything is thawed. It moves the session's weights. Where
// there are fewer than two batches it returns nothing, since one batch cannot show what batches
// have in common.
func trace(ctx context.Context, s *run.Session, batches int) ([]*Traced, error) {
	of := map[*freeze.Weight]*Traced{}
	n, err := s.Gradients(ctx, batches, func(w *freeze.Weight, grad []float32) {
		if w.Block < 0 {
			return
		}
		t := of[w]
		if t == nil {
			t = &Traced{Weight: w, Sum: make([]float32, len(grad)), Squares: make([]float64, len(grad)), Later: make([]float32, len(grad))}
			of[w] = t
		}
		for i, v := range grad {
			t.Sum[i] += v
			t.Squares[i] += float64(v) * float64(v)
		}
	})
	if err != nil || n < 2 {
		return nil, err
	}
	for w, t := range of {
		t.Batches, t.Before = n, append([]float32(nil), w.Value.Data.F32()...)
	}
	if _, err := s.Steps(ctx, n, probingRate, func(w *freeze.Weight, grad []float32) {
		if t := of[w]; t != nil {
			for i, v := range grad {
				t.Later[i] += v
			}
		}
	}); err != nil {
		return nil, err
	}
	var out []*Traced
	for _, w := range s.Net.Set.Weights {
		if t := of[w]; t != nil {
			t.After = w.Value.Data.F32()
			out = append(out, t)
		}
	}
	return out, nil
}

// Step is Σ|ḡ| of the mean gradient: the first-order decrease of the loss when AdamW moves every
// element by the same small amount.
func (t *Traced) Step() float64 {
	sum := 0.0
	for _, v := range t.Sum {
		sum += math.Abs(float64(v))
	}
	return sum / float64(t.Batches)
}

// blockGradients applies the criteria to every block that has gradients.
func blockGradients(blocks []string, traced []*Traced, costs []split.BackwardCost) ([]BlockGradient, *ElasticChoice) {
	if len(traced) == 0 {
		return nil, nil
	}
	by := make([][]*Traced, len(blocks))
	own := make([]float64, len(blocks))
	importance, cost := 0.0, 0.0
	for _, t := range traced {
		by[t.Weight.Block] = append(by[t.Weight.Block], t)
		importance += max(0, Importance(t))
	}
	for _, c := range costs {
		own[c.Weight.Block] += c.Own
		cost += c.Own
	}
	choice, chosen := elasticChoice(traced, costs)
	var out []BlockGradient
	for k, ts := range by {
		if len(ts) == 0 {
			continue
		}
		b := BlockGradient{Block: blocks[k], Scores: map[string]float64{}}
		for _, c := range gradientCriteria {
			b.Scores[c.Name] = c.Score(ts)
		}
		picked := 0
		for _, t := range ts {
			b.Params += len(t.Sum)
			if importance > 0 {
				b.Importance += max(0, Importance(t)) / importance
			}
			if chosen[t.Weight] {
				picked += len(t.Sum)
			}
		}
		if cost > 0 {
			b.Cost = own[k] / cost
		}
		b.Elastic = float64(picked) / float64(b.Params)
		out = append(out, b)
	}
	return out, choice
}
