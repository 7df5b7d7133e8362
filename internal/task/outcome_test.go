package task

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Judging examples one by one gives the loss and the mistakes of the metrics.
func TestJudge(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		task      Judge
		scores    []float32
		target    data.Target
		label     string
		predicted string
		correct   bool
		right     float64 // probability of the label; 0: the task has none
	}{
		{&Classify{Classes: []string{"ant", "bee"}}, []float32{0, 0}, data.Target{Class: 1}, "bee", "ant", false, 0.5},
		{&Classify{Classes: []string{"ant", "bee"}}, []float32{3, 0}, data.Target{Class: 0}, "ant", "ant", true, 1 / (1 + math.Exp(-3))},
		{&Classify{Classes: []string{"ant", "bee"}}, []float32{nan, 0}, data.Target{Class: 0}, "ant", "", false, math.NaN()},
		{&Multilabel{Answers: []string{"red", "big", "old"}}, []float32{2, 1, -1}, data.Target{Labels: []int{0}}, "red", "red|big", false, 0.88079708 * 0.26894142 * 0.73105858},
		{&Multilabel{Answers: []string{"red", "big"}}, []float32{-1, -1}, data.Target{}, "", "", true, 0.73105858 * 0.73105858},
		{&Regress{Std: 1}, []float32{2.5}, data.Target{Value: 4}, "4", "2.5", false, 0},
		{&CTC{Symbols: []string{"a", "b"}, Longest: 2}, []float32{0, 5, 0, 5, 0, 0, 0, 5, 0}, data.Target{Labels: []int{1, 2}}, "ab", "aa", false, 0},
	} {
		o := c.task.Judge(c.scores, c.target)
		if o.Label != c.label || o.Predicted != c.predicted || o.Correct != c.correct {
			t.Errorf("%s %v: %+v", c.task.Name(), c.scores, o)
		}
		if (o.LabelProbability != nil) != (c.right != 0) || c.right > 0 && math.Abs(*o.LabelProbability-c.right) > 1e-7 {
			t.Errorf("%s %v: probability of the label %v, want %v", c.task.Name(), c.scores, o.LabelProbability, c.right)
		}
		shape, positions := tensor.Shape{1, len(c.scores)}, 0
		if c.task.PerPosition() {
			positions = len(c.scores) / c.task.Scores()
			shape = tensor.Shape{1, positions, c.task.Scores()}
		}
		m := c.task.NewMetrics()
		c.task.Measure(m, tensor.Of(c.scores, shape...), c.task.Labels([]data.Target{c.target}, nil, positions))
		if math.Abs(m.LossSum-o.Loss) > 1e-9 && !(math.IsNaN(m.LossSum) && math.IsNaN(o.Loss)) {
			t.Errorf("%s %v: loss %v, the metrics have %v", c.task.Name(), c.scores, o.Loss, m.LossSum)
		}
		if o.Edits != nil && int64(*o.Edits) != m.Edits {
			t.Errorf("%d edits, the metrics have %d", *o.Edits, m.Edits)
		}
	}
	losses := []Outcome{{Loss: 1}, {Loss: math.NaN()}, {Loss: 3}, {Loss: 1, Label: "second"}}
	slices.SortStableFunc(losses, Worst)
	if !math.IsNaN(losses[0].Loss) || losses[1].Loss != 3 || cmp.Or(losses[2].Label, losses[3].Label) != "second" || losses[3].Label != "second" {
		t.Errorf("worst first: %+v", losses)
	}
	if _, ok := Task(&LM{}).(Judge); ok {
		t.Error("a language model judges no example")
	}
}
