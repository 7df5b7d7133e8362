package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// The states of a run, as its folder tells them.
const (
	Done        = "done"        // it has its result
	Interrupted = "interrupted" // it was stopped and can be resumed
	Failed      = "failed"      // it ended with an error
	Unfinished  = "unfinished"  // it has no end: it is running, or was killed
)

// Listed is what a run folder tells of its run.
type Listed struct {
	Out   string // the folder
	State string // Done, Interrupted, Failed or Unfinished
	Error string // why it failed

	Config config.Config // its options
	Task   string        // empty if it has not read its data

	Epochs    int // finished
	Planned   int // epochs planned
	BestEpoch int // from 1, 0 without one

	// of the written weights or, before there are any, of the best epoch so far; nil without one
	Accuracy *float64    // classify only
	Metric   *task.Named // of other tasks
	Loss     *float64

	ParamsTotal, ParamsThawed int
	Began                     time.Time
	Seconds                   float64 // of work, in all sittings

	Curve []*report.EpochEvent // of the epochs, in order
}

// Damaged is a run folder that cannot be read.
type Damaged struct {
	Out string
	Err error
}

// listDepth is how deep below a folder runs are looked for.
const listDepth = 4

// List describes the runs in a folder and in those below it, in the order in which they began. Run
// folders that cannot be read are listed apart. It errors if the folder itself cannot be read.
func List(dir string) ([]Listed, []Damaged, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return nil, nil, err
	}
	var runs []Listed
	var damaged []Damaged
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil: // a folder that cannot be listed
			damaged = append(damaged, Damaged{path, err})
			return nil
		case !e.IsDir():
			return nil
		case path != dir && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		}
		if isRun(path) {
			l, err := Read(path, nil)
			if err != nil {
				damaged = append(damaged, Damaged{path, err})
			} else {
				runs = append(runs, *l)
			}
			return fs.SkipDir
		}
		if rel, err := filepath.Rel(dir, path); err == nil && strings.Count(rel, string(filepath.Separator)) >= listDepth {
			return fs.SkipDir
		}
		return nil
	})
	slices.SortStableFunc(runs, func(a, b Listed) int { return a.Began.Compare(b.Began) })
	return runs, damaged, err
}

// isRun reports whether a folder holds a run, or what is left of one.
func isRun(path string) bool {
	for _, name := range []string{RunFile, EventsFile} {
		if st, err := os.Lstat(filepath.Join(path, name)); err == nil && !st.IsDir() {
			return true
		}
	}
	return false
}

// Read describes the run in a folder, and passes its events to each, if that is not nil. It errors
// where the folder holds no run, or one that cannot be read.
func Read(path string, each func(report.Record)) (*Listed, error) {
	return ReadFS(os.DirFS(path), path, nil, each)
}

// ReadFS is Read for a folder that is opened as a file system, and named out. It passes over the
// events whose type skip reports, if that is not nil; the run is described without them.
func ReadFS(fsys fs.FS, out string, skip func(kind string) bool, each func(report.Record)) (*Listed, error) {
	b, err := fs.ReadFile(fsys, RunFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noRun(out)
	}
	if err != nil {
		return nil, err
	}
	cfg, err := config.ParseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(out, RunFile), err)
	}
	f := &Follower{Listed: &Listed{Out: out, State: Unfinished, Config: cfg, Planned: cfg.Epochs}, skip: skip, curve: true, configured: true}
	if err := f.Update(fsys, each); err != nil {
		return nil, err
	}
	return f.Listed, nil
}

// take records what an event tells.
func (l *Listed) take(e report.Event) {
	switch e := e.(type) {
	case *report.RunStart:
		l.Planned, l.State, l.Error = e.Epochs, Unfinished, ""
	case *report.DataEvent:
		l.Task = e.Task
	case *report.PlanEvent:
		l.ParamsTotal, l.ParamsThawed = e.ParamsTotal, e.ParamsThawed
	case *report.EpochEvent:
		l.Epochs = e.Epoch
		for len(l.Curve) > 0 && l.Curve[len(l.Curve)-1].Epoch >= e.Epoch { // before an interruption
			l.Curve = l.Curve[:len(l.Curve)-1]
		}
		l.Curve = append(l.Curve, e)
		if e.Best && e.Val != nil {
			l.BestEpoch, l.Accuracy, l.Metric, l.Loss = e.Epoch, nil, e.Val.Named(), task.Finite(e.Val.Loss())
			if l.Metric == nil {
				l.Accuracy = task.Finite(e.Val.Accuracy())
			}
		}
	case *report.RunEnd:
		l.Epochs, l.BestEpoch = e.Epochs, e.BestEpoch
		switch e.Status {
		case "done", "stopped":
			l.State, l.Seconds = Done, e.Seconds
		case "interrupted":
			l.State, l.Seconds = Interrupted, l.Seconds+e.Seconds
		default:
			l.State, l.Error, l.Seconds = Failed, e.Error, l.Seconds+e.Seconds
		}
		var r struct {
			Accuracy *float64    `json:"val_accuracy"`
			Metric   *task.Named `json:"val_metric"`
			Loss     *float64    `json:"val_loss"`
			Thawed   *int        `json:"params_thawed"`
		}
		if e.Result == nil || json.Unmarshal(e.Result, &r) != nil || r.Loss == nil {
			return
		}
		l.Accuracy, l.Metric, l.Loss = r.Accuracy, r.Metric, r.Loss
		if r.Thawed != nil {
			l.ParamsThawed = *r.Thawed
		}
	}
}
