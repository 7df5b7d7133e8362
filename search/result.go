package search

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// Result is the outcome of a search. Its JSON form is what search --json prints.
type Result struct {
	Trials     []Trial            `json:"trials"`
	Best       *Trial             `json:"best"`   // nil while no trial has gone all the way
	Pareto     []int              `json:"pareto"` // numbers of the trials that no other beats in all objectives
	Importance map[string]float64 `json:"importance"`
	Seconds    float64            `json:"seconds"`

	State   string   `json:"state"`    // done, or unfinished
	Planned int      `json:"planned"`  // trials at most
	Metric  string   `json:"metric"`   // of val_accuracy
	Space   string   `json:"space"`    // YAML
	HeldOut int      `json:"held_out"` // training examples that measured each trial
	Notes   []string `json:"notes,omitempty"`
	Out     string   `json:"out"`
}

// The states of a search.
const (
	Done       = "done"
	Unfinished = "unfinished" // it runs, or was stopped
)

// Read returns the result of the search in a folder, or what is known so far where it has not
// ended. It errors where the folder holds no search, or its log is damaged.
func Read(dir string) (*Result, error) {
	record, err := trials.ReadRecord(dir)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	r, err := resultOf(record)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	r.Out = dir
	return r, nil
}

// resultOf is the result of a search by its record.
func resultOf(record *trials.Record) (*Result, error) {
	h := &record.Header
	shared, err := record.Config()
	if err != nil {
		return nil, err
	}
	r := &Result{Trials: []Trial{}, Pareto: []int{}, Importance: map[string]float64{}, Seconds: record.Seconds(), State: Unfinished, Planned: h.Trials,
		Metric: h.Metric, Space: h.Space, HeldOut: h.HeldOut, Notes: h.Notes}
	for _, e := range record.Trials() {
		r.Trials = append(r.Trials, trialOf(record, shared, e))
	}
	for _, e := range record.Running() {
		t := trialOf(record, shared, e)
		if i := slices.IndexFunc(r.Trials, func(o Trial) bool { return o.Number == t.Number }); i >= 0 {
			r.Trials[i].State = t.State
			continue
		}
		r.Trials = append(r.Trials, t)
	}
	slices.SortFunc(r.Trials, func(a, b Trial) int { return a.Number - b.Number })
	if best, err := record.Best(); err == nil {
		t := trialOf(record, shared, best)
		r.Best = &t
	}
	if f := record.Final; f != nil && r.Best != nil {
		r.State = Done
		if f.Metric != nil {
			r.Best.TestMetric = f.Metric.Value
		} else {
			r.Best.TestAccuracy = &f.Accuracy
		}
	}
	for _, e := range record.Pareto() {
		r.Pareto = append(r.Pareto, e.Trial)
	}
	for _, share := range record.Importance() {
		r.Importance[share.Name] = share.Share
	}
	return r, nil
}
