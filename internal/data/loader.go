package data

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Batch holds several examples in the form that a model takes. It is valid until the next batch is
// requested.
type Batch struct {
	// one for each input that the data feed, see Form; for pictures this is one, float32
	// [n,channels,height,width]
	Inputs  []*tensor.Tensor
	Labels  []int // n class indices, -1 if unknown
	Indices []int // n indices into the Dataset
	Length  int   // steps to which each example is padded
	Lengths []int // n numbers of steps without padding
}

// Scaled converts lengths in steps to lengths in positions of scores. In the batch, length steps
// correspond to the given number of positions.
func Scaled(lengths []int, length, positions int) []int {
	out := make([]int, len(lengths))
	for i, n := range lengths {
		out[i] = n * positions / length
	}
	return out
}

// Loader prepares batches in parallel, a limited number ahead of the reader.
type Loader struct {
	data    *Dataset
	size    int
	workers int
}

// ahead is the number of batches in memory: one with the reader, the others being filled. Small
// batches need more of them, so that one slow example does not stall all workers.
func (l *Loader) ahead() int {
	if l.size >= 16 {
		return 2
	}
	return 3
}

// Loader returns a Loader for batches of size examples.
func (d *Dataset) Loader(size int) *Loader {
	return &Loader{d, max(size, 1), d.workers}
}

// job is a batch being filled.
type job struct {
	batch *Batch
	left  atomic.Int64
	done  chan struct{} // closed when left is 0
	errs  []error       // one per example
}

type slot struct {
	*job
	k int
}

// Batches yields the examples of order in Groups, as the epoch sees them (Plain: without
// augmentation). The result does not depend on the number of workers. It ends with the first error
// of an example or of ctx. When it returns, its goroutines have ended.
func (l *Loader) Batches(ctx context.Context, order []int, epoch int) iter.Seq2[*Batch, error] {
	return l.Groups(ctx, l.data.Groups(order, l.size), epoch)
}

// Groups does the same for given groups.
func (l *Loader) Groups(ctx context.Context, groups []Group, epoch int) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()

		ahead := l.ahead()
		free := make(chan []*tensor.Tensor, ahead)
		for range ahead {
			free <- nil // allocated on first use, as a short order needs fewer
		}
		queue, slots := make(chan *job, ahead), make(chan slot)
		wg.Go(func() {
			defer close(queue)
			defer close(slots)
			l.feed(ctx, groups, free, queue, slots)
		})
		for range min(l.workers, ahead*l.size) {
			wg.Go(func() {
				for s := range slots {
					s.fill(l.data, s.k, epoch)
				}
			})
		}
		for j := range queue {
			select {
			case <-j.done:
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
			for _, err := range j.errs {
				if err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(j.batch, nil) {
				return
			}
			free <- j.batch.Inputs
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// feed makes a job of each group, one for each free set of tensors, and sends out its slots in
// order.
func (l *Loader) feed(ctx context.Context, groups []Group, free <-chan []*tensor.Tensor, queue chan<- *job, slots chan<- slot) {
	form := l.data.Form()
	for _, g := range groups {
		var inputs []*tensor.Tensor
		select {
		case inputs = <-free:
		case <-ctx.Done():
			return
		}
		n := len(g.Indices)
		b := &Batch{Inputs: form.tensors(inputs, n, g.Length), Labels: make([]int, n), Indices: g.Indices, Length: g.Length, Lengths: make([]int, n)}
		for k, i := range b.Indices {
			b.Lengths[k] = l.data.Length(i)
			b.Labels[k] = l.data.Examples[i].Label
		}
		j := &job{batch: b, done: make(chan struct{}), errs: make([]error, n)}
		j.left.Store(int64(n))
		queue <- j // never blocks: the capacity equals the number of tensor sets
		for k := range n {
			select {
			case slots <- slot{j, k}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// tensors allocates the tensors of a batch, or reuses the memory of old if it is large enough.
func (f Form) tensors(old []*tensor.Tensor, batch, length int) []*tensor.Tensor {
	out := make([]*tensor.Tensor, len(f.Inputs))
	for i, in := range f.Inputs {
		s := f.Shape(in, batch, length)
		size := s.Len() * in.DType.Size()
		if old != nil && cap(old[i].Bytes) >= size {
			out[i] = &tensor.Tensor{DType: in.DType, Shape: s, Bytes: old[i].Bytes[:size]}
		} else {
			out[i] = tensor.New(in.DType, s...)
		}
	}
	return out
}

// fill prepares the k-th example of the batch and pads it.
func (j *job) fill(d *Dataset, k, epoch int) {
	b := j.batch
	i := b.Indices[k]
	n := min(d.Length(i), b.Length)
	dst := make([]*tensor.Tensor, len(b.Inputs))
	for x, in := range d.Form().Inputs {
		t := b.Inputs[x]
		size := len(t.Bytes) / (len(b.Indices) * b.Length) // size of a step
		at := k * b.Length * size
		part := func(from, to int) *tensor.Tensor {
			return &tensor.Tensor{DType: t.DType, Shape: append(tensor.Shape{to - from}, in.Shape...), Bytes: t.Bytes[at+from*size : at+to*size]}
		}
		dst[x] = part(0, n)
		in.pad(part(n, b.Length))
	}
	j.errs[k] = d.Read(i, epoch, dst)
	if j.left.Add(-1) == 0 {
		close(j.done)
	}
}
