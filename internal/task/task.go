// Package task is about what a model is for: one class, several labels, a number, the next token or
// a transcript. A Task turns right answers into tensors, builds the loss that training minimises,
// measures, and turns scores into an answer.
package task

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Task is one of the kinds of task with what it needs to know of the data. Scores are float32,
// either one row an example, or, where PerPosition says so, one row for each position of a
// sequence: [N,T,C], or [N*T,C] with an example's rows together.
type Task interface {
	// Name is that of its Kind.
	Name() string

	// Names are those of the scores: classes, labels or symbols; nil where they have none.
	Names() []string

	// Scores is how many scores a fresh head gives; 0 for a task that keeps the model's own.
	Scores() int

	// PerPosition reports whether every position of a sequence has scores of its own.
	PerPosition() bool

	// Target is the right answer to an example in the form that Labels takes. It errors on an
	// answer that the task does not take.
	Target(e data.Example) (data.Target, error)

	// Labels are the right answers of a batch as the tensors that Loss and Measure take. Lengths
	// are the positions of each example that count, of positions in all; they matter to tasks
	// PerPosition, for which nil means that all count.
	Labels(targets []data.Target, lengths []int, positions int) []*tensor.Tensor

	// LabelTypes are the types of Labels for n examples.
	LabelTypes(n, positions int) []ir.Type

	// Loss builds what training minimises, a mean over the batch.
	Loss(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value

	// NewMetrics returns metrics over no example yet.
	NewMetrics() *Metrics

	// Measure adds a batch to metrics, with the plain loss: without smoothing and weights.
	Measure(m *Metrics, scores *tensor.Tensor, labels []*tensor.Tensor)

	// Answer is what the scores of one example say.
	Answer(scores []float32) Answer
}

// Framed is a Task whose answers need room: Frames is how many positions of scores an answer needs
// at least. An empty answer needs none.
type Framed interface {
	Task
	Frames(target data.Target) int
}

// Scaled is a Task that trains on scores in another unit than that of its answers. Fold rewrites
// the last linear layer, weight [C,in] and bias [C], as one that gives the answers' unit.
type Scaled interface {
	Task
	Fold(weight, bias []float32)
}

// Searched is a Task whose Answer is searched for, following so many beginnings at once.
type Searched interface {
	Task
	SetBeam(n int)
}

// Options of a task's loss.
type Options struct {
	Smoothing float64
	Weights   []float32 // of the classes, or of the labels where they hold; nil for all the same
}

func (o Options) lossOptions() Options { return o }

// Answer is what a model says of one example; its JSON form is part of what predict --json prints.
// Which fields are set depends on the task.
type Answer struct {
	*Guess          // classify: the most probable class
	Top    []Guess  `json:"top,omitempty"`   // classify and multilabel: every class or label, most probable first
	Labels []string `json:"labels,omitzero"` // multilabel: those that are more probable than not
	Value  *float64 `json:"value,omitempty"` // regress
	Text   *string  `json:"text,omitempty"`  // ctc
}

// String is the answer on one line: of classify the likely classes, of multilabel the labels, of
// the other tasks the number or the text.
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

// Positions is how many positions of an example the scores of n have, 0 where the task has none.
func Positions(t Task, scores tensor.Shape, n int) int {
	if !t.PerPosition() {
		return 0
	}
	positions, _ := positionsOf(scores, n)
	return positions
}

// positionsOf brings scores [N,T,C] or [N*T,C] to rows of C, of which an example has T.
func positionsOf(scores tensor.Shape, n int) (positions, c int) {
	c = scores[len(scores)-1]
	return scores.Len() / max(1, n*c), c
}
