package page

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/chart"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// cost is something of a trial that is better when it is small.
type cost struct {
	objective trials.Objective
	label     string
	text      func(float64) string
}

var costs = []cost{
	{trials.Params, "parameters", chart.Amount},
	{trials.Bytes, "bytes of weights", chart.Size},
	{trials.Latency, "milliseconds an example", chart.Milliseconds},
	{trials.TrainSeconds, "seconds of training", chart.Seconds},
}

// tradeoffs plots the metric against each further objective, with the front of the two; without
// one, against the parameters and the time of a trial.
func tradeoffs(r *trials.Record, all []*trial) []*chart.Plot {
	var out []*chart.Plot
	several := len(r.Header.Objectives) > 1
	for _, c := range costs {
		if several && !slices.Contains(r.Header.Objectives, c.objective) || !several && c.objective != trials.Params && c.objective != trials.TrainSeconds {
			continue
		}
		var values []float64
		for _, t := range all {
			if t.state == done {
				values = append(values, c.objective.Value(t.entry.Outcome))
			}
		}
		if len(values) == 0 || !several && slices.Min(values) == slices.Max(values) {
			continue // nothing to see
		}
		x := chart.Amounts(c.label, c.text, values...)
		x.Time = c.objective == trials.TrainSeconds && !x.Log
		f := chart.Framed("", fmt.Sprintf("The %s of each trial that went all the way against its %s, and the trials that none beats in both.", r.Header.Metric, c.label),
			440, 300, x, metricAxis(r.Header.Metric, finished(all)))
		front(f, c.objective, all)
		for _, t := range ordered(all) {
			if t.state == done {
				mark(f, t, c.objective.Value(t.entry.Outcome), t.metric, 0)
				if t.front && several {
					f.Path("ring", t.number, chart.Disc(f.X.At(c.objective.Value(t.entry.Outcome)), f.Y.At(t.metric), 7))
				}
			}
		}
		out = append(out, f.Plot)
	}
	return out
}

func finished(all []*trial) []*trial {
	return slices.DeleteFunc(slices.Clone(all), func(t *trial) bool { return t.state != done })
}

// front connects the trials that no other beats in both the metric and a cost.
func front(f *chart.Frame, c trials.Objective, all []*trial) {
	whole := finished(all)
	slices.SortStableFunc(whole, func(a, b *trial) int {
		return cmp.Or(cmp.Compare(c.Value(a.entry.Outcome), c.Value(b.entry.Outcome)), cmp.Compare(b.entry.Outcome.Score, a.entry.Outcome.Score))
	})
	var best *trial
	var steps [][2]float64
	for _, t := range whole {
		if best != nil && t.entry.Outcome.Score <= best.entry.Outcome.Score {
			continue
		}
		x := f.X.At(c.Value(t.entry.Outcome))
		if best != nil {
			steps = append(steps, [2]float64{x, f.Y.At(best.metric)})
		}
		steps = append(steps, [2]float64{x, f.Y.At(t.metric)})
		best = t
	}
	if best != nil {
		steps = append(steps, [2]float64{f.X.To, f.Y.At(best.metric)})
		f.Path("steps", "", chart.Polyline(steps))
	}
}
