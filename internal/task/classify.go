package task

import (
	"cmp"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// NameClassify is the name of the task Classify.
const NameClassify = data.DefaultTask

func init() {
	Register(Kind{
		Name:    NameClassify,
		Answers: data.Answers{Classes: true},
		Metric:  Metric{Name: "accuracy", Of: (*Metrics).Accuracy},
		Guess:   func(m *Metrics) float64 { return math.Log(float64(m.Classes)) },
		New: func(e Examples) (Task, error) {
			t := &Classify{Classes: e.Train.Classes, Options: Options{Smoothing: e.Smoothing}}
			if e.Balanced {
				t.Weights = e.Train.Weights()
			}
			return t, nil
		},
		Named:   func(names []string, o Options) Task { return &Classify{names, o} },
		Weighs:  true,
		Smooths: true,
	})
}

// Classify assigns each example one of several classes. Its loss is softmax cross-entropy, its
// metric accuracy.
type Classify struct {
	Classes []string
	Options
}

func (c *Classify) Name() string      { return NameClassify }
func (c *Classify) Names() []string   { return c.Classes }
func (c *Classify) Scores() int       { return len(c.Classes) }
func (c *Classify) PerPosition() bool { return false }

func (c *Classify) LabelTypes(n, _ int) []ir.Type {
	return []ir.Type{{DType: tensor.Int64, Shape: tensor.Shape{n}}}
}

func (c *Classify) Target(e data.Example) (data.Target, error) {
	return data.Target{Class: e.Label}, nil
}

func (c *Classify) Labels(targets []data.Target, _ []int, _ int) []*tensor.Tensor {
	labels := make([]int64, len(targets))
	for i, t := range targets {
		labels[i] = int64(t.Class)
	}
	return []*tensor.Tensor{tensor.Of(labels)}
}

func (c *Classify) Loss(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value {
	in := []*ir.Value{scores, labels[0]}
	if c.Weights != nil {
		in = append(in, b.Const(tensor.Of(c.Weights)))
	}
	return b.Op("SoftmaxCrossEntropy", ir.Attrs{"label_smoothing": float32(c.Smoothing)}, in...)
}

func (c *Classify) NewMetrics() *Metrics { return NewMetrics(len(c.Classes)) }

func (c *Classify) Measure(m *Metrics, scores *tensor.Tensor, labels []*tensor.Tensor) {
	l := labels[0].I64()
	losses, classes := make([]float32, len(l)), make([]int, len(l))
	new(kernel.CrossEntropy).Loss(losses, scores.F32(), l, len(c.Classes))
	for i, v := range l {
		classes[i] = int(v)
	}
	m.Add(scores.F32(), classes, losses)
}

func (c *Classify) Answer(scores []float32) Answer {
	top := ranked(c.Classes, softmax(scores))
	return Answer{Guess: &top[0], Top: top}
}

// ranked lists names by probability, highest first. Equal ones keep their order.
func ranked(names []string, p []float64) []Guess {
	out := make([]Guess, len(p))
	for i, v := range p {
		out[i] = Guess{names[i], v}
	}
	slices.SortStableFunc(out, func(a, b Guess) int { return cmp.Compare(b.Probability, a.Probability) })
	return out
}

func softmax(x []float32) []float64 {
	top := float64(slices.Max(x))
	p := make([]float64, len(x))
	var sum float64
	for i, v := range x {
		p[i] = math.Exp(float64(v) - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}
