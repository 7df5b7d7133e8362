package data

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Target is the right answer to an example, in the form of its task.
type Target struct {
	Class int // classify: an index into the classes; -1 if unknown
	// multilabel: indices of the labels that apply, ascending; ctc: the transcript's symbols in
	// order; lm: the tokens of the text
	Labels []int
	Value  float64 // regress: the number
}

// Tokens returns the tokens of example i, from the input with the given name. It errors if examples
// are not token sequences.
func (d *Dataset) Tokens(i int, input string) ([]int, error) {
	form := d.Form()
	k := slices.IndexFunc(form.Inputs, func(in Input) bool { return in.Name == input && in.DType == tensor.Int64 && in.Shape.Len() == 1 })
	if form.Rows || k < 0 {
		return nil, fmt.Errorf("data: %s: its examples are no texts", d.Root)
	}
	n := d.Length(i)
	dst := make([]*tensor.Tensor, len(form.Inputs))
	for j, in := range form.Inputs {
		dst[j] = tensor.New(in.DType, append(tensor.Shape{n}, in.Shape...)...)
	}
	if err := d.Read(i, Plain, dst); err != nil {
		return nil, err
	}
	out := make([]int, n)
	for j, t := range dst[k].I64()[:n] {
		out[j] = int(t)
	}
	return out, nil
}
