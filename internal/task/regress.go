package task

import (
	"fmt"
	"math"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/op"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// NameRegress is the name of the task Regress.
const NameRegress = "regress"

func init() {
	Register(Kind{
		Name:    NameRegress,
		Answers: data.Answers{Looks: looksNumeric, Like: isNumber},
		Metric:  Metric{Name: "rmse", Lower: true, Of: (*Metrics).RMSE},
		Guess:   (*Metrics).variance,
		New: func(e Examples) (Task, error) {
			if e.KeepHead { // whose output is in the number's unit
				return &Regress{Std: 1}, nil
			}
			targets, err := e.targets(&Regress{})
			if err != nil {
				return nil, err
			}
			return NewRegress(targets), nil
		},
		Named: func([]string, Options) Task { return &Regress{Std: 1} },
	})
}

// looksNumeric reports whether all answers are numbers and some are not whole, as 1.0 is. For folders
// it is false, as a number may well be a folder's name.
func looksNumeric(answers []string, folders bool) bool {
	whole := true
	for _, a := range answers {
		if !isNumber(a) {
			return false
		}
		v, _ := strconv.ParseFloat(a, 64)
		whole = whole && v == math.Trunc(v)
	}
	return !whole && !folders
}

// isNumber reports whether an answer is a finite number.
func isNumber(answer string) bool {
	v, err := strconv.ParseFloat(answer, 64)
	return err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// Regress is a number for each example. Training minimises the mean squared error of the
// standardised number, so that one learning rate suits every unit. Reported are the mean squared
// error and the rmse of the number itself, see Reported. The score of a model that trains is the
// standardised number; one that is written gives the number itself (see Fold), for which Mean is 0
// and Std 1.
type Regress struct {
	Mean, Std float64
}

// NewRegress standardises by the training examples. If all numbers are equal it uses a standard
// deviation of 1.
func NewRegress(targets []data.Target) *Regress {
	r := &Regress{Std: 1}
	for _, t := range targets {
		r.Mean += t.Value / float64(len(targets))
	}
	var v float64
	for _, t := range targets {
		v += (t.Value - r.Mean) * (t.Value - r.Mean) / float64(len(targets))
	}
	if v > 0 {
		r.Std = math.Sqrt(v)
	}
	return r
}

func (r *Regress) Name() string      { return NameRegress }
func (r *Regress) Names() []string   { return nil }
func (r *Regress) Scores() int       { return 1 }
func (r *Regress) PerPosition() bool { return false }

func (r *Regress) LabelTypes(n, _ int) []ir.Type {
	return []ir.Type{{DType: tensor.Float32, Shape: tensor.Shape{n, 1}}}
}

func (r *Regress) Target(e data.Example) (data.Target, error) {
	v, err := strconv.ParseFloat(e.Answer, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return data.Target{}, fmt.Errorf("%s: the label %q is no number, which regress takes", e.Path, e.Answer)
	}
	return data.Target{Class: -1, Value: v}, nil
}

func (r *Regress) Labels(targets []data.Target, _ []int, _ int) []*tensor.Tensor {
	out := tensor.New(tensor.Float32, len(targets), 1)
	for i, t := range targets {
		out.F32()[i] = float32((t.Value - r.Mean) / r.Std)
	}
	return []*tensor.Tensor{out}
}

func (r *Regress) Loss(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value {
	return op.MSE(b, scores, labels[0])
}

func (r *Regress) NewMetrics() *Metrics { return &Metrics{Task: NameRegress} }

func (r *Regress) Measure(m *Metrics, scores *tensor.Tensor, labels []*tensor.Tensor) {
	for i, v := range scores.F32() {
		m.Examples++
		if v != v {
			m.Invalid++
		}
		want := float64(labels[0].F32()[i])
		d := float64(v) - want
		m.LossSum += d * d * r.Std * r.Std
		m.Sum("value", want*r.Std)
		m.Sum("square", want*want*r.Std*r.Std)
	}
}

// variance returns that of the right numbers, the loss of always giving their mean.
func (m *Metrics) variance() float64 {
	n := float64(max(1, m.Examples))
	mean := m.Sums["value"] / n
	return max(0, m.Sums["square"]/n-mean*mean)
}

// RMSE returns the root mean squared error, 0 without examples. The loss of regress is the mean
// squared error.
func (m *Metrics) RMSE() float64 { return math.Sqrt(m.Loss()) }

// Reported is a value of what t minimises, as people are told it. The loss of Regress is that of
// the number itself, where training minimises that of the standardised one. Others are told as they
// are, that of WithLoss among them: its unit is its own.
func Reported(t Task, loss float64) float64 {
	if m, ok := t.(Mixed); ok {
		t = m.Task
	}
	if r, ok := t.(*Regress); ok {
		return loss * r.Std * r.Std
	}
	return loss
}

func (r *Regress) Answer(scores []float32) Answer {
	v := float64(scores[0])*r.Std + r.Mean
	return Answer{Value: &v}
}

// Fold rewrites the last linear layer, weight [1,in] and bias [1], of a model that outputs
// standardised numbers so that it outputs the numbers themselves.
func (r *Regress) Fold(weight, bias []float32) {
	for i := range weight {
		weight[i] = float32(float64(weight[i]) * r.Std)
	}
	for i := range bias {
		bias[i] = float32(float64(bias[i])*r.Std + r.Mean)
	}
}
