package choose

func init() { RegisterGradient(GradientCriterion{"fisher", Fisher}) }

// Fisher is the mean over weights of the diagonal of the empirical Fisher information, here of
// batch gradients: mean g². It is large for weights on which the answers depend.
//
// Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, PNAS 2017.
func Fisher(ts []*Traced) float64 {
	sum, params := 0.0, 0
	for _, t := range ts {
		for _, v := range t.Squares {
			sum += v / float64(t.Batches)
		}
		params += len(t.Squares)
	}
	return sum / float64(params)
}
