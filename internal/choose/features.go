package choose

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Features are the outputs of a frozen trunk for the training examples, in the order of the data
// set. Each example has one vector: the pooled values that the head reads, concatenated.
type Features struct {
	Rows  []float32 // [N,Width]
	Width int
	Parts []int // widths of the values that the head reads, in the order of option attach
}

// FeaturesOf gives the features of the training examples with all weights frozen. It takes them
// from the cache that runs share, or computes them and puts them there. Progress is called with the
// number of examples done. The session needs a fresh head. An example with several rows, such as
// the windows of a sound, has the mean of its rows.
func FeaturesOf(ctx context.Context, s *run.Session, progress func(done, total int)) (*Features, error) {
	return featuresOf(ctx, s, s.Train, progress)
}

// featuresOf is FeaturesOf for any examples of the session. Progress may be nil.
func featuresOf(ctx context.Context, s *run.Session, d *data.Dataset, progress func(done, total int)) (*Features, error) {
	o := s.KeepOptions()
	if o.Progress = progress; progress == nil {
		o.Progress = func(int, int) {}
	}
	e, err := keep.OpenFeatures(ctx, s.Net, d, o)
	if err != nil {
		return nil, err
	}
	defer s.Net.ReleaseFeatures()
	out := &Features{Width: s.Net.Headed.Features, Rows: make([]float32, d.Len()*s.Net.Headed.Features)}
	if out.Parts, err = s.Net.FeatureParts(len(s.Config.Attach)); err != nil {
		return nil, err
	}
	return out, e.Rows(ctx, out.Rows, out.Width, s.Config.Batch, func(net *split.Network, b *split.Batch) ([]*tensor.Tensor, error) {
		p, err := net.Features(len(b.Indices))
		if err != nil {
			return nil, err
		}
		return p.Run(ctx, b.Values...)
	})
}

// OwnScores gives the logits [N,Z] of the model's own classifier for the training examples, in the
// form of Features. Width is 0 for a model without a classifier that gives one logit for each
// class.
func OwnScores(ctx context.Context, s *run.Session, progress func(done, total int)) (*Features, error) {
	if _, err := split.AttachHead(s.Base.Model.Graph, split.HeadSpec{Kind: "keep"}, s.Base.Shapes(2)); err != nil {
		return &Features{}, nil
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
	out := &Features{Width: width, Parts: []int{width}, Rows: make([]float32, s.Train.Len()*width)}
	return out, e.Rows(ctx, out.Rows, width, s.Config.Batch, func(net *split.Network, b *split.Batch) ([]*tensor.Tensor, error) {
		p, err := net.Eval(len(b.Indices))
		if err != nil {
			return nil, err
		}
		return p.Run(ctx, b.Given(net)...)
	})
}
