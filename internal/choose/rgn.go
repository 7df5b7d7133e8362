package choose

import "math"

func init() { RegisterGradient(GradientCriterion{"relative_gradient_norm", RGN}) }

// RGN is the relative gradient norm |ḡ| / |θ| of the mean gradient: how strongly the loss pulls at
// weights, relative to their size. It is 0 for weights that are all zero.
//
// Auto-RGN: Lee, Chen, Tajwar, Kumar, Yao, Liang, Finn: Surgical Fine-Tuning Improves Adaptation to
// Distribution Shifts, ICLR 2023, section 4.
func RGN(ts []*Traced) float64 {
	g2, w2 := 0.0, 0.0
	for _, t := range ts {
		for i, sum := range t.Sum {
			mean := float64(sum) / float64(t.Batches)
			g2 += mean * mean
			w2 += float64(t.Before[i]) * float64(t.Before[i])
		}
	}
	if w2 == 0 {
		return 0
	}
	return math.Sqrt(g2 / w2)
}
