package trials

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/search/pareto"
	"github.com/permafrost-ml/permafrost/internal/search/space"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Record is what is known of a search, from its log or while it runs.
type Record struct {
	Header  Header
	Space   *space.Space
	Entries []Entry // in the order in which they came
	Final   *Final  // nil where the search has not ended
}

// ReadRecord reads the log in the folder of a search. It errors where there is none, and where it
// is damaged.
func ReadRecord(dir string) (*Record, error) { return ReadRecordFS(os.DirFS(dir), dir) }

// ReadRecordFS is ReadRecord for a folder that is opened as a file system, and named dir.
func ReadRecordFS(fsys fs.FS, dir string) (*Record, error) {
	path := filepath.Join(dir, LogFile)
	b, err := fs.ReadFile(fsys, LogFile)
	var h *Header
	var entries []Entry
	if err == nil {
		h, entries, _, err = readLog(path, b)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no search: it has no %s", dir, LogFile)
	}
	if err != nil {
		return nil, err
	}
	if h.Version != version {
		return nil, fmt.Errorf("%s: the log has version %d, this program reads version %d", path, h.Version, version)
	}
	r := &Record{Header: *h, Entries: entries}
	if r.Space, err = space.Parse([]byte(h.Space), Known(nil)); err != nil {
		return nil, fmt.Errorf("%s: the space: %w", path, err)
	}
	for _, o := range h.Objectives {
		if !slices.Contains(objectives, o) {
			return nil, fmt.Errorf("%s: the objective %q is not known", path, o)
		}
	}
	for _, e := range entries {
		if e.Final != nil {
			r.Final = e.Final
		}
	}
	return r, nil
}

// Config returns the options that all trials share, as the user gave them.
func (r *Record) Config() (config.Config, error) { return config.ParseConfig([]byte(r.Header.Options)) }

// top is the highest rung.
func (r *Record) top() int { return max(0, len(r.Header.Rungs)-1) }

// Results are the results of all tasks, in the order in which they came. Of a task that was run
// twice the first result counts.
func (r *Record) Results() []Entry {
	var out []Entry
	seen := map[[2]int]bool{}
	for _, e := range r.Entries {
		if key := [2]int{e.Trial, e.Rung}; e.Outcome != nil && !seen[key] {
			seen[key] = true
			out = append(out, e)
		}
	}
	return out
}

// Trials are the results of all trials on the highest rung that each has reached, by their number.
func (r *Record) Trials() []Entry {
	var out []Entry
	for _, e := range r.Results() {
		i, found := slices.BinarySearchFunc(out, e.Trial, func(o Entry, n int) int { return o.Trial - n })
		switch {
		case !found:
			out = slices.Insert(out, i, e)
		case e.Rung > out[i].Rung:
			out[i] = e
		}
	}
	return out
}

// Running are the tasks that have started and have no result, by the number of their trial.
func (r *Record) Running() []Entry {
	if r.Final != nil {
		return nil
	}
	var out []Entry
	for _, e := range r.Entries {
		same := func(o Entry) bool { return o.Trial == e.Trial && o.Rung == e.Rung }
		switch {
		case e.Final != nil:
		case e.Outcome != nil:
			out = slices.DeleteFunc(out, same)
		case !slices.ContainsFunc(out, same):
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return a.Trial - b.Trial })
	return out
}

// Failed reports whether a trial ended without a score.
func (e *Entry) Failed() bool { return e.Outcome.Failed != "" }

// Whole reports whether a result is that of a trial which went all the way.
func (r *Record) Whole(e Entry) bool { return !e.Failed() && e.Rung >= r.top() }

// whole are the trials that went all the way.
func (r *Record) whole() []Entry {
	return slices.DeleteFunc(r.Trials(), func(e Entry) bool { return !r.Whole(e) })
}

// Best is the trial of the best score that went all the way; of equal scores that of the smaller
// loss. It errors where there is none.
func (r *Record) Best() (Entry, error) {
	all := r.whole()
	if len(all) == 0 {
		return Entry{}, errors.New("no trial ended with a result")
	}
	best := all[0]
	for _, e := range all[1:] {
		if e.Outcome.score().Better(best.Outcome.score()) {
			best = e
		}
	}
	return best, nil
}

// Better reports whether a result is better than another on the same rung.
func (o *Outcome) Better(than *Outcome) bool { return o.score().Better(than.score()) }

func (o *Outcome) score() task.Score { return task.Score{Metric: o.Score, Loss: o.Loss} }

// Pareto are the trials that no other beats in every objective, in the order of their numbers.
func (r *Record) Pareto() []Entry {
	all := r.whole()
	var rows [][]float64
	for _, e := range all {
		rows = append(rows, values(r.Header.Objectives, e.Outcome))
	}
	var out []Entry
	for _, i := range pareto.Front(rows) {
		out = append(out, all[i])
	}
	return out
}

// Importance says how much each parameter decides about the first objective.
func (r *Record) Importance() []search.Share {
	var results []search.Result
	for _, e := range r.Trials() {
		of := search.Result{Trial: e.Trial, Point: e.Point, State: search.Done, Rung: e.Rung, Values: values(r.Header.Objectives, e.Outcome), Loss: e.Outcome.Loss}
		if of.Values == nil {
			of.State = search.Failed
		}
		results = append(results, of)
	}
	return search.Importance(r.Space, results, 0)
}

// Seconds is how long the search took, or has taken up to its last entry.
func (r *Record) Seconds() float64 {
	if r.Final != nil {
		return r.Final.Seconds
	}
	if len(r.Entries) == 0 {
		return 0
	}
	return r.Entries[len(r.Entries)-1].At.Sub(r.Entries[0].At).Round(time.Millisecond).Seconds()
}

// Replay returns the options of a fit of a trial's point on all training examples, to its last
// epoch, as the best trial is fitted. It errors where there is no such trial.
func (r *Record) Replay(trial int) (config.Config, error) {
	var last *Entry // that has most to say
	for i, e := range r.Entries {
		if e.Trial == trial && e.Final == nil && (last == nil || e.Outcome != nil) {
			last = &r.Entries[i]
		}
	}
	if last == nil {
		return config.Config{}, fmt.Errorf("the search has no trial %d", trial)
	}
	if _, ok := last.Point.Get(lrTimes); ok && last.Outcome == nil {
		return config.Config{}, fmt.Errorf("trial %d has no result yet, and its rate is known with that", trial)
	}
	base, err := r.Config()
	if err != nil {
		return base, err
	}
	return whole(base, *last)
}

// whole are the options of a fit of a trial on all training examples. The rate is that of the trial,
// also where the recipe chose it.
func whole(base config.Config, e Entry) (config.Config, error) {
	cfg, err := Apply(base, e.Point)
	cfg.Keep, cfg.Patience = "last", 0
	if cfg.LR == 0 && e.Outcome != nil {
		cfg.LR = e.Outcome.LR
	}
	return cfg, err
}
