package task

import (
	"fmt"
	"math"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// The task that docs/extending.md adds: TestExtending runs it.

// count is a whole number from 0 for each example, by Poisson regression: the score is the
// logarithm of the expected number. It is measured by the mean absolute error.
type count struct{}

func init() {
	Register(Kind{
		Name: "count",
		Metric: Metric{Name: "mean_error", Text: "mean error", Lower: true, Of: func(m *Metrics) float64 {
			return m.Sums["error"] / float64(max(1, m.Examples))
		}},
		New:   func(Examples) (Task, error) { return count{}, nil },
		Named: func([]string, Options) Task { return count{} },
	})
}

func (count) Name() string         { return "count" }
func (count) Names() []string      { return nil }
func (count) Scores() int          { return 1 }
func (count) PerPosition() bool    { return false }
func (count) NewMetrics() *Metrics { return &Metrics{Task: "count"} }

func (count) Target(e data.Example) (data.Target, error) {
	n, err := strconv.ParseUint(e.Answer, 10, 31)
	if err != nil {
		return data.Target{}, fmt.Errorf("%s: the label %q is no whole number from 0", e.Path, e.Answer)
	}
	return data.Target{Class: -1, Value: float64(n)}, nil
}

func (count) LabelTypes(n, _ int) []ir.Type {
	return []ir.Type{{DType: tensor.Float32, Shape: tensor.Shape{n, 1}}}
}

func (count) Labels(targets []data.Target, _ []int, _ int) []*tensor.Tensor {
	out := tensor.New(tensor.Float32, len(targets), 1)
	for i, t := range targets {
		out.F32()[i] = float32(t.Value)
	}
	return []*tensor.Tensor{out}
}

// Loss is the mean of exp(s) - n s, the negative log likelihood up to a constant.
func (count) Loss(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value {
	each := b.Op("Sub", nil, b.Op("Exp", nil, scores), b.Op("Mul", nil, labels[0], scores))
	return b.Op("ReduceMean", ir.Attrs{"keepdims": 0}, each)
}

func (count) Measure(m *Metrics, scores *tensor.Tensor, labels []*tensor.Tensor) {
	for i, s := range scores.F32() {
		n, want := math.Exp(float64(s)), float64(labels[0].F32()[i])
		m.Examples++
		m.LossSum += n - want*float64(s)
		m.Sum("error", math.Abs(n-want))
	}
}

func (count) Answer(scores []float32) Answer {
	n := math.Exp(float64(scores[0]))
	return Answer{Value: &n}
}
