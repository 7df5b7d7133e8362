package run

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// validate measures the current weights on the validation examples.
func (f *loop) validate(ctx context.Context) (*task.Metrics, error) {
	m := f.session.Task.NewMetrics()
	f.scores = nil
	size := f.frontier.Val.EvalBatch(f.session.Config.Batch)
	for b, err := range f.frontier.Val.Batches(ctx, f.session.Val.Groups(data.FileOrder(f.session.Val.Len()), size), data.Plain) {
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
		scores, labels := f.session.tempered(out[0]), f.session.labels(f.session.Val, b, out[0].Shape)
		f.session.Task.Measure(m, scores, labels)
		if f.session.heldOut != nil {
			f.collect(scores.F32(), labels[0].I64())
		}
		if f.session.MeasureEach {
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
