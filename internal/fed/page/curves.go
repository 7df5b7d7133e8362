package page

import (
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// by is a value of each round.
func by(r *fed.Record, value func(e *report.RoundEvent) float64) []float64 {
	out := make([]float64, len(r.Rounds))
	for i := range r.Rounds {
		out[i] = value(&r.Rounds[i])
	}
	return out
}

// metricName is the metric as a person says it.
func metricName(name string) string { return strings.ReplaceAll(name, "_", " ") }

// metricText writes a value of the metric.
func metricText(name string) func(float64) string {
	if name == "accuracy" || name == "error_rate" {
		return chart.Percent
	}
	return chart.Number
}

func byteText(n int64) string { return chart.Size(float64(n)) }

// curves plots the metric and the losses.
func curves(r *fed.Record) []*chart.Plot {
	metric := r.Rounds[0].Metric
	values := by(r, func(e *report.RoundEvent) float64 { return float64(e.Accuracy) })
	first := chart.Lines("", "The "+metricName(metric)+" on the server's examples after each round.", 440, 300, "round", chart.Linear(metricName(metric), metricText(metric), values...),
		chart.Series{Name: metricName(metric), Class: "s0", Values: values})
	val := chart.Series{Name: "server's examples", Class: "s0", Values: by(r, func(e *report.RoundEvent) float64 { return float64(e.ValLoss) })}
	train := chart.Series{Name: "clients' examples, while they trained", Class: "s1", Values: by(r, func(e *report.RoundEvent) float64 { return float64(e.Loss) })}
	return []*chart.Plot{first, chart.Lines("", "The loss on the server's examples after each round, and on the clients' while they trained.", 440, 300, "round",
		chart.Linear("loss", chart.Number, append(val.Values, train.Values...)...), val, train)}
}

// traffic plots the bytes of each round and their sums.
func traffic(r *fed.Record) []*chart.Plot {
	up := by(r, func(e *report.RoundEvent) float64 { return float64(e.Up) })
	down := by(r, func(e *report.RoundEvent) float64 { return float64(e.Down) })
	full := by(r, func(e *report.RoundEvent) float64 { return float64(e.Full) })
	all := append(append(append([]float64{}, up...), down...), full...)
	both := make([]float64, len(up))
	for i := range both {
		both[i] = up[i] + down[i]
	}
	both, whole := sums(both), sums(full)
	return []*chart.Plot{
		chart.Lines("In each round", "The bytes that clients sent and got in each round, and those of exchanging the whole model.", 440, 300, "round", chart.Amounts("bytes", chart.Size, all...),
			chart.Series{Name: "up", Class: "s0", Values: up}, chart.Series{Name: "down", Class: "s1", Values: down}, chart.Series{Name: "whole model", Class: "s2", Values: full}),
		chart.Lines("In sum", "The bytes of all rounds so far, up and down, and those of exchanging the whole model.", 440, 300, "round", chart.Amounts("bytes", chart.Size, append(append([]float64{}, both...), whole...)...),
			chart.Series{Name: "up and down", Class: "s0", Values: both}, chart.Series{Name: "whole model", Class: "s2", Values: whole}),
	}
}

func sums(x []float64) []float64 {
	out := make([]float64, len(x))
	sum := 0.0
	for i, v := range x {
		sum += v
		out[i] = sum
	}
	return out
}

// more plots what only some federations have, and the time.
func more(r *fed.Record) []*chart.Plot {
	var out []*chart.Plot
	one := func(title, about string, y chart.Axis, values []float64) {
		y.Label = title
		out = append(out, chart.Lines("", about, 440, 240, "round", y, chart.Series{Name: title, Class: "s0", Values: values}))
	}
	if r.Settings.Epsilon > 0 {
		values := by(r, func(e *report.RoundEvent) float64 { return e.Epsilon })
		one("epsilon so far", "What the rounds so far give away of a client.", chart.Linear("", chart.Number, values...), values)
	}
	if r.Settings.Freeze != "" {
		values := by(r, func(e *report.RoundEvent) float64 { return float64(e.Active) / float64(max(1, e.Numbers)) })
		one("weights that took part", "How much of what the plan thaws took part in each round.", chart.Axis{High: 1.02, Text: chart.Percent}, values)
	}
	values := by(r, func(e *report.RoundEvent) float64 { return e.Step })
	one("length of the server's step", "How far the weights moved in each round.", chart.Amounts("", chart.Number, values...), values)
	values = by(r, func(e *report.RoundEvent) float64 { return e.Seconds })
	one("seconds of the round", "How long each round took.", chart.Amounts("", chart.Number, values...), values)
	return out
}
