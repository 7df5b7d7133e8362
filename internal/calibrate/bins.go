package calibrate

import (
	"encoding/json"
	"fmt"
	"math"
)

// Number is how many bins there are, as in the paper. They divide the probabilities from 0 to 1
// into equal parts.
const Number = 15

// Bin sums up the answers whose probability lies in one part.
type Bin struct {
	Examples   int64
	Correct    int64   // of these, answered rightly
	Confidence float64 // sum of the probabilities of the answers
}

// Bins sum up answers by their probability. The JSON form is a list of [examples, correct,
// confidence], and reads back to the same bits.
type Bins [Number]Bin

// Add adds an answer that was given with a probability. A NaN is not counted.
func (b *Bins) Add(probability float64, correct bool) {
	if math.IsNaN(probability) {
		return
	}
	// a bin includes its upper edge
	at := &b[min(max(int(math.Ceil(probability*Number))-1, 0), Number-1)]
	at.Examples++
	at.Confidence += probability
	if correct {
		at.Correct++
	}
}

// Merge adds the answers of o.
func (b *Bins) Merge(o *Bins) {
	for i, x := range o {
		b[i].Examples += x.Examples
		b[i].Correct += x.Correct
		b[i].Confidence += x.Confidence
	}
}

// ECE returns the expected calibration error: the mean over all answers of the distance, in their
// bin, between the mean probability and the share of right answers. It is 0 without answers.
func (b *Bins) ECE() float64 {
	sum, n := 0.0, int64(0)
	for _, x := range b {
		sum += math.Abs(float64(x.Correct) - x.Confidence)
		n += x.Examples
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// Chance returns the calibration error that a classifier is expected to show by chance whose
// probabilities are right, given with the same probabilities to as many examples: the mean absolute
// deviation of the number of right answers in every bin, binomial with the bin's mean probability
// (de Moivre, 1730). A smaller error is no sign of better probabilities.
func (b *Bins) Chance() float64 {
	sum, all := 0.0, int64(0)
	for _, x := range b {
		all += x.Examples
		n := float64(x.Examples)
		p := x.Confidence / n
		if !(p > 0 && p < 1) {
			continue
		}
		k := math.Floor(n*p) + 1
		sum += 2 * k * math.Exp(logChoose(n, k)+k*math.Log(p)+(n-k+1)*math.Log1p(-p))
	}
	if all == 0 {
		return 0
	}
	return sum / float64(all)
}

// logChoose is the logarithm of the number of ways to choose k of n.
func logChoose(n, k float64) float64 {
	log := func(x float64) float64 {
		l, _ := math.Lgamma(x + 1)
		return l
	}
	return log(n) - log(k) - log(n-k)
}

func (b *Bins) MarshalJSON() ([]byte, error) {
	var rows [Number][3]float64
	for i, x := range b {
		rows[i] = [3]float64{float64(x.Examples), float64(x.Correct), x.Confidence}
	}
	return json.Marshal(rows)
}

func (b *Bins) UnmarshalJSON(text []byte) error {
	var rows [][3]float64
	if err := json.Unmarshal(text, &rows); err != nil {
		return err
	}
	if len(rows) != Number {
		return fmt.Errorf("calibrate: %d bins, not %d", len(rows), Number)
	}
	for i, r := range rows {
		b[i] = Bin{int64(r[0]), int64(r[1]), r[2]}
	}
	return nil
}
