package data

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Source prepares the examples of one kind: pictures, texts, sounds. An example is a number of
// steps: the tokens of a text, the windows of a sound. A Source is safe for concurrent use.
type Source interface {
	// Form says how examples lie in a model's inputs.
	Form() Form
	// Length is the number of steps of example i, at least 1. It must not depend on the epoch.
	Length(i int) int
	// Digest names example i as it is prepared: two examples with the same one feed a model alike.
	Digest(i int) ([sha256.Size]byte, error)
	// Read writes example i: varied by what draw draws, or, where it is nil, as every model input
	// is prepared. dst has one tensor for each of Form.Inputs, [Length, shape of a step...].
	Read(i int, draw *Draw, dst []*tensor.Tensor) error
}

// Form says how examples lie in the inputs of a model. A batch of B examples, padded to L steps
// each, is for every input a tensor [B,L,step...], or with Rows [B*L,step...]: then a step is a row
// of the model, and the model knows nothing of examples. Either way the steps of an example lie
// together. A picture is one row.
type Form struct {
	Inputs []Input
	Rows   bool
	Exact  bool // an example is never padded: the model would take padding for content
	Most   int  // steps of an example at most; 1 for those of one length
}

// Input is one input of a model as data feed it.
type Input struct {
	Name  string
	DType tensor.DType
	Shape tensor.Shape // of one step
	Pad   int64        // the value of steps after an example's end
}

// Shape is the shape of a batch of the input.
func (f Form) Shape(in Input, batch, length int) tensor.Shape {
	if f.Rows {
		return append(tensor.Shape{batch * length}, in.Shape...)
	}
	return append(tensor.Shape{batch, length}, in.Shape...)
}

// Shapes gives the shapes of all inputs by name.
func (f Form) Shapes(batch, length int) map[string]tensor.Shape {
	out := map[string]tensor.Shape{}
	for _, in := range f.Inputs {
		out[in.Name] = f.Shape(in, batch, length)
	}
	return out
}

// Size is the number of elements that one step takes of all inputs.
func (f Form) Size() int {
	n := 0
	for _, in := range f.Inputs {
		n += in.Shape.Len()
	}
	return n
}

// Varies reports whether examples may have different lengths.
func (f Form) Varies() bool { return f.Most > 1 }

// LeastBucket is the shortest length that token sequences are padded to.
const LeastBucket = 8

// Bucket is the length to which an example of n steps is padded: n rounded up to a power of two or
// one and a half of one, which adds a sixth on average, but not beyond Most. It depends on nothing
// else, so that what is computed from a padded example is the same in every data set. An Exact form
// has a bucket for every length.
func (f Form) Bucket(n int) int {
	if !f.Varies() {
		return 1
	}
	if f.Exact {
		return min(n, f.Most)
	}
	if !f.Rows {
		n = max(n, LeastBucket)
	}
	p := 1 << bits.Len(uint(max(n, 1)-1)) // the power of two from n on
	if q := p / 4 * 3; q >= n {
		p = q
	}
	return min(p, f.Most)
}

// Group is the examples of one batch, padded to the same length.
type Group struct {
	Indices []int
	Length  int
}

// Groups divides examples into batches of size, in order. Examples of unlike lengths do not meet:
// each goes to the batch of its Form.Bucket, and batches follow each other as they become full.
// What is left over in the end goes up to the next longer bucket, so that only one batch is
// smaller: there are as many as for examples of one length. Of an Exact form nothing goes up: every
// length ends in a smaller batch.
func (d *Dataset) Groups(order []int, size int) []Group {
	var out []Group
	if !d.Form().Varies() {
		for c := range slices.Chunk(order, size) {
			out = append(out, Group{c[:len(c):len(c)], 1})
		}
		return out
	}
	open := map[int][]int{}
	for _, i := range order {
		l := d.Bucket(i)
		open[l] = append(open[l], i)
		if len(open[l]) == size {
			out = append(out, Group{open[l], l})
			delete(open, l)
		}
	}
	var lengths []int
	for l := range open {
		lengths = append(lengths, l)
	}
	slices.Sort(lengths)
	var rest []int
	for k, l := range lengths {
		rest = append(rest, open[l]...)
		if len(rest) >= size || k == len(lengths)-1 || d.Form().Exact {
			n := min(size, len(rest))
			out = append(out, Group{rest[:n:n], l})
			rest = rest[n:]
		}
	}
	if len(rest) > 0 {
		out = append(out, Group{rest, lengths[len(lengths)-1]})
	}
	return out
}

// Batches is how many Groups of size all examples make, whatever their order.
func (d *Dataset) Batches(size int) int {
	if !d.Form().Exact {
		return (d.Len() + size - 1) / size
	}
	by := map[int]int{}
	for i := range d.Len() {
		by[d.Bucket(i)]++
	}
	n := 0
	for _, count := range by {
		n += (count + size - 1) / size
	}
	return n
}

// Alike divides examples into batches of up to size, each of one Bucket, the shortest first.
func (d *Dataset) Alike(examples []int, size func(length int) int) []Group {
	by := map[int][]int{}
	var lengths []int
	for _, i := range examples {
		l := d.Bucket(i)
		if by[l] == nil {
			lengths = append(lengths, l)
		}
		by[l] = append(by[l], i)
	}
	slices.Sort(lengths)
	var out []Group
	for _, l := range lengths {
		for c := range slices.Chunk(by[l], size(l)) {
			out = append(out, Group{c, l})
		}
	}
	return out
}

// pad writes an input's padding over t, all of whose elements are steps after an example's end.
func (in Input) pad(t *tensor.Tensor) {
	if clear(t.Bytes); in.Pad == 0 {
		return
	}
	switch t.DType {
	case tensor.Int64:
		for i := range t.I64() {
			t.I64()[i] = in.Pad
		}
	case tensor.Int32:
		for i := range tensor.Data[int32](t) {
			tensor.Data[int32](t)[i] = int32(in.Pad)
		}
	default:
		panic(fmt.Sprintf("data: input %s of %v has no padding but 0", in.Name, t.DType))
	}
}
