package train

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
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

// Features computes the features of the training examples with all weights frozen, or finds them in the cache that runs share; what it
// computes is left there for later runs. Progress is told how many examples are done. The session needs a fresh head. Examples
// of several rows, such as the windows of a sound, have the mean of their rows.
func (s *Session) Features(ctx context.Context, progress func(done, total int)) (*Features, error) {
	f, err := s.encodeTrain(ctx, progress)
	if err != nil {
		return nil, err
	}
	defer s.Net.ReleaseFeatures()
	out := &Features{Width: s.Headed.Features, Rows: make([]float32, s.Train.Len()*s.Headed.Features)}
	if out.Parts, err = s.Net.FeatureParts(len(s.Config.Attach)); err != nil {
		return nil, err
	}
	return out, f.rows(ctx, out.Rows, out.Width, func(net *split.Network, b *split.Batch) ([]*tensor.Tensor, error) {
		p, err := net.Features(len(b.Indices))
		if err != nil {
			return nil, err
		}
		return p.Run(ctx, b.Values...)
	})
}

// OwnScores are the scores [N,Z] that the model's own classifier gives the training examples, as Features gives features. Width is 0
// for a model that has no classifier of one score a class.
func (s *Session) OwnScores(ctx context.Context, progress func(done, total int)) (*Features, error) {
	own := *s
	var err error
	if _, err := split.AttachHead(s.Base.Model.Graph, split.HeadSpec{Kind: "keep"}, s.Base.Shapes(2)); err != nil {
		return &Features{}, nil
	}
	own.Task = &task.Classify{}
	if own.Net, err = split.New(s.Base, own.Task, split.Options{Head: "keep"}); err != nil {
		return nil, err
	}
	own.Headed, own.Set = own.Net.Headed, own.Net.Set
	own.Plans = Plans{own.Net.Plan, own.Net.Plan, own.Net.Plan}
	types, err := split.TypesOf(own.Headed.Graph, own.Headed.Graph.Outputs, s.Base.Shapes(2))
	if err != nil {
		return nil, err
	}
	f, err := own.encodeTrain(ctx, progress)
	if err != nil {
		return nil, err
	}
	width := types[0].Shape[1]
	out := &Features{Width: width, Parts: []int{width}, Rows: make([]float32, s.Train.Len()*width)}
	return out, f.rows(ctx, out.Rows, width, func(net *split.Network, b *split.Batch) ([]*tensor.Tensor, error) {
		p, err := net.Eval(len(b.Indices))
		if err != nil {
			return nil, err
		}
		return p.Run(ctx, b.Given(net)...)
	})
}

// encodeTrain keeps the values that the head reads of every training example.
func (s *Session) encodeTrain(ctx context.Context, progress func(done, total int)) (*fitter, error) {
	f := &fitter{session: s, events: report.NewEvents()}
	var err error
	if f.train, err = newEncoder(s.Net, s.Train, nil, chunkOf(s.Base.Feed.Form())); err != nil {
		return nil, err
	}
	o, err := s.Net.Outline()
	if err != nil {
		return nil, err
	}
	if !o.WorthKeeping() {
		return f, nil
	}
	at := o.Cut(o.Frontier)
	if f.train.shares == nil { // pooled values are kept one by one: each serves other runs
		if parts := split.Joined(o.Frontier); parts != nil {
			at = o.Cut(parts)
			f.train.cut = at
		}
	}
	f.train.keeps(at.Types())
	k := &keeper{f: f, outline: o, pipeline: s.Base.Feed.Digest(), shared: s.Cache, memory: &memoryRoom{left: f.budget()}, added: &memoryRoom{}}
	if s.Cache != nil {
		k.added.left = s.Cache.Budget()
	}
	t, err := k.stores(f.train, at)
	if err != nil {
		return nil, err
	}
	t.both = true
	if _, err := f.train.fill(ctx, func(done int) { progress(done, s.Train.Len()) }, func(seconds float64) {
		t.persist = t.disk != nil && (s.Config.Cache == "disk" || seconds > float64(k.size(at))/diskSpeed+diskDelay)
	}); err != nil {
		return nil, err
	}
	f.train.near = nil
	if s.Cache != nil {
		if err := s.Cache.Flush(); err != nil {
			s.Notes = append(s.Notes, fmt.Sprintf("what is kept for later runs may be lost: %v", err))
		}
	}
	return f, nil
}

// rows runs a program over all training examples and stores what it gives for each.
func (f *fitter) rows(ctx context.Context, dst []float32, width int, run func(net *split.Network, b *split.Batch) ([]*tensor.Tensor, error)) error {
	for b, err := range f.train.batches(ctx, f.session.Train.Groups(data.FileOrder(f.session.Train.Len()), f.session.Config.Batch), data.Plain) {
		if err != nil {
			return err
		}
		out, err := run(f.session.Net.At(b.Length), b)
		if err != nil {
			return err
		}
		got := out[0].F32()
		steps := len(got) / (len(b.Indices) * width)
		for k, i := range b.Indices {
			row := dst[i*width : (i+1)*width]
			if steps == 1 {
				copy(row, got[k*width:])
				continue
			}
			for r := range b.Lengths[k] {
				kernel.Axpy(row, got[(k*steps+r)*width:][:width], 1/float32(b.Lengths[k]))
			}
		}
	}
	f.session.Net.ReleaseFrozen()
	return nil
}
