package choose

import "math"

func init() {
	Register(Criterion{"size_baseline", func(e *Evidence) (float64, error) { return SizeBaseline(e.Params), nil }})
}

// SizeBaseline is the score that any other has to beat: the natural logarithm of the number of parameters. Larger models are better
// often enough.
func SizeBaseline(params int) float64 { return math.Log(float64(max(params, 1))) }
