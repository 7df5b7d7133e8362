package auto

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/calibrate"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// chunks is the number of chunks of the held-out examples, for metrics that need more than one
// example.
const chunks = 20

// measured is what a trial shows on the examples of its part.
type measured struct {
	metric float64           // of the task; larger is better
	held   int               // examples
	scores *calibrate.Scores // of classes
	each   []float64         // badness of each chunk, for other tasks
	guess  float64           // badness of guessing, 0 where there is no such number
	failed string
}

// smallest keeps the badness of a part above zero: nothing is without error.
const smallest = 1e-4

// badness gives, for each trial, what is bad about every example. For classes it is the loss at the
// best temperature: one for all parts of a choice at the same share, so that how sure a fit is of its
// answers does not count, which depends on the rate and the epochs more than on what it has
// learned. Of few examples the loss says much more than the right answers among them.
func badness(trials []*trial) [][]float64 {
	pooled := map[string]*calibrate.Scores{}
	key := func(t *trial) string { return fmt.Sprint(t.choice, t.share) }
	for _, t := range trials {
		if t.scores == nil {
			continue
		}
		if pooled[key(t)] == nil {
			pooled[key(t)] = &calibrate.Scores{}
		}
		pooled[key(t)].Add(t.scores)
	}
	temperature := map[string]float64{}
	for k, s := range pooled {
		temperature[k] = s.Temperature()
	}
	out := make([][]float64, len(trials))
	for i, t := range trials {
		if out[i] = t.each; t.scores != nil {
			out[i] = t.scores.Losses(temperature[key(t)])
		}
		for k := range out[i] {
			out[i][k] = max(out[i][k], 0) + smallest
		}
	}
	return out
}

// chunked is the badness of each chunk: how far its metric is from the best that there is.
func chunked(t task.Task, each []*task.Metrics) []float64 {
	n := min(len(each), chunks)
	out := make([]float64, n)
	for k := range out {
		out[k] = worse(t, total(t, each[k*len(each)/n:(k+1)*len(each)/n]).Score().Metric)
	}
	return out
}

// worse is how far a metric is from the best that there is.
func worse(t task.Task, metric float64) float64 {
	if task.KindOf(t).Metric.Lower {
		return -metric // a score is larger for the better
	}
	return 1 - metric
}

// guessed is the badness of guessing, 0 where there is no such number.
func guessed(t task.Task, m *task.Metrics) float64 {
	loss, ok := m.Guess()
	switch kind := task.KindOf(t); {
	case ok && kind.Metric.Name == "rmse":
		return math.Sqrt(max(0, loss))
	case !kind.Metric.Lower:
		return 1
	}
	return 0
}

// total merges the metrics of examples.
func total(t task.Task, each []*task.Metrics) *task.Metrics {
	m := t.NewMetrics()
	for _, e := range each {
		m.Merge(e)
	}
	return m
}
