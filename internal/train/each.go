package train

import (
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// measureEach measures every example of a validation batch by itself into f.each, for Result.Each.
func (f *fitter) measureEach(b *encoded, scores *tensor.Tensor) {
	if f.each == nil {
		f.each = make([]*Metrics, f.Val.Len())
	}
	rows := scores.Shape[0] / len(b.Indices)
	size := len(scores.Bytes) / len(b.Indices)
	for k, i := range b.Indices {
		shape := scores.Shape.Clone()
		shape[0] = rows
		one := &tensor.Tensor{DType: scores.DType, Shape: shape, Bytes: scores.Bytes[k*size : (k+1)*size]}
		f.each[i] = f.Task.NewMetrics()
		f.Task.Measure(f.each[i], one, f.labels(f.Val, &encoded{Indices: b.Indices[k : k+1], Length: b.Length, Lengths: b.Lengths[k : k+1]}, shape))
	}
}
