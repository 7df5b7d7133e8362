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
	Inputs  []*tensor.Tensor // one for each input that the data feed: pictures feed one, float32 [n,channels,height,width]
	Labels  []int            // n class indices, -1 where not known
	Indices []int            // n indices into the Dataset
}

// Loader prepares batches in parallel, a bounded number ahead of who reads them.
type Loader struct {
	data    *Dataset
	size    int
	workers int
}

// ahead is how many batches exist at once: one with the reader, the others being filled.
const ahead = 3

// Loader returns a Loader of batches of size examples. It panics when d was opened without a Pipeline.
func (d *Dataset) Loader(size int) *Loader {
	if d.opt.Pipeline == nil {
		panic("data: a Dataset opened without a Pipeline has no batches")
	}
	return &Loader{d, max(size, 1), d.opt.workers()}
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

// Batches yields the examples of order in order, as they are in the epoch (Plain: not augmented). The last batch may be smaller. What is yielded
// does not depend on the number of workers. It ends with the first error, of an example or of ctx; when it returns, its
// goroutines have ended.
func (l *Loader) Batches(ctx context.Context, order []int, epoch int) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()

		free := make(chan *tensor.Tensor, ahead)
		for range ahead {
			free <- nil // made when first used: a short order needs fewer
		}
		queue, slots := make(chan *job, ahead), make(chan slot)
		wg.Go(func() {
			defer close(queue)
			defer close(slots)
			l.feed(ctx, order, free, queue, slots)
		})
		for range min(l.workers, len(order)) {
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
			free <- j.batch.Inputs[0]
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// feed cuts order into jobs, one for each free tensor, and hands their slots out in order.
func (l *Loader) feed(ctx context.Context, order []int, free <-chan *tensor.Tensor, queue chan<- *job, slots chan<- slot) {
	pl := l.data.opt.Pipeline
	for len(order) > 0 {
		var t *tensor.Tensor
		select {
		case t = <-free:
		case <-ctx.Done():
			return
		}
		n := min(l.size, len(order))
		if t == nil || t.Shape[0] != n { // only the last batch has another size
			t = tensor.New(tensor.Float32, n, pl.Channels, pl.Height, pl.Width)
		}
		b := &Batch{Inputs: []*tensor.Tensor{t}, Labels: make([]int, n), Indices: order[:n:n]}
		for k, i := range b.Indices {
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
		order = order[n:]
	}
}

// fill prepares the k-th example of the batch.
func (j *job) fill(d *Dataset, k, epoch int) {
	n := d.opt.Pipeline.Len()
	j.errs[k] = d.Read(j.batch.Indices[k], epoch, j.batch.Inputs[0].F32()[k*n:(k+1)*n])
	if j.left.Add(-1) == 0 {
		close(j.done)
	}
}
