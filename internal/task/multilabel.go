package task

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/op"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Multilabel is any number of labels for each example, each judged by itself: binary cross-entropy of its
// sigmoid, in which Weights count the examples that have the label; measured by macro_f1, a label being given
// where it is more probable than not.
type Multilabel struct {
	Answers []string // the names of the labels
	Options
}

func (t *Multilabel) Name() string      { return NameMultilabel }
func (t *Multilabel) Names() []string   { return t.Answers }
func (t *Multilabel) Scores() int       { return len(t.Answers) }
func (t *Multilabel) PerPosition() bool { return false }

func (t *Multilabel) LabelTypes(n, _ int) []ir.Type {
	return []ir.Type{{DType: tensor.Float32, Shape: tensor.Shape{n, len(t.Answers)}}}
}

func (t *Multilabel) Labels(targets []data.Target, _ []int, _ int) []*tensor.Tensor {
	c := len(t.Answers)
	out := tensor.New(tensor.Float32, len(targets), c)
	for i, target := range targets {
		for _, l := range target.Labels {
			out.F32()[i*c+l] = 1
		}
	}
	return []*tensor.Tensor{out}
}

func (t *Multilabel) Loss(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value {
	var positive *ir.Value
	if t.Weights != nil {
		positive = b.Const(tensor.Of(t.Weights))
	}
	return op.BCEWithLogits(b, scores, labels[0], positive, t.Smoothing)
}

func (t *Multilabel) NewMetrics() *Metrics {
	return &Metrics{Task: NameMultilabel, Labels: make([]Hits, len(t.Answers))}
}

func (t *Multilabel) Measure(m *Metrics, scores *tensor.Tensor, labels []*tensor.Tensor) {
	c := len(t.Answers)
	x, want := scores.F32(), labels[0].F32()
	for i := 0; i < len(x); i += c {
		m.Examples++
		var loss float64
		valid := true
		for j, v := range x[i : i+c] {
			v, has := float64(v), want[i+j] > 0.5
			valid = valid && v == v
			signed := v
			if has {
				signed = -v
			}
			loss += max(signed, 0) + math.Log1p(math.Exp(-math.Abs(signed))) // softplus
			switch h, given := &m.Labels[j], v > 0; {
			case has && given:
				h.Both++
			case given:
				h.Wrong++
			case has:
				h.Missed++
			}
		}
		if !valid {
			m.Invalid++
		}
		m.LossSum += loss / float64(max(1, c))
	}
}

func (t *Multilabel) Answer(scores []float32) Answer {
	p := make([]float64, len(scores))
	a := Answer{Labels: []string{}}
	for i, v := range scores {
		p[i] = 1 / (1 + math.Exp(-float64(v)))
		if v > 0 {
			a.Labels = append(a.Labels, t.Answers[i])
		}
	}
	a.Top = ranked(t.Answers, p)
	return a
}
