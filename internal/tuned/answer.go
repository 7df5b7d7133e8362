package tuned

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Guess is a label with its probability.
type Guess = task.Guess

// Prediction is the model's answer to one input.
type Prediction struct {
	Input string `json:"input"`
	task.Answer
	Logits []float32 `json:"logits,omitempty"`
}

// prediction makes the answer to one input.
func (p *Predictor) prediction(input string, scores []float32) Prediction {
	return Prediction{input, p.Task.Answer(scores), slices.Clone(scores)}
}

// Evaluation says how well a tuned file does on labelled data. Its JSON form is what eval --json
// prints.
type Evaluation struct {
	Accuracy float64     `json:"accuracy"`             // classify only
	Metric   *task.Named `json:"val_metric,omitempty"` // for other tasks
	Loss     float64     `json:"loss"`
	Examples int         `json:"examples"`
	Seconds  float64     `json:"seconds"`

	Classes []string `json:"classes,omitempty"`
	// classify only; row: true class, column: predicted class
	Confusion [][]int64      `json:"confusion,omitempty"`
	Skipped   []data.Skipped `json:"-"`
}

// MarshalJSON omits the accuracy if the task has another metric.
func (e *Evaluation) MarshalJSON() ([]byte, error) {
	type plain Evaluation
	if e.Metric == nil {
		return json.Marshal((*plain)(e))
	}
	return json.Marshal(struct {
		*plain
		Accuracy *float64 `json:"accuracy,omitempty"`
	}{plain: (*plain)(e)})
}

// evaluation summarises metrics.
func evaluation(m *task.Metrics, names []string) *Evaluation {
	e := &Evaluation{Metric: m.Named(), Loss: m.Loss(), Examples: m.Examples, Classes: names}
	if e.Metric == nil {
		e.Accuracy, e.Confusion = m.Accuracy(), m.Matrix
	}
	return e
}

// Eval is EvalPlace for a path on disk.
func (p *Predictor) Eval(ctx context.Context, path string) (*Evaluation, error) {
	return p.EvalPlace(ctx, data.Place{Path: path})
}

// EvalPlace measures the model on labelled examples, such as class folders, whose classes must be
// among the file's labels.
func (p *Predictor) EvalPlace(ctx context.Context, place data.Place) (*Evaluation, error) {
	began := time.Now()
	ds, err := p.Feed.OpenEval(ctx, place, p.Record.Labels, data.Options{Workers: kernel.Threads(), Budget: 64 << 20, Task: p.Task.Name()})
	if err != nil {
		return nil, err
	}
	all, err := feed.Targets(p.Task, ds, p.Feed)
	if err != nil {
		return nil, err
	}
	m := p.Task.NewMetrics()
	err = p.each(ctx, ds, p.Scores, func(b *data.Batch, scores *tensor.Tensor) {
		targets := make([]data.Target, len(b.Indices))
		for k, i := range b.Indices {
			targets[k] = all[i]
		}
		positions := task.Positions(p.Task, scores.Shape, len(targets))
		p.Task.Measure(m, scores, p.Task.Labels(targets, data.Scaled(b.Lengths, b.Length, positions), positions))
	})
	e := evaluation(m, p.Record.Labels)
	e.Skipped, e.Seconds = ds.Skipped, time.Since(began).Seconds()
	return e, err
}
