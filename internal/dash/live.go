package dash

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	runpage "github.com/permafrost-ml/permafrost/internal/run/page"
)

// recent reports whether a file has changed a short time ago.
func recent(p *place, name string) bool {
	st, err := fs.Stat(p.FS, name)
	return err == nil && time.Since(st.ModTime()) < quiet
}

// progress is what the page of a run that goes on says of it.
type progress struct {
	Text string  `json:"text"`
	Part float64 `json:"part"` // of all its work, from 0 to 1; -1: unknown
}

// live tells the page of a run what happens: points of the curves, progress, and that the rest of the
// page has changed.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	at, _ := strconv.ParseInt(r.URL.Query().Get("at"), 10, 64)
	name := strings.Trim(r.PathValue("path"), "/")
	p, err := s.folder.at(name)
	if err == nil {
		if p.kind() == "" {
			err = fs.ErrNotExist
		}
		p.Close()
	}
	if err != nil && s.jobs.of(name) == nil {
		s.missing(w, r, err)
		return
	}
	out, end := s.stream(w, r)
	if out == nil {
		return
	}
	defer end()
	f := following{s: s, name: name, at: at, out: out}
	tick := time.NewTicker(s.o.Poll)
	defer tick.Stop()
	told := time.Now()
	for {
		said, err := f.look()
		if err != nil {
			return
		}
		if said {
			told = time.Now()
		} else if time.Since(told) > beat {
			if out.alive() != nil {
				return
			}
			told = time.Now()
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// following is a page that follows a run.
type following struct {
	s    *Server
	name string
	out  *stream
	at   int64 // bytes of the events that the page knows

	began       bool
	steps       int // planned
	epochs      int // planned
	inEpoch     int // steps of an epoch
	first       int // step at which the epoch began
	epochSec    float64
	mod         time.Time // of a log that is read as a whole
	size        int64
	lastRefresh time.Time
	owed        bool // a refresh
}

// look tells what is new. It reports whether anything was.
func (f *following) look() (bool, error) {
	p, err := f.s.folder.at(f.name)
	if err != nil || p.kind() == "" {
		if j := f.s.jobs.of(f.name); j != nil && j.ended() {
			return true, f.out.send("refresh", true)
		}
		return false, nil // it has not begun its folder
	}
	defer p.Close()
	if !f.began {
		f.began = true
		found, err := f.s.pages.of(p)
		// it has begun, or has ended, since the page was made
		f.owed = f.at == 0 || err == nil && p.kind() == kindFit && found.State != run.Unfinished
	}
	var said bool
	if kind := p.kind(); kind == kindFit {
		said, err = f.fit(p)
	} else {
		st, e := fs.Stat(p.FS, files[kind])
		if e == nil && (st.Size() != f.size || !st.ModTime().Equal(f.mod)) {
			f.owed = f.owed || f.size > 0
			f.size, f.mod = st.Size(), st.ModTime()
		}
	}
	if err != nil {
		return said, err
	}
	wait := 2*time.Second + time.Duration(f.at>>20)*time.Second/2 // a long log takes long to read
	if f.owed && time.Since(f.lastRefresh) > wait {
		f.owed, f.lastRefresh, said = false, time.Now(), true
		err = f.out.send("refresh", true)
	}
	return said, err
}

// fit tells what a fit has written.
func (f *following) fit(p *place) (said bool, err error) {
	file, err := p.root.Open(run.EventsFile)
	if err != nil {
		return false, nil
	}
	defer file.Close()
	st, err := file.Stat()
	switch {
	case err != nil || st.Size() == f.at:
		return false, nil
	case st.Size() < f.at:
		return true, f.out.send("reload", true)
	}
	if f.epochs == 0 {
		if found, err := f.s.pages.of(p); err == nil {
			f.steps, f.epochs = found.Start.Steps, found.Planned
		}
	}
	var points []*report.EpochEvent
	var now *progress
	ended := false
	n, err := report.ReadSome(io.NewSectionReader(file, f.at, st.Size()-f.at), nil, func(rec report.Record) bool {
		switch e := rec.Event.(type) {
		case *report.EpochEvent:
			points = append(points, e)
			f.epochSec = e.Seconds
			left := float64(f.epochs-e.Epoch) * e.Seconds
			now = &progress{fmt.Sprintf("epoch %d of %d done, about %s left", e.Epoch, f.epochs, chart.Seconds(left)), float64(e.Epoch) / float64(max(1, f.epochs))}
		case *report.EpochStart:
			f.inEpoch, f.first = e.Steps, -1
		case *report.StepEvent:
			if f.first < 0 {
				f.first = e.Step - 1
			}
			part := float64(e.Epoch-1) / float64(max(1, f.epochs))
			text := fmt.Sprintf("epoch %d of %d", e.Epoch, f.epochs)
			if f.inEpoch > 0 {
				part += float64(e.Step-f.first) / float64(f.inEpoch*max(1, f.epochs))
				text += fmt.Sprintf(", step %d of %d", e.Step-f.first, f.inEpoch)
			}
			if chart.Finite(float64(e.Loss)) {
				text += ", loss " + chart.Number(float64(e.Loss))
			}
			now = &progress{text, part}
		case *report.Encoded:
			now = &progress{fmt.Sprintf("frozen part: %d of %d examples", e.Done, e.Total), 0}
		case *report.RunStart:
			f.steps, f.epochs, f.owed = e.Steps, e.Epochs, true
		case *report.RunEnd:
			ended, f.owed = true, true
		case *report.CheckpointEvent:
		default:
			f.owed = true
		}
		return true
	})
	f.at += n
	if err != nil { // a line that cannot be read: the page says so when it is loaded
		return true, f.out.send("reload", true)
	}
	if len(points) > 0 {
		if err := f.out.send("points", runpage.SeriesOf(points)); err != nil {
			return true, err
		}
		f.owed = true
	}
	if now != nil && !ended {
		if err := f.out.send("progress", now); err != nil {
			return true, err
		}
	}
	if ended {
		f.lastRefresh = time.Time{}
	}
	return n > 0, nil
}
