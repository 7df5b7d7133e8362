package aggregate

// FedAvg is the mean of the changes, weighted by the number of examples (McMahan, Moore, Ramage,
// Hampson, Aguera y Arcas, Communication-Efficient Learning of Deep Networks from Decentralized
// Data, AISTATS 2017).
type FedAvg struct{}

// Needs is 1.
func (FedAvg) Needs() int { return 1 }

// Combine returns the weighted mean.
func (r FedAvg) Combine(updates []Update) (Change, error) {
	if err := enough(r, updates, "fedavg"); err != nil {
		return Change{}, err
	}
	weights := make([]float64, len(updates))
	for i, u := range updates {
		weights[i] = float64(u.Examples)
	}
	return Change{Delta: mean(updates, weights)}, nil
}

// mean is the mean of the changes with the weights.
func mean(updates []Update, weights []float64) []float32 {
	var total float64
	for _, w := range weights {
		total += w
	}
	sum := make([]float64, len(updates[0].Delta))
	for i, u := range updates {
		share := weights[i] / total
		for j, v := range u.Delta {
			sum[j] += share * float64(v)
		}
	}
	return rounded(sum)
}

// plain is the mean of the changes with equal weights.
func plain(updates []Update) []float32 {
	weights := make([]float64, len(updates))
	for i := range weights {
		weights[i] = 1
	}
	return mean(updates, weights)
}

func rounded(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}
