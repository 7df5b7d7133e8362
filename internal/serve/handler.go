package serve

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// Handler returns the routes: the protocol's below /v2, and /metrics for Prometheus.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2", s.server)
	mux.HandleFunc("GET /v2/{$}", s.server)
	mux.HandleFunc("GET /v2/models", s.list)
	mux.HandleFunc("GET /v2/health/live", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"live": true})
	})
	mux.HandleFunc("GET /v2/health/ready", func(w http.ResponseWriter, _ *http.Request) {
		code := http.StatusOK
		if s.stopping.Load() {
			code = http.StatusServiceUnavailable
		}
		writeJSON(w, code, map[string]bool{"ready": code == http.StatusOK})
	})
	for _, path := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		mux.HandleFunc("GET "+path, s.metadata)
		mux.HandleFunc("GET "+path+"/ready", s.ready)
		mux.HandleFunc("POST "+path+"/infer", s.inference)
	}
	mux.Handle("GET /metrics", s.numbers.handler())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, fail(http.StatusNotFound, "%s %s is no route of the Open Inference Protocol: GET /v2/models lists the models, POST /v2/models/NAME/infer asks one", r.Method, r.URL.Path))
	})
	return mux
}

func (s *Server) server(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"name": "permafrost", "version": version.Version, "extensions": []string{"binary_tensor_data"}})
}

func (s *Server) list(w http.ResponseWriter, _ *http.Request) {
	type line struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Task    string `json:"task"`
	}
	var lines []line
	st := s.state.Load()
	for _, name := range st.names {
		m := st.models[name]
		lines = append(lines, line{name, m.version, m.Task.Name()})
	}
	writeJSON(w, http.StatusOK, map[string]any{"models": lines})
}

// find returns the model that a path names.
func (s *Server) find(r *http.Request) (*state, *model, error) {
	st := s.state.Load()
	name := r.PathValue("model")
	m := st.models[name]
	if m == nil {
		return nil, nil, fail(http.StatusNotFound, "there is no model %q: GET /v2/models lists them", name)
	}
	if v := r.PathValue("version"); v != "" && v != m.version {
		return nil, nil, fail(http.StatusNotFound, "model %q has version %s, not %s", name, m.version, v)
	}
	return st, m, nil
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	_, m, err := s.find(r)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"name": m.file.Name, "ready": true})
}

func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	_, m, err := s.find(r)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, m.describe())
}

// inference answers an inference request.
func (s *Server) inference(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	code := http.StatusOK
	name := "" // a label of metrics: of known models alone
	st, m, err := s.find(r)
	if err == nil {
		name = m.file.Name
		var done func()
		if done, err = s.enter(r); err == nil {
			defer done()
			err = s.infer(w, r, st, m)
		}
	}
	if err != nil {
		code = writeError(w, err)
	}
	s.numbers.requests.WithLabelValues(name, strconv.Itoa(code)).Inc()
	s.numbers.seconds.WithLabelValues(name).Observe(time.Since(began).Seconds())
}

// enter takes a place for a request and its body, and sets its deadline.
func (s *Server) enter(r *http.Request) (done func(), err error) {
	if s.stopping.Load() {
		return nil, fail(http.StatusServiceUnavailable, "the server stops")
	}
	size := r.ContentLength
	switch {
	case size > s.o.MaxBody:
		return nil, fail(http.StatusRequestEntityTooLarge, "the request has %d bytes, more than the server takes (%d)", size, s.o.MaxBody)
	case size < 0:
		size = s.o.MaxBody
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return nil, fail(http.StatusServiceUnavailable, "%d requests are in work or wait already", s.o.Queue)
	}
	if !s.body.take(size) {
		<-s.slots
		return nil, fail(http.StatusServiceUnavailable, "requests in work take all of the memory that the server has for them")
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.o.Timeout)
	stop := context.AfterFunc(s.ctx, cancel)
	*r = *r.WithContext(ctx)
	return func() {
		stop()
		cancel()
		s.body.give(size)
		<-s.slots
	}, nil
}

// infer reads a request, has it answered and writes the answer.
func (s *Server) infer(w http.ResponseWriter, r *http.Request, st *state, m *model) error {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.o.Timeout)) // not every writer has one
	body, err := s.read(w, r)
	if err != nil {
		return unread(err)
	}
	q, err := m.question(st, r.Header, body)
	if err != nil {
		return err
	}
	out, err := s.answer(r.Context(), q)
	if err != nil {
		return late(err)
	}
	writeResponse(w, out, q.binary)
	return nil
}

// read reads the body of a request. Its memory has been taken from the budget.
func (s *Server) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	from := http.MaxBytesReader(w, r.Body, s.o.MaxBody)
	if r.ContentLength < 0 {
		return io.ReadAll(from)
	}
	// What follows the JSON begins at a multiple of 64, so that a tensor is read where it lies.
	head, _ := strconv.Atoi(r.Header.Get(headerLength))
	pad := -head & 63
	body := tensor.AlignedBytes(pad + int(r.ContentLength))[pad:]
	_, err := io.ReadFull(from, body)
	return body, err
}

// guarded makes an error of a panic: a broken invariant ends the requests that meet it, and no others.
func (s *Server) guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.say("panic: %v\n%s", p, debug.Stack())
			err = errors.New("the server has a fault, and said it in its log")
		}
	}()
	return do()
}

// unread is the failure of a body that could not be read.
func unread(err error) error {
	var large *http.MaxBytesError
	var slow interface{ Timeout() bool }
	switch {
	case errors.As(err, &large):
		return fail(http.StatusRequestEntityTooLarge, "the request has more than the %d bytes that the server takes", large.Limit)
	case errors.As(err, &slow) && slow.Timeout():
		return fail(http.StatusRequestTimeout, "the request did not arrive in time")
	}
	return bad("the request was cut off: %v", err)
}

// late is the failure of a request whose time is over.
func late(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fail(http.StatusGatewayTimeout, "the request was not answered in time")
	case errors.Is(err, context.Canceled):
		return fail(http.StatusServiceUnavailable, "the request was given up")
	}
	return err
}

// single reports whether a body is one example as it comes, and no message: a picture, a sound, a
// text or any file.
func single(h http.Header) bool {
	if n := h.Get(headerLength); n != "" {
		return n == "0"
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return false
	}
	major, _, _ := strings.Cut(kind, "/")
	return major == "image" || major == "audio" || kind == "text/plain" || kind == "application/octet-stream"
}
