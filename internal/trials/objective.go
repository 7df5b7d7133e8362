package trials

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Objective is something that a search makes better.
type Objective string

// The objectives. Accuracy is the metric of the task, made large; all others are made small.
const (
	Accuracy     Objective = "accuracy"
	Params       Objective = "params"
	Bytes        Objective = "bytes"
	Latency      Objective = "latency_ms"
	TrainSeconds Objective = "train_seconds"
)

var objectives = []Objective{Accuracy, Params, Bytes, Latency, TrainSeconds}

// Objectives reads a list of names. It errors on one that is not known or stands twice.
func Objectives(names []string) ([]Objective, error) {
	var out []Objective
	for _, name := range names {
		o := Objective(strings.TrimSpace(name))
		switch {
		case !slices.Contains(objectives, o):
			var all []string
			for _, k := range objectives {
				all = append(all, string(k))
			}
			return nil, option.Errorf("objectives", "%q is none of %s%s", name, strings.Join(all, ", "), option.DidYouMean(name, all))
		case slices.Contains(out, o):
			return nil, option.Errorf("objectives", "%s stands twice", o)
		}
		out = append(out, o)
	}
	if len(out) == 0 {
		out = []Objective{Accuracy}
	}
	return out, nil
}

// Timed reports whether the objective is measured by the clock, so that chance has a part in it.
func (o Objective) Timed() bool { return o == Latency || o == TrainSeconds }

// Value is the objective of an outcome, to be made small.
func (o Objective) Value(of *Outcome) float64 {
	switch o {
	case Accuracy:
		return -of.Score
	case Params:
		return float64(of.ParamsTotal)
	case Bytes:
		return float64(of.Bytes)
	case Latency:
		return of.LatencyMS
	case TrainSeconds:
		return of.Seconds
	}
	panic(fmt.Sprintf("trials: objective %q", o))
}

// values are all objectives of an outcome, nil where it failed.
func values(all []Objective, of *Outcome) []float64 {
	if of.Failed != "" {
		return nil
	}
	var out []float64
	for _, o := range all {
		out = append(out, o.Value(of))
	}
	return out
}
