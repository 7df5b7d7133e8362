package data

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Source prepares the examples of one kind: pictures, texts, sounds. An example consists of steps,
// such as the tokens of a text or the windows of a sound. A Source is safe for concurrent use.
type Source interface {
	// Form says how examples are laid out in a model's inputs.
	Form() Form
	// Length returns the number of steps of example i, at least 1. It must not depend on the epoch.
	Length(i int) int
	// Digest identifies example i as prepared: two examples with the same digest give a model the
	// same inputs.
	Digest(i int) ([sha256.Size]byte, error)
	// Read writes example i, augmented with the numbers of draw, or not augmented if draw is nil.
	// dst has one tensor for each of Form.Inputs, [Length, shape of a step...].
	Read(i int, draw *Draw, dst []*tensor.Tensor) error
}

// Form says how examples are laid out in the inputs of a model. For a batch of B examples, padded
// to L steps each, every input is a tensor [B,L,step...], or with Rows [B*L,step...]. With Rows
// each step is a row of the model, and the model does not know which rows form an example. In both
// cases the steps of an example are contiguous. A picture is one row.
type Form struct {
	Inputs []Input
	Rows   bool
	Exact  bool // an example is never padded, as the model would read padding as content
	Most   int  // maximum number of steps of an example; 1 if all have one length
}

// Input is one input of a model that the data feed.
type Input struct {
	Name  string
	DType tensor.DType
	Shape tensor.Shape // of one step
	Pad   int64        // value of the steps after an example's end
}

// Shape returns the shape of the input for a batch.
func (f Form) Shape(in Input, batch, length int) tensor.Shape {
	if f.Rows {
		return append(tensor.Shape{batch * length}, in.Shape...)
	}
	return append(tensor.Shape{batch, length}, in.Shape...)
}

// Shapes returns the shapes of all inputs by name.
func (f Form) Shapes(batch, length int) map[string]tensor.Shape {
	out := map[string]tensor.Shape{}
	for _, in := range f.Inputs {
		out[in.Name] = f.Shape(in, batch, length)
	}
	return out
}

// Size returns the number of elements of one step in all inputs together.
func (f Form) Size() int {
	n := 0
	for _, in := range f.Inputs {
		n += in.Shape.Len()
	}
	return n
}

// Varies reports whether examples may have different lengths.
func (f Form) Varies() bool { return f.Most > 1 }

// LeastBucket is the shortest length to which token sequences are padded.
const LeastBucket = 8

// Bucket returns the length to which an example of n steps is padded: n rounded up to a power of
// two or one and a half times one, at most Most. This adds a sixth on average. It depends on
// nothing else, so values computed from a padded example are the same in every data set. An Exact
// form has a bucket for every length.
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
	p := 1 << bits.Len(uint(max(n, 1)-1)) // the next power of two, at least n
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

// Groups divides examples into batches of size, in order. Each example goes to the batch of its
// Form.Bucket, so examples of different buckets do not mix, and batches are returned as they become
// full. Leftover examples at the end move up to the next longer bucket. So only one batch is
// smaller, and there are as many batches as for examples of one length. In an Exact form nothing
// moves up: every length ends in a smaller batch.
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

// Batches returns the number of Groups of the given size for all examples. It does not depend on
// their order.
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

// Alike divides examples into batches of up to size, each from one Bucket, shortest first.
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

// pad fills t with an input's padding. All elements of t are steps after an example's end.
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
