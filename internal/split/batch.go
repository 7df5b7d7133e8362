package split

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Batch is a batch of examples at the frontier.
type Batch struct {
	Values  []*tensor.Tensor
	Indices []int
	Length  int   // steps to which the examples are padded
	Lengths []int // steps of each example
}

// weights are the weight of each row of a batch in the mean over its example.
func (b *Batch) weights() *tensor.Tensor {
	w := tensor.New(tensor.Float32, len(b.Indices), 1, b.Length)
	for k, n := range b.Lengths {
		for i := range n {
			w.F32()[k*b.Length+i] = 1 / float32(n)
		}
	}
	return w
}

// Given returns the inputs that a program of the live region takes from a batch: the values at the
// frontier, and the weights of rows if it averages.
func (b *Batch) Given(n *Network) []*tensor.Tensor {
	in := slices.Clone(b.Values)
	if n.averages() {
		in = append(in, b.weights())
	}
	return in
}

// Unpadded calls fn with the rows of features, of the given width, that are not padding. If every
// step of an example has a row, these are the rows up to its length; otherwise all.
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
