package task

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/op"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// NameLM is the name of the task LM.
const NameLM = "lm"

func init() {
	Register(Kind{
		Name:      NameLM,
		Answers:   data.Answers{Empty: true},
		Metric:    Metric{Name: "perplexity", Lower: true, Of: (*Metrics).Perplexity},
		New:       func(e Examples) (Task, error) { return &LM{Options{Smoothing: e.Smoothing}}, nil },
		Named:     func(_ []string, o Options) Task { return &LM{o} },
		Smooths:   true,
		Guess:     func(m *Metrics) float64 { return m.Sums[sumUniform] / float64(max(1, m.Tokens)) },
		KeepsHead: true,
		Tokens:    true,
	})
}

// LM predicts the next token at each position of a text. Its loss is cross-entropy over all tokens
// that have a next one, its metric perplexity. It keeps the model's own head.
type LM struct{ Options }

// sumUniform names the sum of the losses of equally likely scores.
const sumUniform = "uniform"

// noToken marks positions without a next token.
const noToken = -100

func (t *LM) Name() string      { return NameLM }
func (t *LM) Names() []string   { return nil }
func (t *LM) Scores() int       { return 0 }
func (t *LM) PerPosition() bool { return true }

func (t *LM) LabelTypes(n, positions int) []ir.Type {
	return []ir.Type{{DType: tensor.Int64, Shape: tensor.Shape{n, positions}}}
}

// Target returns no tokens: they are the example itself (see data.Dataset.Tokens).
func (t *LM) Target(data.Example) (data.Target, error) { return data.Target{Class: -1}, nil }

func (t *LM) Labels(targets []data.Target, _ []int, positions int) []*tensor.Tensor {
	out := tensor.New(tensor.Int64, len(targets), positions)
	for i, target := range targets {
		row := out.I64()[i*positions : (i+1)*positions]
		for j := range row {
			row[j] = noToken
			if j+1 < len(target.Labels) {
				row[j] = int64(target.Labels[j+1])
			}
		}
	}
	return []*tensor.Tensor{out}
}

func (t *LM) Loss(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value {
	return op.TokenCrossEntropy(b, ir.Attrs{"label_smoothing": float32(t.Smoothing)}, scores, labels[0])
}

func (t *LM) NewMetrics() *Metrics { return &Metrics{Task: NameLM} }

func (t *LM) Measure(m *Metrics, scores *tensor.Tensor, labels []*tensor.Tensor) {
	l := labels[0].I64()
	_, c := positionsOf(scores.Shape, 1)
	losses := make([]float32, len(l))
	e := kernel.CrossEntropy{Ignore: noToken, HasIgnore: true}
	e.Loss(losses, scores.F32(), l, c)
	uniform := math.Log(float64(c))
	n, positions := labels[0].Shape[0], labels[0].Shape[1]
	for i := range n {
		m.Examples++
		valid := true
		for j := i * positions; j < (i+1)*positions; j++ {
			if l[j] != noToken {
				m.Tokens++
				m.LossSum += float64(losses[j])
				m.Sum(sumUniform, uniform)
				valid = valid && !math.IsNaN(float64(losses[j]))
			}
		}
		if !valid {
			m.Invalid++
		}
	}
}

// Perplexity returns exp of the mean loss per token. It is the number of equally likely tokens
// among which the model seems to choose.
func (m *Metrics) Perplexity() float64 { return math.Exp(m.Loss()) }

// Answer returns an empty answer, as a text is continued token by token.
func (t *LM) Answer([]float32) Answer { return Answer{} }
