package run

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Features are the outputs of a frozen trunk for some examples, in the order of their data set. Each
// example has one vector: the pooled values that the head reads, concatenated.
type Features struct {
	Rows  []float32 // [N,Width]
	Width int
	Parts []int // widths of the values that the head reads, in the order of option attach
}

// Features gives the features of examples of the session with all weights frozen. It takes them from
// the cache that runs share, or computes them and puts them there. Progress is called with the number
// of examples done, and may be nil. The session needs a fresh head. An example with several rows,
// such as the windows of a sound, has the mean of its rows.
func (s *Session) Features(ctx context.Context, d *data.Dataset, progress func(done, total int)) (*Features, error) {
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
	return out, e.Rows(ctx, out.Rows, out.Width, s.Config.Batch, featureRows(ctx))
}

// featureRows computes the features of a batch at the frontier.
func featureRows(ctx context.Context) func(net *split.Network, b *split.Batch) ([]*tensor.Tensor, error) {
	return func(net *split.Network, b *split.Batch) ([]*tensor.Tensor, error) {
		p, err := net.Features(len(b.Indices))
		if err != nil {
			return nil, err
		}
		return p.Run(ctx, b.Values...)
	}
}
