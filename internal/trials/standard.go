package trials

import (
	"context"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// hold begins the fit of one part. The features that a fresh head reads are measured by the first of
// the fits that read the same.
func (b *Bench) hold(ctx context.Context, s *run.Session, k int) (*run.Held, error) {
	id, ok, err := s.Net.StandardID()
	if err != nil {
		return nil, err
	}
	if !ok || s.Config.Augment != "none" || s.Plans.Reach.Pending() {
		return b.begin(ctx, s)
	}
	found, set := b.standards.of(standardKey{id, s.HeadOnly(), s.Config.CachePrecision, s.Config.Batch, k})
	if found != nil {
		s.Net.Norm = found
		return b.begin(ctx, s)
	}
	f, err := b.begin(ctx, s)
	set(s.Net.Norm)
	return f, err
}

// begin opens a fit that outlives ctx: a later call goes on with it under a context of its own.
func (b *Bench) begin(ctx context.Context, s *run.Session) (*run.Held, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	f, err := s.Hold(own, nil, false, b.sinks...)
	if !stop() && err == nil {
		f.Close()
		err = ctx.Err()
	}
	return f, err
}

// standards are the standardisations of heads that have been measured. They are safe for concurrent
// use.
type standards struct {
	mu sync.Mutex
	by map[standardKey]*measuredStandard
}

type standardKey struct {
	features  split.Digest
	headOnly  bool
	precision string // of kept values
	batch     int
	part      int
}

type measuredStandard struct {
	ready    chan struct{} // closed when it is measured
	standard *split.Standard
}

// of returns a standardisation. If it is not measured yet it waits, or returns nil and has the caller
// measure it, who must call set.
func (s *standards) of(key standardKey) (found *split.Standard, set func(*split.Standard)) {
	s.mu.Lock()
	m := s.by[key]
	if m == nil {
		m = &measuredStandard{ready: make(chan struct{})}
		if s.by == nil {
			s.by = map[standardKey]*measuredStandard{}
		}
		s.by[key] = m
		s.mu.Unlock()
		return nil, func(v *split.Standard) { m.standard = v; close(m.ready) }
	}
	s.mu.Unlock()
	<-m.ready
	return m.standard, func(*split.Standard) {}
}
