package choose

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Features are what a frozen trunk makes of the training examples, in the order of the data set: one vector an example, in which the
// pooled values that the head reads lie one behind the other.
type Features struct {
	Rows  []float32 // [N,Width]
	Width int
	Parts []int // widths of the values that the head reads, in the order of --attach
}

// FeaturesOf computes the features of the training examples with all weights frozen, or finds them in the cache that runs share; what it
// computes is left there for later runs. Progress is told how many examples are done. The session needs a fresh head. Examples
// of several rows, such as the windows of a sound, have the mean of their rows.
func FeaturesOf(ctx context.Context, s *run.Session, progress func(done, total int)) (*Features, error) {
	o := s.KeepOptions()
	o.Progress = progress
	e, err := keep.OpenFeatures(ctx, s.Net, s.Train, o)
	if err != nil {
		return nil, err
	}
	defer s.Net.ReleaseFeatures()
	out := &Features{Width: s.Net.Headed.Features, Rows: make([]float32, s.Train.Len()*s.Net.Headed.Features)}
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

// OwnScores are the scores [N,Z] that the model's own classifier gives the training examples, as Features gives features. Width is 0
// for a model that has no classifier of one score a class.
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
