package choose

import "math"

func init() { RegisterGradient(GradientCriterion{"gradient_change", GradientChange}) }

// GradientChange is the change of the norm of the summed gradient, between the first B batches and
// B others while training:
//
//	| |Σ g| − |Σ g′| | / |Σ g|
//
// Where it is small, the weights are nearly converged and can be frozen again at little loss.
//
// Liu, Agarwal, Venkataraman: AutoFreeze: Automatically Freezing Model Blocks to Accelerate
// Fine-tuning, 2021, section 4.1, with longer intervals there.
func GradientChange(ts []*Traced) float64 {
	before, later := 0.0, 0.0
	for _, t := range ts {
		for i, v := range t.Sum {
			before += float64(v) * float64(v)
			later += float64(t.Later[i]) * float64(t.Later[i])
		}
	}
	if before == 0 {
		return 0
	}
	return math.Abs(math.Sqrt(before)-math.Sqrt(later)) / math.Sqrt(before)
}

func init() { RegisterGradient(GradientCriterion{"weight_change", WeightChange}) }

// WeightChange is how far the optimiser moves weights in one of B steps, relative to their size:
//
//	|θ′ − θ|₁ / |θ|₁ / B
//
// Layers that hardly move contribute little, and are the first to freeze. It is 0 for weights that
// are all zero.
//
// Ardakani et al., SlimFit: Memory-Efficient Fine-Tuning of Transformer-based Models Using Training
// Dynamics, NAACL 2024, which looks at every single step.
func WeightChange(ts []*Traced) float64 {
	moved, size, b := 0.0, 0.0, 1.0
	for _, t := range ts {
		b = float64(t.Batches)
		for i, v := range t.Before {
			moved += math.Abs(float64(t.After[i]) - float64(v))
			size += math.Abs(float64(v))
		}
	}
	if size == 0 {
		return 0
	}
	return moved / size / b
}
