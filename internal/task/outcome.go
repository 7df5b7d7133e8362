package task

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/decode"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Outcome compares a model's answer to one example with the right one. The task decides which
// fields are set.
type Outcome struct {
	Label     string  // the right answer, in the form that a table has it
	Predicted string  // the model's answer, in the same form; empty if a score is NaN
	Correct   bool    // they are equal
	Loss      float64 // what the example adds to Metrics.LossSum

	// classify and multilabel: the probabilities of the right answer and of the model's
	LabelProbability, Probability *float64
	Residual                      *float64 // regress: the model's number minus the right one
	Edits                         *int     // ctc: symbols to insert, delete and replace
	ErrorRate                     *float64 // ctc: Edits per symbol of the right transcript
}

// Judge is a Task that can tell how each example came out. A language model has no answer to an
// example of its own, and is none.
type Judge interface {
	Task
	// Judge compares the scores of one example, without padding, with the right answer.
	Judge(scores []float32, target data.Target) Outcome
}

// Worst orders outcomes by their loss, largest first. NaN counts as infinite.
func Worst(a, b Outcome) int { return cmp.Compare(badness(b), badness(a)) }

func badness(o Outcome) float64 {
	if math.IsNaN(o.Loss) {
		return math.Inf(1)
	}
	return o.Loss
}

func (c *Classify) Judge(scores []float32, target data.Target) Outcome {
	var loss [1]float32
	new(kernel.CrossEntropy).Loss(loss[:], scores, []int64{int64(target.Class)}, len(c.Classes))
	p := softmax(scores)
	o := Outcome{Label: c.Classes[target.Class], Loss: float64(loss[0]), LabelProbability: &p[target.Class]}
	if guess := Argmax(scores); guess >= 0 {
		o.Predicted, o.Probability, o.Correct = c.Classes[guess], &p[guess], guess == target.Class
	}
	return o
}

// Judge gives the probability of a set of labels as the product over all labels, each present or
// absent, as the model judges them separately.
func (t *Multilabel) Judge(scores []float32, target data.Target) Outcome {
	m := t.NewMetrics()
	t.Measure(m, tensor.Of(scores, 1, len(scores)), t.Labels([]data.Target{target}, nil, 0))
	right, guess := 1.0, 1.0
	var guessed []int
	for i, v := range scores {
		p := 1 / (1 + math.Exp(-float64(v)))
		guess *= max(p, 1-p)
		if v > 0 {
			guessed = append(guessed, i)
		}
		if slices.Contains(target.Labels, i) {
			right *= p
		} else {
			right *= 1 - p
		}
	}
	o := Outcome{Label: t.joined(target.Labels), Loss: m.LossSum, LabelProbability: &right}
	if m.Invalid == 0 {
		o.Predicted, o.Probability, o.Correct = t.joined(guessed), &guess, slices.Equal(guessed, target.Labels)
	}
	return o
}

// joined writes labels as a table has them.
func (t *Multilabel) joined(labels []int) string {
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = t.Answers[l]
	}
	return strings.Join(names, "|")
}

// Judge never calls a number correct.
func (r *Regress) Judge(scores []float32, target data.Target) Outcome {
	v := float64(scores[0])*r.Std + r.Mean
	d := v - target.Value
	return Outcome{Label: strconv.FormatFloat(target.Value, 'g', -1, 64), Predicted: strconv.FormatFloat(v, 'g', -1, 32), Loss: d * d, Residual: &d}
}

func (t *CTC) Judge(scores []float32, target data.Target) Outcome {
	c := t.Scores()
	row := make([]int64, len(target.Labels))
	for i, l := range target.Labels {
		row[i] = int64(l)
	}
	guess := decode.Greedy(scores, c, 0)
	edits := decode.Distance(guess, target.Labels)
	rate := float64(edits) / float64(max(1, len(row)))
	return Outcome{Label: t.Text(target.Labels), Predicted: t.Text(guess), Correct: edits == 0,
		Loss: kernel.CTC(nil, scores, c, row, 0, 0) / float64(max(1, len(row))), Edits: &edits, ErrorRate: &rate}
}
