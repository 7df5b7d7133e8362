package aggregate

import (
	"fmt"
	"math"
)

// QFedAvg weighs clients by their loss to the power Q, so that the accuracy is spread more evenly
// over them. Q 0 is the plain mean (Li, Sanjabi, Beirami, Smith, Fair Resource Allocation in
// Federated Learning, ICLR 2020, algorithm 2). Rate is the clients' learning rate: its inverse
// stands for the Lipschitz constant.
type QFedAvg struct{ Q, Rate float64 }

// Needs is 1.
func (QFedAvg) Needs() int { return 1 }

// Combine returns the weighted change.
func (r QFedAvg) Combine(updates []Update) (Change, error) {
	if err := enough(r, updates, "qfedavg"); err != nil {
		return Change{}, err
	}
	if r.Rate <= 0 || r.Q < 0 {
		return Change{}, fmt.Errorf("aggregate: qfedavg: q %g and rate %g: both must be positive", r.Q, r.Rate)
	}
	l := 1 / r.Rate
	sum := make([]float64, len(updates[0].Delta))
	var h float64
	for _, u := range updates {
		const least = 1e-10 // a loss of 0 has no negative power
		f := max(u.Loss, least)
		fq := math.Pow(f, r.Q)
		n := l * Norm(u.Delta)
		h += r.Q*math.Pow(f, r.Q-1)*n*n + l*fq
		for i, v := range u.Delta {
			sum[i] += fq * l * float64(v)
		}
	}
	for i := range sum {
		sum[i] /= h
	}
	return Change{Delta: rounded(sum)}, nil
}
