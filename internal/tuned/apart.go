package tuned

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// The parts of a prediction, for who runs many models at once: an example is prepared, run by
// whatever program computes what Graph does, and answered.

// Example prepares the only example of a place, see feed.Collect and feed.Inputs: a batch of one.
func (p *Predictor) Example(ctx context.Context, rows data.Place) (*data.Batch, error) {
	ds, err := p.Feed.OpenInputs(ctx, rows, data.Options{Workers: 1, Budget: 64 << 20})
	if err != nil {
		return nil, err
	}
	if ds.Len() != 1 {
		return nil, fmt.Errorf("it holds %d examples, not one", ds.Len())
	}
	for b, err := range ds.Loader(1).Batches(ctx, data.FileOrder(1), data.Plain) {
		return b, err
	}
	return nil, ctx.Err()
}

// Graph compiles the model for a batch of examples of a length, with all weights frozen. Its last
// output are the raw scores. Models that have the same constants share what is folded of them.
func (p *Predictor) Graph(batch, length int, c *compile.Constants) (*ir.Graph, error) {
	g, err := compile.Model(p.base.Model.Graph, compile.Options{Shapes: p.base.ShapesAt(batch, length), Frozen: compile.All, Constants: c})
	if err != nil {
		return nil, err
	}
	g, _ = ir.Extract(g, g.Name, g.Inputs, g.Outputs[len(g.Outputs)-1:])
	return g, nil
}

// Inputs are the tensors of a batch in the order of the inputs of Graph.
func (p *Predictor) Inputs(b *data.Batch) ([]*tensor.Tensor, error) {
	var out []*tensor.Tensor
	for _, v := range p.base.Model.Graph.Inputs {
		k, err := p.fed(v.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, b.Inputs[k])
	}
	return out, nil
}

// InputNames are the names of the inputs of Graph.
func (p *Predictor) InputNames() (names []string) {
	for _, v := range p.base.Model.Graph.Inputs {
		names = append(names, v.Name)
	}
	return names
}

// Length is a length of examples with which the model runs.
func (p *Predictor) Length() int { return p.base.Length() }

// OneByOne reports whether examples must go through the model one at a time, as it takes statistics
// of the whole batch.
func (p *Predictor) OneByOne() bool { return p.base.OneByOne != nil }

// Answer answers a batch of one from the raw scores that Graph gives for it.
func (p *Predictor) Answer(b *data.Batch, raw *tensor.Tensor) (Prediction, error) {
	scores, err := p.taskScores(b, raw)
	if err != nil {
		return Prediction{}, err
	}
	return p.prediction("", p.scoresOf(b, 0, scores)), nil
}

// Digest identifies the model's file.
func (p *Predictor) Digest() string { return p.base.Model.Digest() }

// Detach lets go of the model's file, see onnx.Model.Detach.
func (p *Predictor) Detach(share func(*tensor.Tensor) *tensor.Tensor) { p.base.Model.Detach(share) }
