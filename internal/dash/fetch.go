package dash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// fetched is how far a model or data of a hub have come. It is a report.Sink.
type fetched struct {
	last atomic.Pointer[report.Download]
}

func (f *fetched) Emit(_ time.Time, e report.Event) {
	if d, ok := e.(*report.Download); ok {
		f.last.Store(d)
	}
}

// progress says it.
func (f *fetched) progress() progress {
	switch d := f.last.Load(); {
	case d == nil:
		return progress{"asking the hub", 0}
	case d.Size <= 0:
		return progress{fmt.Sprintf("%s: %s so far", d.File, chart.Size(float64(d.Done))), -1}
	case d.Done >= d.Size:
		return progress{d.File + " is here", 1}
	default:
		return progress{fmt.Sprintf("%s: %s of %s", d.File, chart.Size(float64(d.Done)), chart.Size(float64(d.Size))), float64(d.Done) / float64(d.Size)}
	}
}

// fetchPatience is how long a page waits for what comes from a hub before it shows how far it is.
const fetchPatience = 500 * time.Millisecond

// fetchBody is what the plan page shows while something is fetched.
type fetchBody struct {
	Now         progress
	Live        string // address of what happens
	Model, Data string
}

// fetching is nil where a request names nothing on a hub, or that is open, or could not be opened.
func (s *Server) fetching(ctx context.Context, q *request, o *planning) *fetchBody {
	if !layout.Is(q.Model) && !layout.Is(q.Data) {
		return nil
	}
	wait := time.NewTimer(fetchPatience)
	defer wait.Stop()
	select {
	case <-o.ready:
		return nil
	case <-ctx.Done():
	case <-wait.C:
	}
	return &fetchBody{o.fetched.progress(), "/plan/fetch?" + url.Values{"model": {q.Model}, "data": {q.Data}}.Encode(), q.Model, q.Data}
}

// errFetchStopped is why a model is not there whose download was stopped.
var errFetchStopped = errors.New("the download was stopped; what has come is kept, and Open goes on with it")

// planFetch tells the plan page how far a download is.
func (s *Server) planFetch(w http.ResponseWriter, r *http.Request) {
	o, err := s.fetchOf(r.URL.Query().Get)
	if err != nil {
		s.fail(w, r, http.StatusNotFound, err)
		return
	}
	out, end := s.stream(w, r)
	if out == nil {
		return
	}
	defer end()
	tick := time.NewTicker(s.o.Poll)
	defer tick.Stop()
	var told progress
	for at := time.Now(); ; {
		if now := o.fetched.progress(); now != told || time.Since(at) > beat {
			if told, at = now, time.Now(); out.send("progress", now) != nil {
				return
			}
		}
		select {
		case <-o.ready:
			switch {
			case errors.Is(o.err, context.Canceled):
				_ = out.send("failed", errFetchStopped.Error())
			case o.err != nil:
				_ = out.send("failed", o.err.Error())
			default:
				_ = out.send("refresh", true)
			}
			return
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stopFetch stops a download.
func (s *Server) stopFetch(w http.ResponseWriter, r *http.Request) {
	o, err := s.fetchOf(r.PostFormValue)
	if err != nil {
		s.fail(w, r, http.StatusConflict, err)
		return
	}
	o.stop()
	<-o.ready
	s.showPlan(w, r, http.StatusOK, nil, errFetchStopped.Error())
}

// fetchOf is what a form has opened, or is opening.
func (s *Server) fetchOf(get func(string) string) (*planning, error) {
	q, err := requestOf(get)
	if err != nil {
		return nil, err
	}
	if o := s.plans.find(q); o != nil {
		return o, nil
	}
	return nil, errors.New("nothing is fetched for this model and these data: it is there, or could not be had")
}
