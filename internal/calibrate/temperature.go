package calibrate

import "math"

// The temperatures that may come out: beyond them, the logits or the examples are at fault.
const (
	Coldest = 0.05
	Hottest = 20.0
)

// Scores are the logits of examples that their model was not trained on, one row for each, with
// their classes.
type Scores struct {
	Classes int
	Logits  []float32 // [N,Classes]
	Labels  []int
}

// Add appends other examples of the same classes.
func (s *Scores) Add(o *Scores) {
	s.Classes = o.Classes
	s.Logits = append(s.Logits, o.Logits...)
	s.Labels = append(s.Labels, o.Labels...)
}

// Temperature returns the number by which to divide the logits so that the loss, the mean negative
// log likelihood, is smallest. It is 1 without examples.
//
// All examples may be answered rightly: then the smallest loss is at temperature 0, where nothing is
// ever in doubt. So every example counts a little for all classes, together as much as one more
// example does (after Platt, Probabilistic Outputs for Support Vector Machines, 1999, section 2.2).
func (s *Scores) Temperature() float64 {
	if len(s.Labels) == 0 {
		return 1
	}
	// The loss is convex in the inverse temperature. Halving the interval of its logarithm 50 times
	// leaves no more than rounding.
	lo, hi := -math.Log(Hottest), -math.Log(Coldest)
	for range 50 {
		if mid := (lo + hi) / 2; s.slope(math.Exp(mid)) < 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return math.Exp(-(lo + hi) / 2)
}

// Evidence for one of two forecasts of the same examples: twice the logarithm of the ratio of their
// likelihoods, by the names of Kass and Raftery, Bayes Factors, 1995, section 3.2.
const (
	Strong     = 6
	VeryStrong = 10
)

// Evidence returns what the losses of the same examples say for b against a.
func Evidence(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] - b[i]
	}
	return 2 * sum
}

// Evident returns Temperature where there is at least so much evidence that it is better than 1, and
// else 1.
func (s *Scores) Evident(evidence float64) float64 {
	t := s.Temperature()
	if Evidence(s.Losses(1), s.Losses(t)) < evidence {
		return 1
	}
	return t
}

// slope is the derivative of the smoothed loss with respect to the inverse temperature, up to a
// positive factor: the mean logit that the model expects less the one of the answers.
func (s *Scores) slope(inverse float64) float64 {
	even := 1 / float64(len(s.Labels)+1)
	sum := 0.0
	for i, label := range s.Labels {
		row := s.Logits[i*s.Classes : (i+1)*s.Classes]
		top, mean := math.Inf(-1), 0.0
		for _, v := range row {
			top = math.Max(top, float64(v))
			mean += float64(v) / float64(s.Classes)
		}
		all, expected := 0.0, 0.0
		for _, v := range row {
			e := math.Exp(inverse * (float64(v) - top))
			all += e
			expected += e * float64(v)
		}
		sum += expected/all - (1-even)*float64(row[label]) - even*mean
	}
	return sum
}

// Losses returns the negative log likelihood of every example at a temperature.
func (s *Scores) Losses(temperature float64) []float64 {
	out := make([]float64, len(s.Labels))
	for i, label := range s.Labels {
		row := s.Logits[i*s.Classes : (i+1)*s.Classes]
		top, all := math.Inf(-1), 0.0
		for _, v := range row {
			top = math.Max(top, float64(v))
		}
		for _, v := range row {
			all += math.Exp((float64(v) - top) / temperature)
		}
		out[i] = math.Log(all) - (float64(row[label])-top)/temperature
	}
	return out
}
