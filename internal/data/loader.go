package data

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Batch is a number of examples as a model takes them. It is valid until the next one is asked for.
type Batch struct {
	Inputs  []*tensor.Tensor // one for each input that the data feed, see Form: pictures feed one, float32 [n,channels,height,width]
	Labels  []int            // n class indices, -1 where not known
	Indices []int            // n indices into the Dataset
	Length  int              // steps that each example is padded to
	Lengths []int            // n numbers of steps that are no padding
}

// Scaled turns numbers of steps, in batches padded to length, into numbers of positions of scores,
// of which a padded example has that many.
func Scaled(lengths []int, length, positions int) []int {
	out := make([]int, len(lengths))
	for i, n := range lengths {
		out[i] = n * positions / length
	}
	return out
}

// Loader prepares batches in parallel, a bounded number ahead of who reads them.
type Loader struct {
	data    *Dataset
	size    int
	workers int
}

// ahead is how many batches exist at once: one with the reader, the others being filled. Of small
// ones there are more, so that one slow example does not hold up all workers.
func (l *Loader) ahead() int {
	if l.size >= 16 {
		return 2
	}
	return 3
}

// Loader returns a Loader of batches of size examples.
func (d *Dataset) Loader(size int) *Loader {
	return &Loader{d, max(size, 1), d.workers}
}

// job is a batch being filled.
type job struct {
	batch *Batch
	left  atomic.Int64
	done  chan struct{} // closed when left is 0
	errs  []error       // one an example
}

type slot struct {
	*job
	k int
}

// Batches yields the examples of order in Groups, as they are in the epoch (Plain: not augmented).
// What is yielded does not depend on the number of workers. It ends with the first error, of an
// example or of ctx; when it returns, its goroutines have ended.
func (l *Loader) Batches(ctx context.Context, order []int, epoch int) iter.Seq2[*Batch, error] {
	return l.Groups(ctx, l.data.Groups(order, l.size), epoch)
}

// Groups does the same for batches that have been made.
func (l *Loader) Groups(ctx context.Context, groups []Group, epoch int) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()

		ahead := l.ahead()
		free := make(chan []*tensor.Tensor, ahead)
		for range ahead {
			free <- nil // made when first used: a short order needs fewer
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

// feed makes a job of each group, one for each free set of tensors, and hands their slots out in
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
		queue <- j // never full: it holds as many as there are tensors
		for k := range n {
			select {
			case slots <- slot{j, k}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// tensors makes room for a batch, in old where that has its size.
func (f Form) tensors(old []*tensor.Tensor, batch, length int) []*tensor.Tensor {
	out := make([]*tensor.Tensor, len(f.Inputs))
	for i, in := range f.Inputs {
		s := f.Shape(in, batch, length)
		if old != nil && old[i].Shape.Equal(s) {
			out[i] = old[i]
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
		size := len(t.Bytes) / (len(b.Indices) * b.Length) // of a step
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
