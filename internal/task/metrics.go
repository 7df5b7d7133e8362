package task

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/calibrate"
)

// Metrics measure how well a model does at its task, example by example. Sums are in float64 and in
// the order in which examples are added, so equal calls give equal bits. The JSON form also
// contains the derived numbers, and reads back to the same state.
type Metrics struct {
	Task     string // "" is classify
	Examples int
	Invalid  int     // examples with a NaN score, counted as wrong
	LossSum  float64 // over the examples, or the tokens; of regress in the number's unit, squared

	// classify
	Classes int
	Correct int
	Matrix  [][]int64      // examples of class i (row) that were predicted as class j (column)
	Bins    calibrate.Bins // predictions by their probability

	Labels []Hits // multilabel: per label
	Tokens int64  // lm: predicted tokens
	Edits  int64  // ctc: insertions, deletions and replacements that correct the decoded texts
	Length int64  // ctc: symbols of the right transcripts

	Sums map[string]float64 // sums of other tasks, by name
}

// Hits count true positives, false positives and false negatives of a label.
type Hits struct {
	Both   int64 `json:"both"`
	Wrong  int64 `json:"wrong"`
	Missed int64 `json:"missed"`
}

// NewMetrics returns empty metrics of a classifier.
func NewMetrics(classes int) *Metrics {
	m := &Metrics{Classes: classes, Matrix: make([][]int64, classes)}
	flat := make([]int64, classes*classes)
	for i := range m.Matrix {
		m.Matrix[i] = flat[i*classes : (i+1)*classes : (i+1)*classes]
	}
	return m
}

// Add adds one batch of a classifier: logits of shape [len(labels), Classes], the true class of
// each example and its loss, the negative log likelihood. It panics if the lengths do not match.
func (m *Metrics) Add(scores []float32, labels []int, losses []float32) {
	if len(scores) != len(labels)*m.Classes || len(losses) != len(labels) {
		panic(fmt.Sprintf("task: metrics of %d classes given %d scores and %d losses for %d labels", m.Classes, len(scores), len(losses), len(labels)))
	}
	for i, label := range labels {
		m.Examples++
		m.LossSum += float64(losses[i])
		row := scores[i*m.Classes : (i+1)*m.Classes]
		guess := Argmax(row)
		if guess < 0 {
			m.Invalid++
			continue
		}
		m.Matrix[label][guess]++
		if guess == label {
			m.Correct++
		}
		// the loss is the logarithm of all exponentials less the logit of the label
		m.Bins.Add(math.Min(1, math.Exp(float64(row[guess])-float64(row[label])-float64(losses[i]))), guess == label)
	}
}

// Argmax returns the index of the largest score, the first of equal ones. It is -1 if there are no
// scores or one is NaN.
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

// Merge adds the counts of o, which must be of the same task. Merge shards in a fixed order to get
// the same bits.
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
	m.Bins.Merge(&o.Bins)
	for i, h := range o.Labels {
		m.Labels[i].Both += h.Both
		m.Labels[i].Wrong += h.Wrong
		m.Labels[i].Missed += h.Missed
	}
	m.Tokens += o.Tokens
	m.Edits += o.Edits
	m.Length += o.Length
	for name, v := range o.Sums {
		m.Sum(name, v)
	}
}

// Sum adds to one of Sums.
func (m *Metrics) Sum(name string, v float64) {
	if m.Sums == nil {
		m.Sums = map[string]float64{}
	}
	m.Sums[name] += v
}

// Accuracy returns the fraction of examples whose highest score is the true class, 0 without
// examples.
func (m *Metrics) Accuracy() float64 { return ratio(m.Correct, m.Examples) }

// Loss returns the mean loss per example, or per token if tokens are learned. It is 0 without any.
func (m *Metrics) Loss() float64 {
	n := float64(m.Examples)
	if kindOf(m.Task).Tokens {
		n = float64(m.Tokens)
	}
	if n == 0 {
		return 0
	}
	return m.LossSum / n
}

// Guess returns the loss of guessing: of all classes, tokens or symbols alike, or of the mean number. ok is false where
// there is no such loss.
func (m *Metrics) Guess() (loss float64, ok bool) {
	if k := kindOf(m.Task); k.Guess != nil {
		loss = k.Guess(m)
	}
	return loss, loss > 0
}

// Metric returns the number that measures how good a model is at its task, see Kind.Metric.
func (m *Metrics) Metric() (name string, value float64) {
	k := kindOf(m.Task)
	return k.Metric.Name, k.Metric.Of(m)
}

// Score returns the metric, with its sign changed if needed so that higher is better, and the loss,
// which decides between equal metrics.
func (m *Metrics) Score() Score {
	k := kindOf(m.Task)
	v := k.Metric.Of(m)
	if k.Metric.Lower {
		v = -v
	}
	return Score{Metric: v, Loss: m.Loss()}
}

// MacroF1 returns the mean F1 score of the classes or labels that occur among the right answers or
// the predictions. For classes this is scikit-learn's f1_score(average="macro"). It is 0 without
// examples.
func (m *Metrics) MacroF1() float64 {
	var sum float64
	n := 0
	add := func(both, either int64) {
		if either > 0 {
			sum += 2 * float64(both) / float64(either)
			n++
		}
	}
	for c := range m.Classes {
		truth, guessed := m.totals(c)
		add(m.Matrix[c][c], truth+guessed)
	}
	for _, h := range m.Labels {
		add(h.Both, 2*h.Both+h.Wrong+h.Missed)
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// totals counts the examples of class c and those predicted as it.
func (m *Metrics) totals(c int) (truth, guessed int64) {
	for j := range m.Classes {
		truth += m.Matrix[c][j]
		guessed += m.Matrix[j][c]
	}
	return truth, guessed
}

// Confusion says how many examples of class Truth were predicted as class Guess.
type Confusion struct {
	Truth, Guess int
	Count        int64
}

// Confusions lists the off-diagonal cells of the matrix, most frequent first, at most limit of
// them.
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

// metricsJSON is the JSON form of Metrics. Sums that may be NaN are text, as JSON has no NaN.
type metricsJSON struct {
	Task      string          `json:"task,omitempty"`
	Examples  int             `json:"examples"`
	Metric    *Named          `json:"metric,omitempty"` // for tasks other than classify
	Accuracy  *float64        `json:"accuracy,omitempty"`
	Loss      *float64        `json:"loss"` // null if it is not finite
	MacroF1   *float64        `json:"macro_f1,omitempty"`
	Correct   *int            `json:"correct,omitempty"`
	Invalid   int             `json:"invalid,omitempty"`
	LossSum   string          `json:"loss_sum"`
	Confusion [][]int64       `json:"confusion,omitempty"`
	ECE       *float64        `json:"ece,omitempty"`
	Bins      *calibrate.Bins `json:"bins,omitempty"`
	Labels    []Hits          `json:"labels,omitempty"`
	Tokens    int64           `json:"tokens,omitempty"`
	Edits     int64           `json:"edits,omitempty"`
	Length    int64           `json:"length,omitempty"`

	Sums map[string]float64 `json:"sums,omitempty"`
}

// Named is a metric with its name, as fit and eval report it.
type Named struct {
	Name  string   `json:"name"`
	Value *float64 `json:"value"` // null if it is not finite
}

// Named returns the metric as it is reported. It is nil for classify, whose accuracy is reported
// separately.
func (m *Metrics) Named() *Named {
	if kindOf(m.Task).Answers.Classes {
		return nil
	}
	name, v := m.Metric()
	return &Named{name, Finite(v)}
}

func (m *Metrics) MarshalJSON() ([]byte, error) {
	j := metricsJSON{
		Task: m.Task, Examples: m.Examples, Metric: m.Named(), Loss: Finite(m.Loss()), Invalid: m.Invalid, LossSum: fmt.Sprint(m.LossSum),
		Labels: m.Labels, Tokens: m.Tokens, Edits: m.Edits, Length: m.Length, Sums: m.Sums,
	}
	if j.Metric == nil {
		accuracy, f1, ece := m.Accuracy(), m.MacroF1(), m.Bins.ECE()
		j.Accuracy, j.MacroF1, j.Correct, j.Confusion, j.ECE, j.Bins = &accuracy, &f1, &m.Correct, m.Matrix, &ece, &m.Bins
	}
	return json.Marshal(j)
}

func (m *Metrics) UnmarshalJSON(b []byte) error {
	var j metricsJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	if _, err := Lookup(j.Task); err != nil {
		return fmt.Errorf("task: metrics: %w", err)
	}
	for _, row := range j.Confusion {
		if len(row) != len(j.Confusion) {
			return fmt.Errorf("task: metrics: confusion matrix is not square")
		}
	}
	*m = Metrics{Task: j.Task}
	if j.Metric == nil {
		*m = *NewMetrics(len(j.Confusion))
		m.Task = j.Task
	}
	m.Examples, m.Invalid, m.Labels, m.Tokens, m.Edits, m.Length, m.Sums = j.Examples, j.Invalid, j.Labels, j.Tokens, j.Edits, j.Length, j.Sums
	if j.Correct != nil {
		m.Correct = *j.Correct
	}
	for i, row := range j.Confusion {
		copy(m.Matrix[i], row)
	}
	if j.Bins != nil {
		m.Bins = *j.Bins
	}
	if _, err := fmt.Sscan(j.LossSum, &m.LossSum); err != nil {
		return fmt.Errorf("task: metrics: loss_sum: %w", err)
	}
	return nil
}
