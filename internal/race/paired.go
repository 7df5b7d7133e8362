package race

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/task"
)

// parts is how many parts the held-out examples are dealt to where a metric says nothing of a single one.
const parts = 20

// scores is how well each part of the held-out examples went, larger is better: where there are classes every example, 1 where it is right; of
// other tasks the metric of every twentieth of them.
func scores(t task.Task, each []*task.Metrics) []float64 {
	n := len(each)
	if !task.KindOf(t).Answers.Classes {
		n = min(n, parts)
	}
	out := make([]float64, n)
	for k := range out {
		out[k] = total(t, each[k*len(each)/n:(k+1)*len(each)/n]).Metric
	}
	return out
}

// losses are those of the examples.
func losses(each []*task.Metrics) []float64 {
	out := make([]float64, len(each))
	for i, m := range each {
		out[i] = m.Loss()
	}
	return out
}

// total is the score over all of the examples.
func total(t task.Task, each []*task.Metrics) task.Score {
	m := t.NewMetrics()
	for _, e := range each {
		m.Merge(e)
	}
	return m.Score()
}

// paired is the mean of the differences a-b over the same parts, and the standard error of that mean: smaller than the errors of the
// two scores, as both candidates get most examples right, or both wrong. The error of fewer than two parts is infinite.
func paired(a, b []float64) (mean, deviation float64) {
	n := float64(len(a))
	if n == 0 {
		return 0, math.Inf(1)
	}
	for i := range a {
		mean += (a[i] - b[i]) / n
	}
	if n < 2 {
		return mean, math.Inf(1)
	}
	for i := range a {
		d := a[i] - b[i] - mean
		deviation += d * d
	}
	return mean, math.Sqrt(deviation / (n - 1) / n)
}
