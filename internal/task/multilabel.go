package task

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/op"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// NameMultilabel is the name of the task Multilabel.
const NameMultilabel = "multilabel"

func init() {
	Register(Kind{
		Name: NameMultilabel,
		Answers: data.Answers{Empty: true, Sign: hasSeveral, Looks: func(answers []string, _ bool) bool {
			return slices.ContainsFunc(answers, hasSeveral)
		}},
		Metric: Metric{Name: "macro_f1", Text: "macro F1", Of: (*Metrics).MacroF1},
		Guess:  func(*Metrics) float64 { return math.Ln2 }, // of every label
		New: func(e Examples) (Task, error) {
			t := NewMultilabel(e.answers(), Options{Smoothing: e.Smoothing})
			if len(t.Answers) == 0 {
				return nil, fmt.Errorf("%s: no example has a label", e.Train.Root)
			}
			var err error
			if t.Answers, err = e.Train.Order(t.Answers); err != nil {
				return nil, err
			}
			if e.Balanced {
				targets, err := e.targets(t)
				if err != nil {
					return nil, err
				}
				t.Balance(targets)
			}
			return t, nil
		},
		Named:   func(names []string, o Options) Task { return &Multilabel{names, o} },
		Weighs:  true,
		Smooths: true,
	})
}

// Multilabel assigns each example any number of labels, each judged separately. Its loss is binary
// cross-entropy of the sigmoid, in which Weights scale the examples that have the label. Its metric
// is macro_f1, where a label is predicted if its probability is above one half.
type Multilabel struct {
	Answers []string // names of the labels
	Options
}

func (t *Multilabel) Name() string      { return NameMultilabel }
func (t *Multilabel) Names() []string   { return t.Answers }
func (t *Multilabel) Scores() int       { return len(t.Answers) }
func (t *Multilabel) PerPosition() bool { return false }

func (t *Multilabel) LabelTypes(n, _ int) []ir.Type {
	return []ir.Type{{DType: tensor.Float32, Shape: tensor.Shape{n, len(t.Answers)}}}
}

// NewMultilabel takes the labels from answers: what stands between "|" in them, in the order of
// data.SortNames.
func NewMultilabel(answers []string, o Options) *Multilabel {
	t := &Multilabel{Options: o}
	for _, a := range answers {
		t.Answers = append(t.Answers, split(a)...)
	}
	t.Answers = data.SortNames(t.Answers)
	return t
}

func hasSeveral(answer string) bool { return strings.Contains(answer, "|") }

// split is the labels of an answer.
func split(answer string) []string {
	var out []string
	for l := range strings.SplitSeq(answer, "|") {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// Balance weights the examples that have a label so that together they count as much as those that
// lack it, for each label.
func (t *Multilabel) Balance(targets []data.Target) {
	has := make([]int, len(t.Answers))
	for _, target := range targets {
		for _, l := range target.Labels {
			has[l]++
		}
	}
	t.Weights = make([]float32, len(has))
	for i, n := range has {
		t.Weights[i] = float32(len(targets)-n) / float32(max(1, n))
	}
}

func (t *Multilabel) Target(e data.Example) (data.Target, error) {
	target := data.Target{Class: -1}
	for _, l := range split(e.Answer) {
		i := slices.Index(t.Answers, l)
		if i < 0 {
			return target, fmt.Errorf("%s: the label %q is none that training saw", e.Path, l)
		}
		target.Labels = append(target.Labels, i)
	}
	slices.Sort(target.Labels)
	target.Labels = slices.Compact(target.Labels)
	return target, nil
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
