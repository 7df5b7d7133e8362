package keep

import (
	"context"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// varies prepares the encoder for examples of several lengths.
func (e *Encoder) varies() error {
	var err error
	if e.shares, err = e.net.Shares(); err != nil {
		return err
	}
	_, names, err := e.net.FrontierTypes(1)
	if err != nil {
		return err
	}
	var direct []int
	for _, name := range names {
		k := slices.IndexFunc(e.net.Form.Inputs, func(in data.Input) bool { return in.Name == name })
		if k < 0 {
			return nil
		}
		direct = append(direct, k)
	}
	e.direct = direct
	return nil
}

// meanLength is the mean length of the examples, rounded up.
func (e *Encoder) meanLength() int {
	sum := 0
	for i := range e.ds.Len() {
		sum += e.ds.Length(i)
	}
	return (sum + e.ds.Len() - 1) / max(1, e.ds.Len())
}

// room allocates buffers for the values of example i at its length.
func (e *Encoder) room(i int) [][]byte {
	n := e.ds.Length(i)
	row := make([][]byte, len(e.shares))
	for k, s := range e.shares {
		row[k] = make([]byte, s.Bytes(n))
	}
	return row
}

// get reads example i from the store into position k of a batch that is padded to length. row is
// scratch memory.
func (e *Encoder) get(i, variant int, values []*tensor.Tensor, k, length int, row [][]byte) bool {
	if e.shares == nil {
		sliceInto(row, values, e.bytes, k)
		return e.store.Get(e.slot(i, variant), row)
	}
	if e.store == nil {
		return false
	}
	kept := e.room(i)
	if !e.store.Get(e.slot(i, variant), kept) {
		return false
	}
	n := e.ds.Length(i)
	for j, s := range e.shares {
		size := s.Bytes(length)
		s.Recut(values[j].Bytes[k*size:(k+1)*size], length, kept[j], n, n)
	}
	return true
}

// put stores position k of a batch, which holds example i padded to length.
func (e *Encoder) put(i, variant int, values []*tensor.Tensor, k, length int) {
	if e.shares == nil {
		e.store.Put(e.slot(i, variant), e.slice(values, k))
		return
	}
	e.store.Put(e.slot(i, variant), e.cutToLength(i, values, k, length))
}

// cutToLength gives the values of position k of a batch, which holds example i padded to length,
// without the padding.
func (e *Encoder) cutToLength(i int, values []*tensor.Tensor, k, length int) [][]byte {
	row, n := e.room(i), e.ds.Length(i)
	for j, s := range e.shares {
		size := s.Bytes(length)
		s.Recut(row[j], n, values[j].Bytes[k*size:(k+1)*size], length, n)
	}
	return row
}

// stageAt allocates tensors for the values of n examples, padded to length.
func (e *Encoder) stageAt(n, length int) []*tensor.Tensor {
	if e.shares == nil {
		return e.stage(n)
	}
	out := make([]*tensor.Tensor, len(e.shares))
	for i, s := range e.shares {
		shape := s.Shape(length).Clone()
		shape[0] *= n
		out[i] = tensor.New(s.One.DType, shape...)
	}
	return out
}

// chunks divides examples into groups that the frozen region processes at once.
func (e *Encoder) chunks(examples []int) []data.Group {
	if e.shares == nil {
		return e.ds.Groups(examples, e.chunk)
	}
	return e.ds.Alike(examples, e.chunkAt)
}

// chunkAt is how many examples of a length the frozen region processes at once.
func (e *Encoder) chunkAt(length int) int { return TextsAtOnce(e.chunk, length) }

// TextsAtOnce returns how many examples of a length fill that many steps, as a power of two.
func TextsAtOnce(steps, length int) int { return power(max(1, min(64, steps/length))) }

// frozenAt computes the frontier of a batch from one bucket. It fills batches up to a power of two,
// so that few programs are compiled.
func (e *Encoder) frozenAt(ctx context.Context, b *data.Batch) ([]*tensor.Tensor, error) {
	if e.net.Form.Rows {
		return e.frozenRows(ctx, b)
	}
	n, m := len(b.Indices), 1
	for m < n {
		m *= 2
	}
	net := e.net.At(b.Length)
	p, err := net.Frozen(m)
	if err != nil {
		return nil, err
	}
	var inputs []*tensor.Tensor
	for _, v := range p.Graph().Inputs {
		k := slices.IndexFunc(net.Form.Inputs, func(in data.Input) bool { return in.Name == v.Name })
		if k < 0 {
			return nil, fmt.Errorf("keep: nothing feeds the model's input %q", v.Name)
		}
		t := b.Inputs[k]
		if m > n {
			s := t.Shape.Clone()
			s[0] = s[0] / n * m
			t = tensor.New(t.DType, s...)
			// fill with real examples, so that no value is unusual
			for at := 0; at < len(t.Bytes); {
				at += copy(t.Bytes[at:], b.Inputs[k].Bytes)
			}
		}
		inputs = append(inputs, t)
	}
	values, err := p.Run(ctx, inputs...)
	if err != nil {
		return nil, err
	}
	values = slices.Clone(values)
	for i, v := range values {
		if e.half != nil && e.half[i] {
			widen(v.Bytes, narrow(v.Bytes))
		}
		s := v.Shape.Clone()
		s[0] = s[0] / m * n
		values[i] = &tensor.Tensor{DType: v.DType, Shape: s, Bytes: v.Bytes[:len(v.Bytes)/m*n]}
	}
	return values, nil
}

// recomputeAt computes the examples of a batch, given by position, that the store lacks. Each is
// computed in its own bucket.
func (e *Encoder) recomputeAt(ctx context.Context, b *split.Batch, missing []int, epoch int) error {
	place := map[int]int{}
	var examples []int
	for _, at := range missing {
		place[b.Indices[at]] = at
		examples = append(examples, b.Indices[at])
	}
	variant := e.variant(epoch)
	if e.store == nil {
		variant = epoch // no variants are kept: every epoch has its own
	}
	groups := e.chunks(examples)
	if len(groups) == 0 {
		return nil
	}
	for got, err := range e.ds.Loader(e.chunk).Groups(ctx, groups, variant) {
		if err != nil {
			return err
		}
		values, err := e.frozenAt(ctx, got)
		if err != nil {
			return err
		}
		for k, i := range got.Indices {
			at := place[i]
			for j, s := range e.shares {
				from, to := s.Bytes(got.Length), s.Bytes(b.Length)
				s.Recut(b.Values[j].Bytes[at*to:(at+1)*to], b.Length, values[j].Bytes[k*from:(k+1)*from], got.Length, e.ds.Length(i))
			}
			if e.store != nil {
				e.put(i, variant, values, k, got.Length)
			}
		}
	}
	return nil
}
