package tuned

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// ErrClosed is the error of a closed model.
var ErrClosed = errors.New("the model is closed")

// lanes limits how many calls run at once for one model. More would only compete for the processor.
// Later callers wait.
type lanes struct {
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

// newLanes makes n lanes, or one per processor if n is 0.
func newLanes(n int) *lanes {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	return &lanes{slots: make(chan struct{}, n), closed: make(chan struct{})}
}

// enter waits for a lane. It returns the context's error or ErrClosed.
func (l *lanes) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-l.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case l.slots <- struct{}{}:
	}
	select {
	case <-l.closed:
		<-l.slots
		return ErrClosed
	default:
		return nil
	}
}

func (l *lanes) leave() { <-l.slots }

// close rejects new and waiting callers, and returns when all lanes are empty.
func (l *lanes) close() {
	l.once.Do(func() {
		close(l.closed)
		for range cap(l.slots) {
			l.slots <- struct{}{}
		}
	})
}

// pool keeps runners of one kind by form, such as a batch size and length. A runner serves one
// caller at a time. The runners of a form are twins that share weights, so a further one costs only
// memory for its values. A pool keeps few forms, and drops the least recently used one.
type pool[K comparable, R any] struct {
	build func(K) (R, error) // makes the first runner of a form
	twin  func(R) (R, error)
	most  int // maximum number of forms

	mu    sync.Mutex
	forms map[K]*form[R]
	clock int
}

// form holds the runners of a form.
type form[R any] struct {
	ready chan struct{} // closed when first or err is set
	first R
	err   error

	mu   sync.Mutex // guards idle and the making of twins
	idle []R
	used int // last use, by the pool's clock
}

// take returns a runner of a form; return it with give. When ctx ends, waiting for another caller's
// build stops, but one's own build does not.
func (p *pool[K, R]) take(ctx context.Context, k K) (R, *form[R], error) {
	f, mine := p.form(k)
	if mine {
		if f.first, f.err = p.build(k); f.err == nil {
			f.idle = []R{f.first}
		} else {
			p.drop(k, f)
		}
		close(f.ready)
	}
	var none R
	select {
	case <-f.ready:
	case <-ctx.Done():
		return none, nil, ctx.Err()
	}
	if f.err != nil {
		return none, nil, f.err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.idle); n > 0 {
		r := f.idle[n-1]
		f.idle = f.idle[:n-1]
		return r, f, nil
	}
	r, err := p.twin(f.first)
	return r, f, err
}

// give returns a runner to the pool.
func (p *pool[K, R]) give(f *form[R], r R) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, r)
}

// form finds a form. mine is true if the caller must build it.
func (p *pool[K, R]) form(k K) (f *form[R], mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock++
	f, ok := p.forms[k]
	if !ok {
		if len(p.forms) >= p.most {
			p.dropOldest()
		}
		f = &form[R]{ready: make(chan struct{})}
		if p.forms == nil {
			p.forms = map[K]*form[R]{}
		}
		p.forms[k] = f
	}
	f.used = p.clock
	return f, !ok
}

func (p *pool[K, R]) dropOldest() {
	var oldest K
	least := p.clock + 1
	for k, f := range p.forms {
		if f.used < least {
			oldest, least = k, f.used
		}
	}
	delete(p.forms, oldest)
}

func (p *pool[K, R]) drop(k K, f *form[R]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.forms[k] == f {
		delete(p.forms, k)
	}
}

// clear drops everything that is not in use.
func (p *pool[K, R]) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.forms)
}
