// Package task defines what a model predicts: one class, several labels, a number, the next token
// or a transcript. A Task turns right answers into tensors, builds the loss that training
// minimises, measures results, and turns scores into an answer.
package task

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Task is a task together with what it needs to know of the data, such as class names. Scores are
// float32. They have one row per example or, if PerPosition is true, one row per position of a
// sequence: [N,T,C], or [N*T,C] with the rows of an example together.
type Task interface {
	// Name returns the name of its Kind.
	Name() string

	// Names returns the names of the scores: classes, labels or symbols; nil if they have none.
	Names() []string

	// Scores returns the number of scores of a fresh head, 0 for a task that keeps the model's own.
	Scores() int

	// PerPosition reports whether every position of a sequence has its own scores.
	PerPosition() bool

	// Target returns the right answer to an example in the form that Labels takes. It errors on an
	// invalid answer.
	Target(e data.Example) (data.Target, error)

	// Labels returns the right answers of a batch as the tensors for Loss and Measure. lengths are
	// the valid positions of each example, out of positions. They matter if PerPosition is true;
	// nil means that all positions are valid.
	Labels(targets []data.Target, lengths []int, positions int) []*tensor.Tensor

	// LabelTypes returns the types of Labels for n examples.
	LabelTypes(n, positions int) []ir.Type

	// Loss builds the value that training minimises, a mean over the batch.
	Loss(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value

	// NewMetrics returns empty metrics.
	NewMetrics() *Metrics

	// Measure adds a batch to metrics, with the plain loss: without smoothing and weights.
	Measure(m *Metrics, scores *tensor.Tensor, labels []*tensor.Tensor)

	// Answer interprets the scores of one example.
	Answer(scores []float32) Answer
}

// Framed is a Task whose answers need a minimum number of positions, which Frames returns. An empty
// answer needs none.
type Framed interface {
	Task
	Frames(target data.Target) int
}

// Scaled is a Task whose scores during training are in another unit than its answers. Fold rewrites
// the last linear layer, weight [C,in] and bias [C], so that it outputs the unit of the answers.
type Scaled interface {
	Task
	Fold(weight, bias []float32)
}

// Searched is a Task whose Answer comes from a beam search of the given width.
type Searched interface {
	Task
	SetBeam(n int)
}

// Options of a task's loss.
type Options struct {
	Smoothing float64
	Weights   []float32 // per class, or per label for its positive examples; nil for equal weights
}

func (o Options) lossOptions() Options { return o }

// Answer is what a model predicts for one example. Its JSON form is part of what predict --json
// prints. The task decides which fields are set.
type Answer struct {
	*Guess // classify: the most probable class
	// classify and multilabel: all classes or labels, most probable first
	Top    []Guess  `json:"top,omitempty"`
	Labels []string `json:"labels,omitzero"` // multilabel: those with a probability above one half
	Value  *float64 `json:"value,omitempty"` // regress
	Text   *string  `json:"text,omitempty"`  // ctc
}

// String returns the answer on one line: the most likely classes, the labels, the number or the
// text.
func (a Answer) String() string {
	switch {
	case a.Text != nil:
		return *a.Text
	case a.Value != nil:
		return fmt.Sprintf("%.6g", *a.Value)
	}
	var parts []string
	for i, g := range a.Top {
		if given := slices.Contains(a.Labels, g.Label); given || a.Labels == nil && (i == 0 || g.Probability >= 0.01) {
			parts = append(parts, fmt.Sprintf("%s %.1f%%", g.Label, 100*g.Probability))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// Guess is a class or label with its probability.
type Guess struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
}

// Positions returns the number of positions per example in the scores of n examples. It is 0 if the
// task has no positions.
func Positions(t Task, scores tensor.Shape, n int) int {
	if !t.PerPosition() {
		return 0
	}
	positions, _ := positionsOf(scores, n)
	return positions
}

// positionsOf interprets scores [N,T,C] or [N*T,C] as rows of C, with T positions per example.
func positionsOf(scores tensor.Shape, n int) (positions, c int) {
	c = scores[len(scores)-1]
	return scores.Len() / max(1, n*c), c
}
