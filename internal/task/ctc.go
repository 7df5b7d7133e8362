package task

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/decode"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// NameCTC is the name of the task CTC.
const NameCTC = "ctc"

func init() {
	Register(Kind{
		Name:    NameCTC,
		Answers: data.Answers{Empty: true, Column: true},
		Metric:  Metric{Name: "error_rate", Text: "error rate", Lower: true, Of: (*Metrics).ErrorRate},
		Guess:   func(m *Metrics) float64 { return m.Sums[sumUniform] / float64(max(1, m.Examples)) },
		New: func(e Examples) (Task, error) {
			t := NewCTC(e.answers())
			if len(t.Symbols) == 0 {
				return nil, fmt.Errorf("%s: every transcript is empty", e.Train.Root)
			}
			return t, nil
		},
		Named: func(names []string, _ Options) Task { return &CTC{Symbols: names, Longest: 1} },
	})
}

// CTC assigns each example a transcript without knowing where its symbols are in the input
// (connectionist temporal classification). Its metric is the error_rate of greedy decoding. Score 0
// is the blank. Symbol i of Symbols has score i+1, which is also its number in a Target.
type CTC struct {
	Symbols []string // characters
	Longest int      // length in symbols of the longest training transcript
	Beam    int      // beam width with which Answer decodes; 0 or 1 decodes greedily
}

// NewCTC takes the symbols from the training transcripts: their characters, sorted.
func NewCTC(transcripts []string) *CTC {
	t := &CTC{}
	seen := map[string]bool{}
	for _, text := range transcripts {
		n := 0
		for _, r := range text {
			n++
			if s := string(r); !seen[s] {
				seen[s] = true
				t.Symbols = append(t.Symbols, s)
			}
		}
		t.Longest = max(t.Longest, n)
	}
	slices.Sort(t.Symbols)
	return t
}

// Target returns a transcript as symbols. It errors on an unknown character.
func (t *CTC) Target(e data.Example) (data.Target, error) {
	target := data.Target{Class: -1}
	for _, r := range e.Answer {
		i, ok := slices.BinarySearch(t.Symbols, string(r))
		if !ok {
			return target, fmt.Errorf("%s: the transcript %q has the character %q, which training did not see", e.Path, e.Answer, r)
		}
		target.Labels = append(target.Labels, i+1)
	}
	return target, nil
}

// Frames returns the minimum number of positions for a transcript: one for each symbol, and a blank
// between two equal ones.
func (t *CTC) Frames(target data.Target) int {
	n := len(target.Labels)
	for i := 1; i < len(target.Labels); i++ {
		if target.Labels[i] == target.Labels[i-1] {
			n++
		}
	}
	return n
}

// Text turns a sequence of symbols into a transcript.
func (t *CTC) Text(labels []int) string {
	var b strings.Builder
	for _, l := range labels {
		b.WriteString(t.Symbols[l-1])
	}
	return b.String()
}

func (t *CTC) Name() string      { return NameCTC }
func (t *CTC) Names() []string   { return t.Symbols }
func (t *CTC) Scores() int       { return len(t.Symbols) + 1 }
func (t *CTC) PerPosition() bool { return true }

func (t *CTC) LabelTypes(n, _ int) []ir.Type {
	return []ir.Type{{DType: tensor.Int64, Shape: tensor.Shape{n, t.Longest}}, {DType: tensor.Int64, Shape: tensor.Shape{n}}}
}

// Labels returns the symbols, with -1 after a transcript's end, and the number of valid positions.
func (t *CTC) Labels(targets []data.Target, lengths []int, positions int) []*tensor.Tensor {
	longest := t.Longest
	for _, target := range targets { // validation transcripts may be longer than training ones
		longest = max(longest, len(target.Labels))
	}
	labels, frames := tensor.New(tensor.Int64, len(targets), longest), make([]int64, len(targets))
	for i, target := range targets {
		row := labels.I64()[i*longest : (i+1)*longest]
		for j := range row {
			row[j] = -1
			if j < len(target.Labels) {
				row[j] = int64(target.Labels[j])
			}
		}
		frames[i] = int64(positions)
		if lengths != nil {
			frames[i] = int64(lengths[i])
		}
	}
	return []*tensor.Tensor{labels, tensor.Of(frames)}
}

func (t *CTC) Loss(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value {
	n := labels[0].Type.Shape[0]
	positions, c := positionsOf(scores.Type.Shape, n)
	scores = b.Op("Reshape", ir.Attrs{"shape": []int{n, positions, c}}, scores)
	return b.Op("CTCLoss", ir.Attrs{"zero_infinity": 1}, scores, labels[0], labels[1])
}

func (t *CTC) NewMetrics() *Metrics { return &Metrics{Task: NameCTC} }

// Measure adds up the losses as they are reduced: per symbol of the transcript. An example that is
// too short for its transcript has no loss.
func (t *CTC) Measure(m *Metrics, scores *tensor.Tensor, labels []*tensor.Tensor) {
	n, longest := labels[0].Shape[0], labels[0].Shape[1]
	positions, c := positionsOf(scores.Shape, n)
	for i := range n {
		row := labels[0].I64()[i*longest : (i+1)*longest]
		if end := slices.Index(row, -1); end >= 0 {
			row = row[:end]
		}
		at := i * positions * c
		x := scores.F32()[at : at+int(labels[1].I64()[i])*c]
		m.Examples++
		loss := kernel.CTC(nil, x, c, row, 0, 0)
		if math.IsNaN(loss) {
			m.Invalid++
		}
		if !math.IsInf(loss, 1) {
			m.LossSum += loss / float64(max(1, len(row)))
			m.Sum(sumUniform, kernel.CTC(nil, make([]float32, len(x)), c, row, 0, 0)/float64(max(1, len(row))))
		}
		want := make([]int, len(row))
		for j, l := range row {
			want[j] = int(l)
		}
		m.Edits += int64(decode.Distance(decode.Greedy(x, c, 0), want))
		m.Length += int64(len(want))
	}
}

// SetBeam sets the beam width with which Answer decodes.
func (t *CTC) SetBeam(n int) { t.Beam = n }

// ErrorRate returns the number of edits that correct the decoded texts, per symbol of the right
// transcripts. It is 0 if there are none.
func (m *Metrics) ErrorRate() float64 {
	if m.Length == 0 {
		return 0
	}
	return float64(m.Edits) / float64(m.Length)
}

// Answer decodes the scores of an example's positions.
func (t *CTC) Answer(scores []float32) Answer {
	c := t.Scores()
	var labels []int
	if t.Beam > 1 {
		labels = decode.Beam(scores, c, 0, t.Beam)[0].Labels
	} else {
		labels = decode.Greedy(scores, c, 0)
	}
	text := t.Text(labels)
	return Answer{Text: &text}
}
