package page

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// cost is something of a trial that is better when it is small.
type cost struct {
	objective trials.Objective
	label     string
	text      func(float64) string
}

var costs = []cost{
	{trials.Params, "parameters", amount},
	{trials.Bytes, "bytes of weights", size},
	{trials.Latency, "milliseconds an example", milliseconds},
	{trials.TrainSeconds, "seconds of training", seconds},
}

// tradeoffs plots the metric against each further objective, with the front of the two; without
// one, against the parameters and the time of a trial.
func tradeoffs(r *trials.Record, all []*trial) []*plot {
	var out []*plot
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
		x := amounts(c.label, c.text, values...)
		x.time = c.objective == trials.TrainSeconds && !x.log
		f := framed("", fmt.Sprintf("The %s of each trial that went all the way against its %s, and the trials that none beats in both.", r.Header.Metric, c.label),
			440, 300, x, metricAxis(r.Header.Metric, finished(all)))
		f.front(c.objective, all)
		for _, t := range ordered(all) {
			if t.state == done {
				f.mark(t, c.objective.Value(t.entry.Outcome), t.metric, 0)
				if t.front && several {
					f.path("ring", t.number, disc(f.x.at(c.objective.Value(t.entry.Outcome)), f.y.at(t.metric), 7))
				}
			}
		}
		out = append(out, f.plot)
	}
	return out
}

func finished(all []*trial) []*trial {
	return slices.DeleteFunc(slices.Clone(all), func(t *trial) bool { return t.state != done })
}

// front connects the trials that no other beats in both the metric and a cost.
func (f *frame) front(c trials.Objective, all []*trial) {
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
		x := f.x.at(c.Value(t.entry.Outcome))
		if best != nil {
			steps = append(steps, [2]float64{x, f.y.at(best.metric)})
		}
		steps = append(steps, [2]float64{x, f.y.at(t.metric)})
		best = t
	}
	if best != nil {
		steps = append(steps, [2]float64{f.x.to, f.y.at(best.metric)})
		f.path("steps", "", polyline(steps))
	}
}
