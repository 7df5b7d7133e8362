package page

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/chart"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// history plots the metric of the trials in the order of their numbers, with the best so far.
func history(r *trials.Record, all []*trial) *chart.Plot {
	last := 1.0
	if n := len(all); n > 0 {
		last = max(1, float64(all[n-1].entry.Trial))
	}
	x := chart.Linear("trial", chart.Whole, 0, last)
	x.Low, x.High = -0.02*last-0.5, last*1.02+0.5
	f := chart.Framed("", fmt.Sprintf("The %s of each trial in their order, and the best so far. The table has the numbers.", r.Header.Metric), 900, 320, x, metricAxis(r.Header.Metric, all))
	var best *trial
	var steps [][2]float64
	for _, t := range all {
		if t.state == done && (best == nil || t.entry.Outcome.Better(best.entry.Outcome)) {
			at := f.X.At(float64(t.entry.Trial))
			if best != nil {
				steps = append(steps, [2]float64{at, f.Y.At(best.metric)})
			}
			steps = append(steps, [2]float64{at, f.Y.At(t.metric)})
			best = t
		}
	}
	if best != nil {
		steps = append(steps, [2]float64{f.X.At(last), f.Y.At(best.metric)})
		f.Path("steps", "", chart.Polyline(steps))
	}
	for _, t := range ordered(all) {
		if t.state == failed {
			fail(f, t, float64(t.entry.Trial), 0, smallIsGood(all))
			continue
		}
		mark(f, t, float64(t.entry.Trial), t.metric, 0)
	}
	return f.Plot
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
