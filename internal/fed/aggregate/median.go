package aggregate

// Median takes the median of the changes of each weight by itself. It bears lying clients up to
// just under half (Yin, Chen, Ramchandran, Bartlett, Byzantine-Robust Distributed Learning, ICML
// 2018).
type Median struct{}

// Needs is 3: of two, one liar is half.
func (Median) Needs() int { return 3 }

// Combine returns the coordinate-wise median.
func (r Median) Combine(updates []Update) (Change, error) {
	if err := enough(r, updates, "median"); err != nil {
		return Change{}, err
	}
	return Change{Delta: columns(updates, median[float32])}, nil
}

// columns applies f to the changes of each weight. f may sort what it is given.
func columns(updates []Update, f func([]float32) float32) []float32 {
	out := make([]float32, len(updates[0].Delta))
	column := make([]float32, len(updates))
	for j := range out {
		for i := range updates {
			column[i] = updates[i].Delta[j]
		}
		out[j] = f(column)
	}
	return out
}
