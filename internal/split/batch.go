package split

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Batch is a batch at the frontier.
type Batch struct {
	Values  []*tensor.Tensor
	Indices []int
	Length  int   // steps that the examples are padded to
	Lengths []int // steps of each
}

// weights are what each row of a batch counts in the mean over its example.
func (b *Batch) weights() *tensor.Tensor {
	w := tensor.New(tensor.Float32, len(b.Indices), 1, b.Length)
	for k, n := range b.Lengths {
		for i := range n {
			w.F32()[k*b.Length+i] = 1 / float32(n)
		}
	}
	return w
}

// Given is what a program of the live region takes of a batch: the frontier's values, and the
// weights of rows where it averages.
func (b *Batch) Given(n *Network) []*tensor.Tensor {
	in := slices.Clone(b.Values)
	if n.averages() {
		in = append(in, b.weights())
	}
	return in
}

// Unpadded calls fn with the features of the batch that count, rows of width: all, or where every
// step of an example has a row those of its length.
func (b *Batch) Unpadded(features []float32, width int, fn func(rows []float32)) {
	if len(features) != len(b.Indices)*b.Length*width {
		fn(features)
		return
	}
	for k, n := range b.Lengths {
		at := k * b.Length * width
		fn(features[at : at+n*width])
	}
}
