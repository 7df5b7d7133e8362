package choose

import "math"

func init() {
	Register(Criterion{"size_baseline", func(e *Evidence) (float64, error) { return SizeBaseline(e.Params), nil }})
}

// SizeBaseline is the baseline that a criterion must beat: the natural logarithm of the number of
// parameters. Larger models are often better.
func SizeBaseline(params int) float64 { return math.Log(float64(max(params, 1))) }
