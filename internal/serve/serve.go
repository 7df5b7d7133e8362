// Package serve answers requests over HTTP with tuned models, in the Open Inference Protocol,
// version 2.
//
// In: files of tuned models. Out: an http.Handler. Models that prepare examples alike are one
// family: their examples go through one package joint network in batches, so what the models have
// in common is computed once, whoever asks. Every wait is bounded: how many requests are in work, how
// many bytes their bodies take, how long each may last.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/permafrost-ml/permafrost/internal/feed"
)

// Options say what is served, and its limits.
type Options struct {
	Models []File

	MaxBatch int           // most examples of a batch
	MaxWait  time.Duration // how long a batch waits for examples that are being prepared
	Queue    int           // most requests that wait or are in work; others are turned away
	MaxBody  int64         // most bytes of one request
	Memory   int64         // most bytes of all requests in work
	Timeout  time.Duration // of one request
	Poll     time.Duration // how often files are looked at; 0: never
	Grace    time.Duration // how long what is in work may last when the server stops

	Feed feed.Options     // how examples of models that were not tuned are prepared
	Say  func(msg string) // is told what happens to models; nil: nobody is
}

// File is where a model is.
type File struct {
	Name  string
	Path  string // a model or, with Delta, its base
	Delta string // "" for none
}

// Server serves models. It is safe for concurrent use.
type Server struct {
	o        Options
	state    atomic.Pointer[state]
	loading  sync.Mutex // of reloads
	tensors  *tensorPool
	families families
	numbers  *numbers
	slots    chan struct{}
	body     budget
	stopping atomic.Bool

	ctx    context.Context // of what the server runs
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// New loads the models. Close ends what the server runs. It errors if a model cannot be loaded.
func New(ctx context.Context, o Options) (*Server, error) {
	names := map[string]bool{}
	for _, f := range o.Models {
		if f.Name == "" || strings.ContainsAny(f.Name, "/ ") {
			return nil, fmt.Errorf("model %s: a name has no space and no slash, and is not empty: %q", f.Path, f.Name)
		}
		if names[f.Name] {
			return nil, fmt.Errorf("two models have the name %q: give one another, as NAME=%s", f.Name, f.Path)
		}
		names[f.Name] = true
	}
	s := &Server{o: o, tensors: newTensorPool(), slots: make(chan struct{}, o.Queue), body: budget{most: o.Memory}}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.families.begin = s.newFamily
	s.numbers = newNumbers(s)
	files := map[string]*loaded{}
	for _, f := range o.Models {
		if err := ctx.Err(); err != nil {
			s.Close()
			return nil, err
		}
		m, err := s.load(f)
		if err != nil {
			s.Close()
			return nil, err
		}
		files[f.Name] = m
	}
	st, err := s.arrange(files)
	if err != nil {
		s.Close()
		return nil, err
	}
	s.state.Store(st)
	if o.Poll > 0 {
		s.work.Go(s.watch)
	}
	return s, nil
}

// Close ends what the server runs. Requests in work fail.
func (s *Server) Close() {
	s.stopping.Store(true)
	s.cancel()
	s.work.Wait()
}

// mostConnections limits the connections of a listener.
const mostConnections = 4096

// Serve answers on a listener until ctx ends. It then turns new requests away, and returns when
// those in work are answered, or when the grace is over.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       s.o.Timeout + 10*time.Second,
		WriteTimeout:      2*s.o.Timeout + 20*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          nil,
	}
	unmapProgram()
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(netutil.LimitListener(l, mostConnections)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.Grace)
	defer cancel()
	err := h.Shutdown(grace)
	if err != nil {
		h.Close()
		err = fmt.Errorf("requests were still in work after %v, and were cut off", s.o.Grace)
	}
	if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// Tuned reports whether all models are tuned, and so say themselves how examples are prepared.
func (s *Server) Tuned() bool {
	for _, m := range s.state.Load().models {
		if m.Record.Plan == nil {
			return false
		}
	}
	return true
}

func (s *Server) say(format string, args ...any) {
	if s.o.Say != nil {
		s.o.Say(fmt.Sprintf(format, args...))
	}
}

// budget is a number of bytes that may be taken.
type budget struct {
	most  int64
	taken atomic.Int64
}

func (b *budget) take(n int64) bool {
	if b.taken.Add(n) <= b.most {
		return true
	}
	b.taken.Add(-n)
	return false
}

func (b *budget) give(n int64) { b.taken.Add(-n) }
