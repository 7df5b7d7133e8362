package run

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// validate measures the current weights on the validation examples.
func (f *loop) validate(ctx context.Context) (*task.Metrics, error) {
	f.scores, f.mistakes = nil, mistakes{}
	return f.measureOn(ctx, f.session.Val, f.frontier.Val)
}

// measureOn measures the current weights on the examples of ds, at the frontier.
func (f *loop) measureOn(ctx context.Context, ds *data.Dataset, examples *keep.Encoder) (*task.Metrics, error) {
	m := f.session.Task.NewMetrics()
	size := examples.EvalBatch(f.session.Config.Batch)
	for b, err := range examples.Batches(ctx, ds.Groups(data.FileOrder(ds.Len()), size), data.Plain) {
		if err != nil {
			return nil, err
		}
		net := f.session.Net.At(b.Length)
		p, err := net.Eval(len(b.Indices))
		if err != nil {
			return nil, err
		}
		given := b.Given(net)
		out, err := p.Run(ctx, given...)
		if err != nil {
			return nil, err
		}
		scores, labels := f.session.tempered(out[0]), f.session.labels(ds, b, out[0].Shape)
		f.session.Task.Measure(m, scores, labels)
		if f.session.heldOut != nil && ds == f.session.Val {
			f.collect(scores.F32(), labels[0].I64())
		}
		if f.dir != nil && ds == f.session.Val {
			f.findMistakes(ds, b, scores)
		}
		if f.session.MeasureEach && ds == f.session.Val {
			f.measureEach(b, scores)
		}
		if m.Invalid > 0 || task.Finite(m.LossSum) == nil {
			where, err := p.FirstNonFinite(ctx, given...)
			if err != nil {
				return nil, err
			}
			return nil, &DivergedError{Epoch: f.st.Epoch, Step: f.st.Step, Where: where + " at validation"}
		}
	}
	return m, nil
}
