package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// The states of a trial, which are classes in page.css.
const (
	done    = "done"
	pruned  = "pruned"
	failed  = "failed"
	running = "running"
)

// trial is one trial as the plots need it.
type trial struct {
	entry  trials.Entry
	number string
	state  string
	best   bool
	front  bool
	metric float64 // as a person reads it; NaN where it failed
	fifth  int     // 0 for the worst fifth of the trials to 4 for the best
}

// gather lists the trials of a record by their number.
func gather(r *trials.Record) []*trial {
	best := -1
	if e, err := r.Best(); err == nil {
		best = e.Trial
	}
	var out []*trial
	for _, e := range r.Trials() {
		t := &trial{entry: e, number: fmt.Sprint(e.Trial), best: e.Trial == best, metric: metric(e.Outcome)}
		switch {
		case e.Failed():
			t.state, t.metric = failed, math.NaN()
		case r.Whole(e):
			t.state = done
		default:
			t.state = pruned
		}
		out = append(out, t)
	}
	for _, e := range r.Pareto() {
		i := slices.IndexFunc(out, func(t *trial) bool { return t.entry.Trial == e.Trial })
		out[i].front = true
	}
	rank(out)
	return out
}

// rank finds the fifth of the trials that each belongs to. One that went further is the better.
func rank(all []*trial) {
	scored := slices.DeleteFunc(slices.Clone(all), func(t *trial) bool { return t.state == failed })
	slices.SortStableFunc(scored, func(a, b *trial) int {
		return cmp.Or(cmp.Compare(a.entry.Rung, b.entry.Rung), cmp.Compare(a.entry.Outcome.Score, b.entry.Outcome.Score))
	})
	for i, t := range scored {
		t.fifth = 5 * i / len(scored)
	}
}

// metric is the value of the metric by its name.
func metric(o *trials.Outcome) float64 {
	if o.Metric != nil && o.Metric.Value != nil {
		return *o.Metric.Value
	}
	return o.Score
}

// smallIsGood reports whether the metric is better when it is smaller: then the score is its
// negative.
func smallIsGood(all []*trial) bool {
	return slices.ContainsFunc(all, func(t *trial) bool { return t.metric > 0 && t.entry.Outcome.Score < 0 })
}

// metricText writes a value of the metric.
func metricText(name string) func(float64) string {
	if name == "accuracy" || name == "error_rate" {
		return chart.Percent
	}
	return chart.Number
}

// metricAxis is the axis of the metric. A few values far from all others are placed at its end.
func metricAxis(name string, all []*trial) chart.Axis {
	var values []float64
	for _, t := range all {
		if chart.Finite(t.metric) {
			values = append(values, t.metric)
		}
	}
	slices.Sort(values)
	if n := len(values); n > 4 {
		a, b := values[n/4], values[n*3/4]
		reach := 10 * max(b-a, 1e-3*math.Abs(b))
		values = slices.DeleteFunc(values, func(v float64) bool { return v < a-reach || v > b+reach })
	}
	return chart.Linear(strings.ReplaceAll(name, "_", " "), metricText(name), values...)
}

// options writes the parameters of a trial.
func (t *trial) options() string {
	var parts []string
	for _, s := range t.entry.Point.Settings() {
		parts = append(parts, s.Name+" "+shown(s.Value))
	}
	return strings.Join(parts, ", ")
}

// tip says in a line what a trial is.
func (t *trial) tip(name string) string {
	s := "trial " + t.number + ", "
	switch {
	case t.state == failed:
		s += "failed: " + t.entry.Outcome.Failed
	case t.state == pruned:
		s += fmt.Sprintf("%s after %d epochs, stopped early", metricText(name)(t.metric), t.entry.Outcome.Epochs)
	default:
		s += metricText(name)(t.metric)
	}
	return s + " · " + t.options()
}
