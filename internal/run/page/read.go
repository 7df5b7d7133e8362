package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/permafrost-ml/permafrost/internal/facts"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Run is what the report of a run is drawn from.
type Run struct {
	*run.Listed
	Start      report.RunStart
	Data       report.DataEvent
	Plan       report.PlanEvent
	Cache      report.CacheEvent
	Changes    []*report.PlanChange // what the schedule did
	Warnings   []string
	Diagnosis  *report.Diagnosis // nil before the end
	End        *report.RunEnd    // nil before the end
	Checkpoint int64             // bytes of the last one, 0 without one

	Val   *task.Metrics // of the written weights, or else of the best epoch so far; nil without one
	Facts *facts.Facts  // nil in a folder of an earlier version
	Race  *Race         // nil without --auto
	Base  string        // SHA-256 of the pretrained model
	Delta int64         // bytes of what is shipped beside the base, 0 without it

	last lastSigns // of a run without a finished epoch
}

// Read reads a run folder. It errors where the folder holds no run, or one that cannot be read.
func Read(dir string) (*Run, error) { return read(os.DirFS(dir), dir, nil) }

// ReadFS is Read for a folder that is opened as a file system, and named out. It does not look at
// the events of steps, which the page does not show.
func ReadFS(dir fs.FS, out string) (*Run, error) { return read(dir, out, run.Frequent) }

func read(dir fs.FS, out string, skip func(kind string) bool) (*Run, error) {
	r := &Run{}
	var err error
	if r.Listed, err = run.ReadFS(dir, out, skip, func(rec report.Record) { r.take(rec.Event) }); err != nil {
		return nil, err
	}
	if r.Epochs == 0 && r.State != run.Done {
		r.last = readLastSigns(dir)
	}
	for _, e := range r.Curve {
		if e.Epoch == r.BestEpoch || r.Val == nil && e.Val != nil {
			r.Val = e.Val
		}
	}
	if r.Facts, err = facts.Read(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", run.FactsFile, err)
	}
	if err := readJSON(dir, RaceFile, &r.Race); err != nil {
		return nil, err
	}
	var plan *freeze.Plan
	if err := readJSON(dir, run.PlanFile, &plan); err != nil {
		return nil, err
	}
	if plan != nil {
		r.Base = plan.Model
	}
	if st, err := fs.Stat(dir, run.DeltaFile); err == nil {
		r.Delta = st.Size()
	}
	return r, nil
}

// readJSON reads a file of a run folder, if it is there.
func readJSON(dir fs.FS, name string, to any) error {
	b, err := fs.ReadFile(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// take records what an event tells beside what run.Listed takes.
func (r *Run) take(e report.Event) {
	switch e := e.(type) {
	case *report.RunStart:
		r.Start, r.End = *e, nil
	case *report.DataEvent:
		r.Data = *e
	case *report.PlanEvent:
		r.Plan = *e
	case *report.CacheEvent:
		if e.Seconds > 0 || r.Cache.Where == "" { // a resumed run finds what the first sitting kept
			r.Cache = *e
		}
	case *report.PlanChange:
		for len(r.Changes) > 0 && r.Changes[len(r.Changes)-1].Step >= e.Step { // before an interruption
			r.Changes = r.Changes[:len(r.Changes)-1]
		}
		r.Changes = append(r.Changes, e)
	case *report.CheckpointEvent:
		r.Checkpoint = e.Bytes
	case *report.Warning:
		r.Warnings = append(r.Warnings, e.Message)
	case *report.Diagnosis:
		r.Diagnosis = e
	case *report.RunEnd:
		r.End = e
	}
}
