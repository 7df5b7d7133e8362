package run

import (
	"github.com/permafrost-ml/permafrost/internal/calibrate"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// measureEach measures every example of a validation batch by itself and adds it to f.each, for
// Result.Each, and the logits of classes to f.scores, for Held.Scores. For classes it omits the confusion matrix, which is large when there are many
// classes.
func (f *loop) measureEach(b *split.Batch, scores *tensor.Tensor) {
	if f.each == nil {
		f.each = make([]*task.Metrics, f.session.Val.Len())
	}
	classes := task.KindOf(f.session.Task).Answers.Classes
	if classes && f.scores == nil {
		f.scores = &calibrate.Scores{}
	}
	m := f.session.Task.NewMetrics()
	rows := scores.Shape[0] / len(b.Indices)
	size := len(scores.Bytes) / len(b.Indices)
	for k, i := range b.Indices {
		shape := scores.Shape.Clone()
		shape[0] = rows
		one := &tensor.Tensor{DType: scores.DType, Shape: shape, Bytes: scores.Bytes[k*size : (k+1)*size]}
		labels := f.session.labels(f.session.Val, &split.Batch{Indices: b.Indices[k : k+1], Length: b.Length, Lengths: b.Lengths[k : k+1]}, shape)
		if classes {
			f.scores.Add(&calibrate.Scores{Classes: len(one.F32()), Logits: one.F32(), Labels: []int{int(labels[0].I64()[0])}})
		} else {
			m = f.session.Task.NewMetrics()
			f.session.Task.Measure(m, one, labels)
			f.each[i] = m
			continue
		}
		before := *m
		f.session.Task.Measure(m, one, labels)
		f.each[i] = &task.Metrics{Examples: 1, Correct: m.Correct - before.Correct, Invalid: m.Invalid - before.Invalid, LossSum: m.LossSum - before.LossSum}
	}
}
