// Package serve answers requests over HTTP with tuned models, in the Open Inference Protocol,
// version 2. It is a package of its own so that programs that only tune and predict contain no
// metrics for Prometheus.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/serve"
)

// Model is one that is served. Its file, or its delta, may be replaced while it is: the server then
// loads it again, see Options.Poll.
type Model struct {
	Name  string // in requests; "" for the one that ParseModel would give it
	Path  string // a tuned model, or any with a classifier; with Delta, its base
	Delta string // of the base at Path, see ApplyDelta; "" for none
}

// ParseModel reads [NAME=]PATH or [NAME=]BASE+DELTA. PATH may be the folder of a run, whose model is
// model.onnx. Without NAME a model is called like its file, or like its folder where the file is
// model.onnx or delta.safetensors. A file whose path has a + in it is taken as it is. It errors if
// there is no such file.
func ParseModel(arg string) (Model, error) {
	m := Model{Path: arg}
	if name, path, ok := strings.Cut(arg, "="); ok && !exists(arg) {
		m = Model{Name: name, Path: path}
		if name == "" || strings.ContainsAny(name, "/ ") {
			return m, fmt.Errorf("model %s: a name has no space and no slash, and is not empty", arg)
		}
	}
	if base, delta, ok := strings.Cut(m.Path, "+"); ok && !exists(m.Path) {
		m.Path, m.Delta = base, inFolder(delta, "delta.safetensors")
	}
	m.Path = inFolder(m.Path, "model.onnx")
	for _, path := range []string{m.Path, m.Delta} {
		if path != "" && !exists(path) {
			return m, fmt.Errorf("model %s: no such file: %s", arg, path)
		}
	}
	m.Name = cmp.Or(m.Name, m.name())
	return m, nil
}

// name is what a model is called that was given no name.
func (m Model) name() string {
	path := cmp.Or(m.Delta, m.Path)
	name := filepath.Base(path)
	if name == "model.onnx" || name == "delta.safetensors" {
		if abs, err := filepath.Abs(path); err == nil {
			name = filepath.Base(filepath.Dir(abs))
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(name, ".onnx"), ".safetensors")
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// inFolder is a file of a folder, or the path itself where that is no folder.
func inFolder(path, file string) string {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return filepath.Join(path, file)
	}
	return path
}

// Options say what is served, and its limits. Those that are zero have the defaults.
type Options struct {
	Models []Model

	MaxBatch int           // most examples that run at once, each takes memory; default 4
	MaxWait  time.Duration // how long a batch waits for examples that are on their way; default 2 ms, below 0: not at all
	Queue    int           // most requests that wait or are in work, others get status 503; default 256
	MaxBody  int64         // most bytes of a request; default 32 MiB
	Memory   int64         // most bytes of the requests in work; default 256 MiB, or 4 times MaxBody
	Timeout  time.Duration // of a request, which then gets status 504; default 30 s
	Poll     time.Duration // how often files are looked at for changes; default 2 s, below 0: never
	Grace    time.Duration // how long requests in work may last when the server stops; default 30 s
	Threads  int           // of computations; 0: one per core

	// Preparation says how inputs of models that were not tuned are prepared, see
	// permafrost.WithPreparation.
	Preparation permafrost.Config
	// Say is told what happens to models: what they share, what is assumed of them, that a file has
	// changed. It may be called from many goroutines. Nil: nobody is told.
	Say func(msg string)
}

// Defaults returns o with the defaults for what is zero.
func (o Options) Defaults() Options {
	o.MaxBatch = cmp.Or(o.MaxBatch, 4)
	o.MaxWait = cmp.Or(o.MaxWait, 2*time.Millisecond)
	o.Queue = cmp.Or(o.Queue, 256)
	o.MaxBody = cmp.Or(o.MaxBody, 32<<20)
	o.Memory = cmp.Or(o.Memory, max(256<<20, 4*o.MaxBody))
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.Poll = cmp.Or(o.Poll, 2*time.Second)
	o.Grace = cmp.Or(o.Grace, 30*time.Second)
	return o
}

// check errors on options that make no sense.
func (o Options) check() error {
	for _, c := range []struct {
		ok   bool
		name string
		v    any
		want string
	}{
		{o.MaxBatch > 0, "max_batch", o.MaxBatch, "at least 1"},
		{o.Queue > 0, "queue", o.Queue, "at least 1"},
		{o.MaxBody > 0, "max_body", o.MaxBody, "at least 1 byte"},
		{o.Memory >= o.MaxBody, "memory", o.Memory, "at least as much as one request may have"},
		{o.Timeout > 0, "timeout", o.Timeout, "above 0"},
		{o.Grace > 0, "grace", o.Grace, "above 0"},
		{o.Threads >= 0, "threads", o.Threads, "at least 0"},
	} {
		if !c.ok {
			return &permafrost.OptionError{Option: c.name, Err: fmt.Errorf("%v: %s", c.v, c.want)}
		}
	}
	if len(o.Models) == 0 {
		return &permafrost.OptionError{Option: "model", Err: errors.New("none is given")}
	}
	return nil
}

// Server serves models. It is safe for use from many goroutines.
type Server struct {
	s       *serve.Server
	release func()
}

// New loads models and compiles what they need. Close the server after use. It errors with
// permafrost.ErrBadInput on a model that cannot be served.
func New(ctx context.Context, o Options) (*Server, error) {
	o = o.Defaults()
	if err := o.check(); err != nil {
		return nil, failure.BadInput(err)
	}
	c := serve.Options{
		MaxBatch: o.MaxBatch, MaxWait: o.MaxWait, Queue: o.Queue, MaxBody: o.MaxBody, Memory: o.Memory,
		Timeout: o.Timeout, Poll: o.Poll, Grace: o.Grace, Say: o.Say,
		Feed: (*config.Config)(&o.Preparation).FeedOptions(),
	}
	for _, m := range o.Models {
		c.Models = append(c.Models, serve.File{Name: cmp.Or(m.Name, m.name()), Path: m.Path, Delta: m.Delta})
	}
	release := sync.OnceFunc(kernel.Use(o.Threads))
	s, err := serve.New(ctx, c)
	if err != nil {
		release()
		return nil, failure.BadInput(err)
	}
	if name := (*config.Config)(&o.Preparation).Prepares(); name != "" && s.Tuned() {
		s.Close()
		release()
		return nil, failure.BadInput(&permafrost.OptionError{Option: name, Err: errors.New("tuned models say themselves how their examples are prepared; leave it out")})
	}
	return &Server{s, release}, nil
}

// Handler answers requests: those of the protocol below /v2, and /metrics for Prometheus. It heeds
// the limits of Options, but deadlines of connections are those of the http.Server that uses it.
func (s *Server) Handler() http.Handler { return s.s.Handler() }

// Serve answers on a listener until ctx ends. It then turns new requests away and returns when those
// in work are answered. It errors if some were not within Options.Grace. It closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error { return s.s.Serve(ctx, l) }

// Close releases the models. Requests in work fail.
func (s *Server) Close() {
	s.s.Close()
	s.release()
}
