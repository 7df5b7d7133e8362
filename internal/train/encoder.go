package train

import (
	"context"
	"iter"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/exec"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Store keeps the frontier values of examples by index.
type Store interface {
	// Get copies the values of an example into dst, one slice per frontier value, and reports whether
	// they were there.
	Get(example int, dst [][]byte) bool
	// Put keeps the values of an example; it may decline.
	Put(example int, src [][]byte)
	// Bytes is how much is kept.
	Bytes() int64
}

// encoder turns examples into what the live region reads: frontier values, from the store where they
// are kept, else by running the frozen region over the pictures.
type encoder struct {
	net   *Network
	ds    *data.Dataset
	store Store // nil: compute every time
	bytes []int // size of each frontier value of one example
	shape []ir.Type
	chunk int // examples that the frozen region takes at once
}

func newEncoder(net *Network, ds *data.Dataset, store Store, chunk int) (*encoder, error) {
	one, _, err := net.FrontierTypes(1)
	if err != nil {
		return nil, err
	}
	e := &encoder{net: net, ds: ds, store: store, shape: one, chunk: chunk}
	for _, t := range one {
		e.bytes = append(e.bytes, t.Bytes())
	}
	return e, nil
}

// encoded is a batch at the frontier.
type encoded struct {
	Values  []*tensor.Tensor
	Labels  []int
	Indices []int
}

// fill computes what the store lacks, in the order of the files, and calls progress with the number
// of examples done.
func (e *encoder) fill(ctx context.Context, progress func(done, total int)) (hits, misses int, err error) {
	var missing []int
	row := e.row()
	for i := range e.ds.Len() {
		if e.store.Get(i, row) {
			hits++
		} else {
			missing = append(missing, i)
		}
	}
	done := 0
	for b, err := range e.ds.Loader(e.chunk).Batches(ctx, missing, data.Plain) {
		if err != nil {
			return hits, misses, err
		}
		values, err := e.frozen(ctx, b)
		if err != nil {
			return hits, misses, err
		}
		for k, i := range b.Indices {
			e.store.Put(i, e.slice(values, k))
			misses++
		}
		done += len(b.Indices)
		progress(done, len(missing))
	}
	return hits, misses, nil
}

// row is room for the values of one example.
func (e *encoder) row() [][]byte {
	row := make([][]byte, len(e.bytes))
	for i, n := range e.bytes {
		row[i] = make([]byte, n)
	}
	return row
}

// slice views example k of a batch's values.
func (e *encoder) slice(values []*tensor.Tensor, k int) [][]byte {
	row := make([][]byte, len(values))
	for i, v := range values {
		n := e.bytes[i]
		row[i] = v.Bytes[k*n : (k+1)*n]
	}
	return row
}

func (e *encoder) frozen(ctx context.Context, b *data.Batch) ([]*tensor.Tensor, error) {
	p, err := e.net.Frozen(len(b.Indices))
	if err != nil {
		return nil, err
	}
	return p.Run(ctx, b.Inputs...)
}

// batches yields the examples of order in batches of size, at the frontier, as they are in an epoch. What it yields is valid
// until the next batch.
func (e *encoder) batches(ctx context.Context, order []int, size, epoch int) iter.Seq2[*encoded, error] {
	if e.store == nil {
		return e.computed(ctx, order, size, epoch)
	}
	return func(yield func(*encoded, error) bool) {
		var staged []*tensor.Tensor
		for len(order) > 0 {
			n := min(size, len(order))
			if staged == nil || staged[0].Shape[0] != n*e.shape[0].Shape[0] {
				staged = e.stage(n)
			}
			b := &encoded{Values: staged, Indices: order[:n], Labels: make([]int, n)}
			for k, i := range b.Indices {
				b.Labels[k] = e.ds.Examples[i].Label
				if !e.store.Get(i, e.slice(staged, k)) {
					if err := e.recompute(ctx, i, e.slice(staged, k)); err != nil {
						yield(nil, err)
						return
					}
				}
			}
			if !yield(b, nil) {
				return
			}
			order = order[n:]
		}
	}
}

// stage makes room for the values of n examples.
func (e *encoder) stage(n int) []*tensor.Tensor {
	out := make([]*tensor.Tensor, len(e.shape))
	for i, t := range e.shape {
		s := t.Shape.Clone()
		s[0] *= n
		out[i] = tensor.New(t.DType, s...)
	}
	return out
}

// recompute fills in an example that the store let go.
func (e *encoder) recompute(ctx context.Context, i int, dst [][]byte) error {
	for b, err := range e.ds.Loader(1).Batches(ctx, []int{i}, data.Plain) {
		if err != nil {
			return err
		}
		values, err := e.frozen(ctx, b)
		if err != nil {
			return err
		}
		for k := range dst {
			copy(dst[k], values[k].Bytes)
		}
		e.store.Put(i, dst)
	}
	return nil
}

// computed runs the frozen region over every batch anew.
func (e *encoder) computed(ctx context.Context, order []int, size, epoch int) iter.Seq2[*encoded, error] {
	return func(yield func(*encoded, error) bool) {
		for b, err := range e.ds.Loader(size).Batches(ctx, order, epoch) {
			if err != nil {
				yield(nil, err)
				return
			}
			values, err := e.frozen(ctx, b)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&encoded{Values: values, Labels: b.Labels, Indices: b.Indices}, nil) {
				return
			}
		}
	}
}

// run feeds a program with a batch at the frontier.
func (b *encoded) run(ctx context.Context, p *exec.Program, more ...*tensor.Tensor) ([]*tensor.Tensor, error) {
	return p.Run(ctx, append(append([]*tensor.Tensor(nil), b.Values...), more...)...)
}

// ram is a Store in memory, made for the frontier of one data set.
type ram struct {
	rows  [][]byte // one buffer an example
	bytes int64
}

// NewRAM returns a store for n examples in memory.
func NewRAM(n int) Store { return &ram{rows: make([][]byte, n)} }

func (r *ram) Get(i int, dst [][]byte) bool {
	row := r.rows[i]
	if row == nil {
		return false
	}
	for _, d := range dst {
		row = row[copy(d, row):]
	}
	return true
}

func (r *ram) Put(i int, src [][]byte) {
	if r.rows[i] != nil {
		return
	}
	n := 0
	for _, s := range src {
		n += len(s)
	}
	row := make([]byte, 0, n)
	for _, s := range src {
		row = append(row, s...)
	}
	r.rows[i] = row
	r.bytes += int64(n)
}

func (r *ram) Bytes() int64 { return r.bytes }
