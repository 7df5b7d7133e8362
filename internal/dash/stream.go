package dash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// stream is a stream of server-sent events to a page.
type stream struct {
	w   http.ResponseWriter
	out *http.ResponseController
}

// beat is how often a stream says that it is alive.
const beat = 15 * time.Second

// stream begins one. It answers and returns nil where too many are open. The caller calls end.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) (out *stream, end func()) {
	select {
	case s.streams <- struct{}{}:
	default:
		s.fail(w, r, http.StatusServiceUnavailable, errors.New("too many pages are open"))
		return nil, nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	out = &stream{w, http.NewResponseController(w)}
	_ = out.out.Flush() // or the page learns that it is open only with the first event; an error comes again there
	return out, func() { <-s.streams }
}

// send sends an event. An error ends the stream.
func (s *stream) send(event string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "event: %s\ndata: %s\n\n", event, b)
	return s.write(text.Bytes())
}

// alive keeps the connection open.
func (s *stream) alive() error { return s.write([]byte(": \n\n")) }

func (s *stream) write(b []byte) error {
	_ = s.out.SetWriteDeadline(time.Now().Add(2 * beat)) // a test's recorder has none
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.out.Flush()
}
