package choose

func init() { RegisterGradient(GradientCriterion{"signal_to_noise", SNR}) }

// SNR is the mean over weights of ḡ² / var(g), the signal-to-noise ratio of gradients: whether
// batches pull in the same direction. Gradients without signal give 1/B over B batches. A weight
// whose gradient does not vary counts as 0.
//
// Auto-SNR: Lee et al., Surgical Fine-Tuning Improves Adaptation to Distribution Shifts, ICLR 2023,
// after Mahsereci, Balles, Lassner, Hennig: Early Stopping without a Validation Set, 2017.
func SNR(ts []*Traced) float64 {
	ratios, params := 0.0, 0
	for _, t := range ts {
		b := float64(t.Batches)
		for i, sum := range t.Sum {
			mean, square := float64(sum)/b, t.Squares[i]/b
			if variance := (square - mean*mean) * b / (b - 1); variance > 0 {
				ratios += mean * mean / variance
			}
		}
		params += len(t.Sum)
	}
	return ratios / float64(params)
}

func init() { RegisterGradient(GradientCriterion{"agreement", BatchAgreement}) }

// BatchAgreement is the mean product of the gradients of two different batches, over the mean
// square of one,
//
//	(|Σ g|² − Σ |g|²) / (B−1) / Σ |g|²
//
// It is 0 in expectation where batches have nothing in common, and 1 where they agree.
func BatchAgreement(ts []*Traced) float64 {
	both, single, b := 0.0, 0.0, 0.0
	for _, t := range ts {
		b = float64(t.Batches)
		for i, sum := range t.Sum {
			both += float64(sum) * float64(sum)
			single += t.Squares[i]
		}
	}
	if single == 0 {
		return 0
	}
	return (both - single) / (b - 1) / single
}
