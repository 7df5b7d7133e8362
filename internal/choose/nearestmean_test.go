package choose

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// The criteria that docs/extending.md adds: TestExtending runs them.

func init() {
	Register(Criterion{"nearest_mean", func(e *Evidence) (float64, error) { return nearestMean(e.Sample), nil }})
	RegisterGradient(GradientCriterion{"largest_gradient", largestGradient})
}

// nearestMean is the share of examples whose own class has the nearest of the classes' means.
func nearestMean(s *Sample) float64 {
	_, width := s.X.Dims()
	means := mat.NewDense(s.Classes, width, nil)
	for _, of := range s.members() {
		mean := means.RawRowView(s.Y[of[0]])
		for _, i := range of {
			floats.AddScaled(mean, 1/float64(len(of)), s.X.RawRowView(i))
		}
	}
	right := 0
	for i, y := range s.Y {
		distances := make([]float64, s.Classes)
		for c := range distances {
			distances[c] = floats.Distance(s.X.RawRowView(i), means.RawRowView(c), 2)
		}
		if floats.MinIdx(distances) == y {
			right++
		}
	}
	return float64(right) / float64(s.Len())
}

// largestGradient is the largest mean gradient of a single number.
func largestGradient(ts []*Traced) float64 {
	largest := 0.0
	for _, t := range ts {
		for _, sum := range t.Sum {
			largest = max(largest, math.Abs(float64(sum))/float64(t.Batches))
		}
	}
	return largest
}
