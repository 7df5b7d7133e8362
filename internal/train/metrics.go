package train

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// Metrics gathers how a classifier does, example by example. Sums are taken in the order in which
// Add is called, in float64, so equal calls give equal bits. The JSON form of Metrics holds the
// derived numbers too and reads back to the same state.
type Metrics struct {
	Classes  int
	Examples int
	Correct  int
	Invalid  int       // examples with a score that is not a number; counted as wrong
	LossSum  float64   // over the examples, weights of classes included
	Matrix   [][]int64 // examples of class i (row) that were taken for class j (column)
}

// NewMetrics returns metrics over no example yet.
func NewMetrics(classes int) *Metrics {
	m := &Metrics{Classes: classes, Matrix: make([][]int64, classes)}
	flat := make([]int64, classes*classes)
	for i := range m.Matrix {
		m.Matrix[i] = flat[i*classes : (i+1)*classes : (i+1)*classes]
	}
	return m
}

// Add takes one batch: scores of shape [len(labels), Classes] (logits or probabilities), the true
// class of each example and its loss. It panics when the lengths do not fit.
func (m *Metrics) Add(scores []float32, labels []int, losses []float32) {
	if len(scores) != len(labels)*m.Classes || len(losses) != len(labels) {
		panic(fmt.Sprintf("train: metrics of %d classes given %d scores and %d losses for %d labels", m.Classes, len(scores), len(losses), len(labels)))
	}
	for i, label := range labels {
		m.Examples++
		m.LossSum += float64(losses[i])
		guess := Argmax(scores[i*m.Classes : (i+1)*m.Classes])
		if guess < 0 {
			m.Invalid++
			continue
		}
		m.Matrix[label][guess]++
		if guess == label {
			m.Correct++
		}
	}
}

// Argmax is the index of the largest score, the first of equal ones; -1 when one is NaN or there are none.
func Argmax(scores []float32) int {
	best := -1
	for i, v := range scores {
		if v != v {
			return -1
		}
		if best < 0 || v > scores[best] {
			best = i
		}
	}
	return best
}

// Merge adds what o gathered. Merge shards in a fixed order to keep the loss's bits.
func (m *Metrics) Merge(o *Metrics) {
	m.Examples += o.Examples
	m.Correct += o.Correct
	m.Invalid += o.Invalid
	m.LossSum += o.LossSum
	for i, row := range o.Matrix {
		for j, n := range row {
			m.Matrix[i][j] += n
		}
	}
}

// Accuracy is the part of the examples whose highest score is the true class; 0 without examples.
func (m *Metrics) Accuracy() float64 { return ratio(m.Correct, m.Examples) }

// Loss is the mean loss; 0 without examples.
func (m *Metrics) Loss() float64 {
	if m.Examples == 0 {
		return 0
	}
	return m.LossSum / float64(m.Examples)
}

// MacroF1 is the mean of the classes' F1 scores, over the classes that occur among labels or guesses,
// as scikit-learn's f1_score(average="macro") takes it; 0 without examples.
func (m *Metrics) MacroF1() float64 {
	var sum float64
	n := 0
	for c := range m.Classes {
		truth, guessed := m.totals(c)
		if truth+guessed > 0 {
			sum += 2 * float64(m.Matrix[c][c]) / float64(truth+guessed)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// totals counts the examples of class c and those taken for it.
func (m *Metrics) totals(c int) (truth, guessed int64) {
	for j := range m.Classes {
		truth += m.Matrix[c][j]
		guessed += m.Matrix[j][c]
	}
	return truth, guessed
}

// Score is the accuracy with the loss to decide between equal ones.
func (m *Metrics) Score() Score { return Score{Metric: m.Accuracy(), Loss: m.Loss()} }

// Confusion says how many examples of class Truth were taken for class Guess.
type Confusion struct {
	Truth, Guess int
	Count        int64
}

// Confusions lists the wrong cells of the matrix, the most frequent first, at most limit of them.
func (m *Metrics) Confusions(limit int) []Confusion {
	var out []Confusion
	for i, row := range m.Matrix {
		for j, n := range row {
			if i != j && n > 0 {
				out = append(out, Confusion{i, j, n})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Confusion) int { return cmp.Compare(b.Count, a.Count) })
	return out[:min(limit, len(out))]
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// metricsJSON is Metrics as written.
type metricsJSON struct {
	Examples  int       `json:"examples"`
	Accuracy  float64   `json:"accuracy"`
	Loss      *float64  `json:"loss"` // null where it is not a finite number
	MacroF1   float64   `json:"macro_f1"`
	Correct   int       `json:"correct"`
	Invalid   int       `json:"invalid,omitempty"`
	LossSum   string    `json:"loss_sum"` // text, because NaN has no JSON form
	Confusion [][]int64 `json:"confusion"`
}

func (m *Metrics) MarshalJSON() ([]byte, error) {
	return json.Marshal(metricsJSON{
		Examples: m.Examples, Accuracy: m.Accuracy(), Loss: finite(m.Loss()), MacroF1: m.MacroF1(),
		Correct: m.Correct, Invalid: m.Invalid, LossSum: fmt.Sprint(m.LossSum), Confusion: m.Matrix,
	})
}

func (m *Metrics) UnmarshalJSON(b []byte) error {
	var j metricsJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	for _, row := range j.Confusion {
		if len(row) != len(j.Confusion) {
			return fmt.Errorf("train: metrics: confusion matrix is not square")
		}
	}
	*m = *NewMetrics(len(j.Confusion))
	m.Examples, m.Correct, m.Invalid = j.Examples, j.Correct, j.Invalid
	for i, row := range j.Confusion {
		copy(m.Matrix[i], row)
	}
	_, err := fmt.Sscan(j.LossSum, &m.LossSum)
	return err
}

// finite is nil for what JSON cannot hold.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
