package tuned

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// ErrClosed is the error of a model that was closed.
var ErrClosed = errors.New("the model is closed")

// lanes bounds what runs at once for one model: more would wait for the processor and not for each
// other. Whoever comes later waits.
type lanes struct {
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

// newLanes makes n lanes, or one a processor.
func newLanes(n int) *lanes {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	return &lanes{slots: make(chan struct{}, n), closed: make(chan struct{})}
}

// enter waits for a lane. Its error is the context's, or ErrClosed.
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

// close turns away whoever comes or waits, and returns when all lanes are empty.
func (l *lanes) close() {
	l.once.Do(func() {
		close(l.closed)
		for range cap(l.slots) {
			l.slots <- struct{}{}
		}
	})
}

// pool keeps runners of one kind by form, such as a batch size with a length. A runner serves one
// caller at a time. Those of a form are twins and share weights, so that further ones cost their
// values only. A pool keeps few forms, and drops the one that was asked for longest ago.
type pool[K comparable, R any] struct {
	build func(K) (R, error) // the first of a form
	twin  func(R) (R, error)
	most  int // forms

	mu    sync.Mutex
	forms map[K]*form[R]
	clock int
}

// form is the runners of a form.
type form[R any] struct {
	ready chan struct{} // closed when first, or err, is there
	first R
	err   error

	mu   sync.Mutex // guards idle, and twins being made
	idle []R
	used int // by the pool's clock
}

// take gives a runner of a form, which give takes back. Building is not broken off when ctx ends,
// but waiting for another's is.
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

// give takes a runner back.
func (p *pool[K, R]) give(f *form[R], r R) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, r)
}

// form finds a form; mine is true for whoever is to build it.
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
