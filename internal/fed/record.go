package fed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Record is what the folder of a federation tells, while it goes on and afterwards.
type Record struct {
	Settings  Settings
	Simulated string // what is simulated, in words; empty: nothing is
	Config    config.Config

	Start    report.RunStart
	Plan     report.PlanEvent
	Data     report.DataEvent
	Rounds   []report.RoundEvent
	Epochs   []report.EpochEvent // of the same rounds
	Members  map[string]Member
	Refused  map[string]string // and why
	Warnings []string
	End      *report.RunEnd // nil: it goes on, or was killed
	Began    time.Time
	Seconds  float64 // of work, in all sittings
}

// ReadRecord reads the folder of a federation. It errors where there is none.
func ReadRecord(dir string) (*Record, error) {
	if _, _, err := run.OpenRunDir(dir); err != nil {
		return nil, err
	}
	return ReadRecordFS(os.DirFS(dir), dir)
}

// ReadRecordFS is ReadRecord for a folder that is opened as a file system, and named dir.
func ReadRecordFS(fsys fs.FS, dir string) (*Record, error) {
	d := &run.RunDir{Path: dir}
	options, err := fs.ReadFile(fsys, run.RunFile)
	if err != nil {
		return nil, err
	}
	cfg, err := config.ParseConfig(options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.File(run.RunFile), err)
	}
	b, err := fs.ReadFile(fsys, run.FederationFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, option.Errorf("out", "%s holds no federation: it has no %s", dir, run.FederationFile)
	}
	if err != nil {
		return nil, err
	}
	var head folder
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("%s: %w", d.File(run.FederationFile), err)
	}
	f, err := fsys.Open(run.EventsFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &Record{Settings: head.Settings, Simulated: head.Simulated, Config: cfg, Members: map[string]Member{}, Refused: map[string]string{}}
	var last time.Time
	err = report.ReadEvents(f, func(e report.Record) bool {
		if r.Began.IsZero() {
			r.Began = e.Time
		}
		if _, start := e.Event.(*report.RunStart); start || last.IsZero() { // what lies between two sittings is no work
			last = e.Time
		}
		r.Seconds += e.Time.Sub(last).Seconds()
		last = e.Time
		r.take(e.Event)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.File(run.EventsFile), err)
	}
	for _, round := range r.Rounds {
		for _, c := range round.Clients {
			m := r.Members[c.Client]
			m.Rounds++
			r.Members[c.Client] = m
		}
	}
	return r, nil
}

// take records what an event tells.
func (r *Record) take(e report.Event) {
	switch e := e.(type) {
	case *report.RunStart:
		r.Start, r.End = *e, nil
		for n := len(r.Rounds); n > 0 && r.Rounds[n-1].Round >= e.Epoch; n-- { // made again
			r.Rounds = r.Rounds[:n-1]
		}
		for n := len(r.Epochs); n > 0 && r.Epochs[n-1].Epoch >= e.Epoch; n-- {
			r.Epochs = r.Epochs[:n-1]
		}
	case *report.DataEvent:
		r.Data = *e
	case *report.PlanEvent:
		r.Plan = *e
	case *report.RoundEvent:
		r.Rounds = append(r.Rounds, *e)
	case *report.EpochEvent:
		r.Epochs = append(r.Epochs, *e)
	case *report.ClientEvent:
		if e.Refused != "" {
			r.Refused[e.Client] = e.Refused
			return
		}
		delete(r.Refused, e.Client)
		r.Members[e.Client] = Member{Examples: e.Examples, From: e.From, Why: e.Why, Base: e.Base}
	case *report.Warning:
		r.Warnings = append(r.Warnings, e.Message)
	case *report.RunEnd:
		r.End = e
	}
}

// State is one of those of a run.
func (r *Record) State() string {
	switch {
	case r.End == nil:
		return run.Unfinished
	case r.End.Status == "done":
		return run.Done
	}
	return r.End.Status
}

// Best is the index of the round with the best weights by validation, -1 before the first.
func (r *Record) Best() int {
	best := -1
	for i, e := range r.Epochs {
		if e.Best {
			best = i
		}
	}
	return best
}

// Written is the index of the round whose weights are written in the end, as far as can be told;
// -1 before the first.
func (r *Record) Written() int {
	if r.Config.Keep == "best" {
		return r.Best()
	}
	return len(r.Rounds) - 1
}
