package choose

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// OwnScores gives the logits [N,Z] of the model's own classifier for the training examples, in the
// form of run.Features. Width is 0 for a model without a classifier that gives one logit for each
// class.
func OwnScores(ctx context.Context, s *run.Session, progress func(done, total int)) (*run.Features, error) {
	if _, err := split.AttachHead(s.Base.Model.Graph, split.HeadSpec{Kind: "keep"}, s.Base.Shapes(2)); err != nil {
		return &run.Features{}, nil
	}
	own, err := split.New(s.Base, &task.Classify{}, split.Options{Head: "keep"})
	if err != nil {
		return nil, err
	}
	types, err := split.TypesOf(own.Headed.Graph, own.Headed.Graph.Outputs, s.Base.Shapes(2))
	if err != nil {
		return nil, err
	}
	o := s.KeepOptions()
	o.Progress = progress
	e, err := keep.OpenFeatures(ctx, own, s.Train, o)
	if err != nil {
		return nil, err
	}
	width := types[0].Shape[1]
	out := &run.Features{Width: width, Parts: []int{width}, Rows: make([]float32, s.Train.Len()*width)}
	return out, e.Rows(ctx, out.Rows, width, s.Config.Batch, func(net *split.Network, b *split.Batch) ([]*tensor.Tensor, error) {
		p, err := net.Eval(len(b.Indices))
		if err != nil {
			return nil, err
		}
		return p.Run(ctx, b.Given(net)...)
	})
}
