package race

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/task"
)

// chunks is the number of chunks of the held-out examples, for metrics that need more than one
// example.
const chunks = 20

// scores gives a score for each example or chunk of the held-out examples; larger is better. For
// classify it is 1 for each correct example and 0 for the others. For other tasks it is the metric
// of each chunk.
func scores(t task.Task, each []*task.Metrics) []float64 {
	n := len(each)
	if !task.KindOf(t).Answers.Classes {
		n = min(n, chunks)
	}
	out := make([]float64, n)
	for k := range out {
		out[k] = total(t, each[k*len(each)/n:(k+1)*len(each)/n]).Metric
	}
	return out
}

// losses gives the loss of each example.
func losses(each []*task.Metrics) []float64 {
	out := make([]float64, len(each))
	for i, m := range each {
		out[i] = m.Loss()
	}
	return out
}

// total is the score over all examples.
func total(t task.Task, each []*task.Metrics) task.Score {
	m := t.NewMetrics()
	for _, e := range each {
		m.Merge(e)
	}
	return m.Score()
}

// paired is the mean of the differences a-b over the same examples or chunks, and the standard
// error of that mean. It is smaller than the standard errors of the two means, since most examples
// are right for both candidates or wrong for both. With fewer than two values it is infinite.
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
