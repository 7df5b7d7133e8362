package page

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// history plots the metric of the trials in the order of their numbers, with the best so far.
func history(r *trials.Record, all []*trial) *plot {
	last := 1.0
	if n := len(all); n > 0 {
		last = max(1, float64(all[n-1].entry.Trial))
	}
	x := linear("trial", whole, 0, last)
	x.low, x.high = -0.02*last-0.5, last*1.02+0.5
	f := framed("", fmt.Sprintf("The %s of each trial in their order, and the best so far. The table has the numbers.", r.Header.Metric), 900, 320, x, metricAxis(r.Header.Metric, all))
	var best *trial
	var steps [][2]float64
	for _, t := range all {
		if t.state == done && (best == nil || t.entry.Outcome.Better(best.entry.Outcome)) {
			at := f.x.at(float64(t.entry.Trial))
			if best != nil {
				steps = append(steps, [2]float64{at, f.y.at(best.metric)})
			}
			steps = append(steps, [2]float64{at, f.y.at(t.metric)})
			best = t
		}
	}
	if best != nil {
		steps = append(steps, [2]float64{f.x.at(last), f.y.at(best.metric)})
		f.path("steps", "", polyline(steps))
	}
	for _, t := range ordered(all) {
		if t.state == failed {
			f.fail(t, float64(t.entry.Trial), 0, smallIsGood(all))
			continue
		}
		f.mark(t, float64(t.entry.Trial), t.metric, 0)
	}
	return f.plot
}

// ordered puts the trials in the order in which they are drawn: the best last, so that it lies on
// top.
func ordered(all []*trial) []*trial {
	var first, last []*trial
	for _, t := range all {
		if t.best {
			last = append(last, t)
		} else {
			first = append(first, t)
		}
	}
	return append(first, last...)
}
