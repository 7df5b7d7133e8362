package tuned

import (
	"context"
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
	Input string
	task.Answer
	Logits []float32
}

// prediction makes the answer to one input.
func (p *Predictor) prediction(input string, scores []float32) Prediction {
	return Prediction{input, p.Task.Answer(scores), slices.Clone(scores)}
}

// Evaluation says how well a tuned file does on labelled data.
type Evaluation struct {
	Accuracy float64     // classify only
	ECE      *float64    // classify only: the expected calibration error, see calibrate.Bins
	Chance   *float64    // classify only: that of right probabilities, by chance
	Metric   *task.Named // for other tasks
	Loss     float64
	// GuessLoss is that of guessing, see task.Metrics.Guess; nil if there is none
	GuessLoss *float64
	Examples  int
	Split     string // the part of the data that was measured: "test" or "val"; "" where they are not divided
	Seconds   float64

	Classes []string
	// classify only; row: true class, column: predicted class
	Confusion [][]int64
	PerClass  []task.ClassScore // classify and multilabel
	Confused  []task.Confusion  // classify: the most frequent ones
	Each      []Outcome         // in the order of the data; nil for a task that is no task.Judge
	Skipped   []data.Skipped
	Notes     []string // what a user should know of the data
}

// Outcome is how one example came out.
type Outcome struct {
	Input string // a file's path, or a table's with the line
	Text  string // of a row of texts
	task.Outcome
}

// mostConfused limits the list of confusions.
const mostConfused = 10

// evaluation summarises metrics.
func evaluation(m *task.Metrics, names []string) *Evaluation {
	e := &Evaluation{Metric: m.Named(), Loss: m.Loss(), Examples: m.Examples, Classes: names, PerClass: m.PerClass()}
	if guess, ok := m.Guess(); ok {
		e.GuessLoss = &guess
	}
	if e.Metric == nil {
		ece, chance := m.Bins.ECE(), m.Bins.Chance()
		e.Accuracy, e.ECE, e.Chance, e.Confusion, e.Confused = m.Accuracy(), &ece, &chance, m.Matrix, m.Confusions(mostConfused)
	}
	return e
}

// Eval is EvalPlace for a path on disk.
func (p *Predictor) Eval(ctx context.Context, path string) (*Evaluation, error) {
	return p.EvalPlace(ctx, data.At(path))
}

// EvalPlace measures the model on labelled examples, such as class folders, whose classes must be
// among the file's labels.
func (p *Predictor) EvalPlace(ctx context.Context, place data.Place) (*Evaluation, error) {
	began := time.Now()
	ds, err := p.Feed.OpenEval(ctx, place, p.Record.Labels, data.Options{Workers: kernel.Threads(), Budget: 64 << 20, Task: p.Task.Name(), Own: p.own, Table: p.columns})
	if err != nil {
		return nil, err
	}
	t := p.Task
	if p.own != nil && ds.Classes != nil { // the data may name classes that the model does not
		t = task.KindOf(t).Named(ds.Classes, task.Options{})
	}
	all, err := feed.Targets(t, ds, p.Feed)
	if err != nil {
		return nil, err
	}
	m := t.NewMetrics()
	var outcomes []Outcome
	judge, judges := t.(task.Judge)
	if judges {
		outcomes = make([]Outcome, ds.Len())
	}
	err = p.each(ctx, ds, p.Scores, func(b *data.Batch, scores *tensor.Tensor) {
		targets := make([]data.Target, len(b.Indices))
		for k, i := range b.Indices {
			targets[k] = all[i]
		}
		positions := task.Positions(t, scores.Shape, len(targets))
		t.Measure(m, scores, t.Labels(targets, data.Scaled(b.Lengths, b.Length, positions), positions))
		if !judges {
			return
		}
		for k, i := range b.Indices {
			x := ds.Examples[i]
			outcomes[i] = Outcome{x.Path, x.Text, judge.Judge(p.scoresOf(b, k, scores), all[i])}
		}
	})
	e := evaluation(m, t.Names())
	named := *ds
	named.Skipped = nil // they are told one by one
	e.Split = ds.Part
	e.Each, e.Skipped, e.Notes, e.Seconds = outcomes, ds.Skipped, named.Faults(), time.Since(began).Seconds()
	return e, err
}
