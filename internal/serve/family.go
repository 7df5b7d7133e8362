package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/joint"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// families are found by what their examples are prepared by. One that nobody needs any more waits
// for the next that does.
type families struct {
	mu    sync.Mutex
	all   map[string]*family
	begin func() *family // makes one
}

func (f *families) get(key string) *family {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[string]*family{}
	}
	if f.all[key] == nil {
		f.all[key] = f.begin()
	}
	return f.all[key]
}

// family batches the examples of models that prepare examples alike.
type family struct {
	shelf   *joint.Shelf
	jobs    chan *job
	coming  atomic.Int64  // jobs that requests will bring, and those that wait
	ready   chan struct{} // places for prepared examples
	mu      sync.Mutex
	sharing map[[sha256.Size]byte]*example
}

// job asks for the outputs of some models for an example.
type job struct {
	ctx     context.Context
	group   *group
	example *example
	models  []int // in the group
	done    chan answer
}

type answer struct {
	raw []*tensor.Tensor // by model
	err error
}

// example is one that is being prepared, or is ready. Requests with equal contents share it.
type example struct {
	key     [sha256.Size]byte
	users   int // guarded by the family
	done    chan struct{}
	batch   *data.Batch // of one
	inputs  []*tensor.Tensor
	err     error
	waiting bool // it holds a place among those that are ready
}

func (s *Server) newFamily() *family {
	f := &family{
		shelf: joint.NewShelf(), jobs: make(chan *job, 2*s.o.MaxBatch), ready: make(chan struct{}, 2*s.o.MaxBatch),
		sharing: map[[sha256.Size]byte]*example{},
	}
	s.work.Go(func() { s.batches(f) })
	return f
}

// prepare prepares an example, or waits for another request that prepares an equal one. Give it back
// with release.
func (f *family) prepare(ctx context.Context, key [sha256.Size]byte, read func(context.Context) (*data.Batch, []*tensor.Tensor, error)) (*example, error) {
	for {
		f.mu.Lock()
		e, found := f.sharing[key]
		if !found {
			e = &example{key: key, done: make(chan struct{})}
			f.sharing[key] = e
		}
		e.users++
		f.mu.Unlock()
		if !found {
			select {
			case f.ready <- struct{}{}:
				e.waiting = true
				e.batch, e.inputs, e.err = read(context.WithoutCancel(ctx)) // others may wait for it
			case <-ctx.Done():
				e.err = ctx.Err()
			}
			close(e.done)
		}
		select {
		case <-e.done:
			if e.err == nil {
				return e, nil
			}
			f.forget(e)
			gone := errors.Is(e.err, context.Canceled) || errors.Is(e.err, context.DeadlineExceeded)
			if gone && found && ctx.Err() == nil {
				continue // the other request has ended, this one has not
			}
			return nil, e.err
		case <-ctx.Done():
			f.release(e)
			return nil, ctx.Err()
		}
	}
}

// forget releases an example that could not be prepared, and lets nobody else find it.
func (f *family) forget(e *example) {
	f.mu.Lock()
	if f.sharing[e.key] == e {
		delete(f.sharing, e.key)
	}
	f.mu.Unlock()
	f.release(e)
}

// release gives an example back. The last one frees its place.
func (f *family) release(e *example) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sharing[e.key] == e && e.users == 1 {
		delete(f.sharing, e.key)
	}
	if e.users--; e.users == 0 && e.waiting {
		<-f.ready
	}
}

// run asks for the outputs of models for an example. The caller has counted the job as coming.
func (f *family) run(ctx context.Context, g *group, e *example, models []int) ([]*tensor.Tensor, error) {
	j := &job{ctx: ctx, group: g, example: e, models: models, done: make(chan answer, 1)}
	select {
	case f.jobs <- j:
	case <-ctx.Done():
		f.coming.Add(-1)
		return nil, ctx.Err()
	}
	select {
	case a := <-j.done:
		return a.raw, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// batches runs the family's jobs, batch by batch.
func (s *Server) batches(f *family) {
	var waiting []*job
	for {
		if len(waiting) == 0 {
			select {
			case j := <-f.jobs:
				waiting = append(waiting, j)
			case <-s.ctx.Done():
				return
			}
		}
		waiting = s.gather(f, waiting)
		var batch, rest []*job
		distinct := map[*example]bool{}
		for _, j := range waiting {
			first := waiting[0]
			switch {
			case j.ctx.Err() != nil: // its request has gone
				f.coming.Add(-1)
			case j.group != first.group || j.example.batch.Length != first.example.batch.Length,
				!distinct[j.example] && len(distinct) == s.o.MaxBatch:
				rest = append(rest, j)
			default:
				distinct[j.example] = true
				batch = append(batch, j)
			}
		}
		waiting = rest
		if len(batch) > 0 {
			f.coming.Add(-int64(len(batch)))
			s.runBatch(batch)
		}
	}
}

// gather waits for more jobs: as long as a request is on its way, the batch is not full, and the
// first has not waited too long.
func (s *Server) gather(f *family, waiting []*job) []*job {
	var late <-chan time.Time
	for {
		for more := true; more; {
			select {
			case j := <-f.jobs:
				waiting = append(waiting, j)
			default:
				more = false
			}
		}
		if len(waiting) >= s.o.MaxBatch || int64(len(waiting)) >= f.coming.Load() || s.o.MaxWait <= 0 {
			return waiting
		}
		if late == nil {
			t := time.NewTimer(s.o.MaxWait)
			defer t.Stop()
			late = t.C
		}
		select {
		case j := <-f.jobs:
			waiting = append(waiting, j)
		case <-late:
			return waiting
		case <-s.ctx.Done():
			return waiting
		}
	}
}

// runBatch runs jobs of one group and length.
func (s *Server) runBatch(batch []*job) {
	began := time.Now()
	g := batch[0].group
	at := map[*example]int{}
	var examples []joint.Example
	for _, j := range batch {
		i, ok := at[j.example]
		if !ok {
			i = len(examples)
			at[j.example] = i
			examples = append(examples, joint.Example{Inputs: j.example.inputs})
		}
		for _, m := range j.models {
			if !slices.Contains(examples[i].Networks, m) {
				examples[i].Networks = append(examples[i].Networks, m)
			}
		}
	}
	var found [][]*tensor.Tensor
	err := s.guarded(func() (err error) {
		found, err = g.network.Run(s.ctx, batch[0].example.batch.Length, examples)
		return err
	})
	asked := 0
	for _, j := range batch {
		a := answer{err: err}
		asked += len(j.models)
		if err == nil {
			i := at[j.example]
			for _, m := range j.models {
				a.raw = append(a.raw, found[i][slices.Index(examples[i].Networks, m)])
			}
		}
		j.done <- a
	}
	s.numbers.batch(len(examples), asked, time.Since(began))
}
