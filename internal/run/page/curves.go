package page

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// by is a value of each epoch.
func (r *Run) by(value func(e *report.EpochEvent) float64) []float64 {
	out := make([]float64, len(r.Curve))
	for i, e := range r.Curve {
		out[i] = value(e)
	}
	return out
}

func named(n *task.Named) float64 {
	if n == nil || n.Value == nil {
		return math.NaN()
	}
	return *n.Value
}

// metrics are the metric on validation examples and, while the weights moved, on training examples.
func (r *Run) metrics() (val, train []float64) {
	classes := r.metricName() == "accuracy"
	val = r.by(func(e *report.EpochEvent) float64 {
		switch {
		case e.Val == nil:
			return math.NaN()
		case classes:
			return e.Val.Accuracy()
		}
		return named(e.Val.Named())
	})
	train = r.by(func(e *report.EpochEvent) float64 {
		if classes {
			return float64(e.TrainAccuracy)
		}
		return named(e.TrainMetric)
	})
	return val, train
}

func (r *Run) losses() (val, train []float64) {
	val = r.by(func(e *report.EpochEvent) float64 {
		if e.Val == nil {
			return math.NaN()
		}
		return e.Val.Loss()
	})
	return val, r.by(func(e *report.EpochEvent) float64 { return float64(e.TrainLoss) })
}

// lossAxis is logarithmic where losses differ very much, as those of a run that diverged.
func lossAxis(values []float64) chart.Axis {
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		if chart.Finite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > 0 && high > 50*low {
		return chart.Amounts("loss", chart.Number, values...)
	}
	return chart.Linear("loss", chart.Number, values...)
}

// curves draw what the run was measured by, its loss and its time, by epoch.
func (r *Run) curves() *chart.Section {
	if len(r.Curve) == 0 {
		return nil
	}
	first := r.Curve[0].Epoch - 1 // of a run that extends another
	shift := func(x []float64) []float64 {
		if first == 0 {
			return x
		}
		out := make([]float64, first+len(x))
		for i := range first {
			out[i] = math.NaN()
		}
		copy(out[first:], x)
		return out
	}
	two := func(title string, axis func(values []float64) chart.Axis, val, train []float64) *chart.Plot {
		val, train = shift(val), shift(train)
		return chart.Lines(title, "The "+title+" after each epoch on validation and training examples.", 440, 280, "epoch", axis(slices.Concat(val, train)),
			chart.Series{Name: "validation", Class: "s0", Values: val}, chart.Series{Name: "training", Class: "s1", Values: train})
	}
	one := func(title string, y chart.Axis, values []float64) *chart.Plot {
		return chart.Lines(title, "The "+title+" by epoch.", 440, 220, "epoch", y, chart.Series{Name: title, Class: "s0", Values: shift(values)})
	}
	name := r.metricName()
	val, train := r.metrics()
	plots := []*chart.Plot{two(words(name), func(v []float64) chart.Axis { return chart.Linear(words(name), metricText(name), v...) }, val, train)}
	val, train = r.losses()
	plots = append(plots, two("loss", lossAxis, val, train))
	seconds := r.by(func(e *report.EpochEvent) float64 { return e.Seconds })
	rate := r.by(func(e *report.EpochEvent) float64 { return e.LR })
	plots = append(plots, one("time of an epoch", chart.Amounts("", chart.Seconds, seconds...), seconds), one("learning rate", chart.Amounts("", chart.Number, rate...), rate))
	text := "Training numbers are means over an epoch, while the weights moved."
	if r.BestEpoch > 0 {
		text += " The best epoch is " + fmt.Sprint(r.BestEpoch) + "."
	}
	return &chart.Section{ID: "curves", Title: "How it learned", Text: text, Plots: plots, Small: true}
}
