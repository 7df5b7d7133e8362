package choose

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

func init() {
	Register(Criterion{"leep", func(e *Evidence) (float64, error) {
		if e.Theta == nil {
			return 0, ErrSilent
		}
		return LEEP(e.Theta, e.Y, e.Classes)
	}})
}

// LEEP is the mean log likelihood of the labels under a classifier that reads only the model's own
// answers. For probabilities θ [N,Z] of the model's own classes,
//
//	P(y|z) = Σᵢ:yᵢ=y θᵢz / Σᵢ θᵢz,   LEEP = 1/N Σᵢ log Σz P(yᵢ|z) θᵢz.
//
// It is at most 0; larger is better. It does not see features that the model's own classes do not
// use.
//
// Nguyen, Hassner, Seeger, Archambeau: LEEP: A New Measure to Evaluate Transferability of Learned
// Representations, ICML 2020, equations 1 and 2.
func LEEP(theta *mat.Dense, labels []int, classes int) (float64, error) {
	n, z := theta.Dims()
	if n != len(labels) {
		return 0, fmt.Errorf("choose: %d rows of probabilities for %d labels", n, len(labels))
	}
	joint, marginal := mat.NewDense(z, classes, nil), make([]float64, z)
	for i, y := range labels {
		for k, p := range theta.RawRowView(i) {
			if math.IsNaN(p) {
				return 0, fmt.Errorf("choose: a probability of example %d is not a number", i)
			}
			joint.Set(k, y, joint.At(k, y)+p)
			marginal[k] += p
		}
	}
	sum := 0.0
	for i, y := range labels {
		p := 0.0
		for k, v := range theta.RawRowView(i) {
			if marginal[k] > 0 {
				p += v * joint.At(k, y) / marginal[k]
			}
		}
		sum += math.Log(max(p, math.SmallestNonzeroFloat64))
	}
	return sum / float64(n), nil
}

// Softmax turns logits [N,Z] into probabilities, row by row.
func Softmax(scores []float32, width int) *mat.Dense {
	p := mat.NewDense(len(scores)/width, width, nil)
	for i := range len(scores) / width {
		row, most, sum := scores[i*width:(i+1)*width], math.Inf(-1), 0.0
		for _, v := range row {
			most = max(most, float64(v))
		}
		out := p.RawRowView(i)
		for k, v := range row {
			out[k] = math.Exp(float64(v) - most)
			sum += out[k]
		}
		for k := range out {
			out[k] /= sum
		}
	}
	return p
}
