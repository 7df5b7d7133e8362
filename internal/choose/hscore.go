package choose

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

func init() {
	Register(Criterion{"hscore", func(e *Evidence) (float64, error) { return HScore(e.Sample) }})
}

// HScore is tr(Σ⁻¹ Σz), the share of the features' covariance Σ that lies between the class means,
// Σz. Σ is shrunk towards a multiple of the identity, so that its inverse exists with few examples:
//
//	Σα = (1−α) Σ + α tr(Σ)/D I,   H = (1−α) tr(Σα⁻¹ Σz)
//
// with the α of Ledoit and Wolf. It runs from 0 to the number of classes less one; larger is
// better.
//
// Bao et al.: An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP
// 2019, definition 2; the shrinkage: Ibrahim, Ponomareva, Mazumder: Newer is not always better,
// ECML-PKDD 2022, equation 4; α: Ledoit and Wolf, A well-conditioned estimator for
// large-dimensional covariance matrices, 2004, section 3.
func HScore(s *Sample) (float64, error) {
	x, _ := centred(s.X)
	n, d := x.Dims()
	g, examples := gram(x)
	mean := mat.Trace(g) / float64(n) / float64(d) // of Σ's eigenvalues
	if !(mean > 0) {
		return 0, nil // constant features say nothing
	}
	alpha := ledoitWolf(x, g, mean)
	var chol mat.Cholesky
	if !chol.Factorize(shifted(g, (1-alpha)/float64(n), max(alpha*mean, 1e-12*mean))) {
		return 0, fmt.Errorf("choose: the covariance of %d by %d features has no inverse", n, d)
	}
	// The columns of Q are the classes, of length 1: Σz = Xᵀ Q Qᵀ X / N.
	q := mat.NewDense(n, len(s.members()), nil)
	for c, m := range s.members() {
		for _, i := range m {
			q.Set(i, c, 1)
		}
		for _, i := range m {
			q.Set(i, c, q.At(i, c)/sqrt(len(m)))
		}
	}
	var right, left, solved, product mat.Dense
	if examples {
		right.Mul(g, q)
		left.CloneFrom(q)
	} else {
		right.Mul(x.T(), q)
		left.CloneFrom(&right)
	}
	if err := chol.SolveTo(&solved, &right); err != nil {
		return 0, fmt.Errorf("choose: the covariance of the features: %w", err)
	}
	product.Mul(left.T(), &solved)
	return (1 - alpha) * mat.Trace(&product) / float64(n), nil
}

// ledoitWolf is the weight of the identity with which Σα is nearest to the true covariance, in
// expectation. G is the Gram matrix of the centred features, and mean is the mean eigenvalue of Σ.
func ledoitWolf(x *mat.Dense, g *mat.SymDense, mean float64) float64 {
	n, d := x.Dims()
	norm := mat.Norm(g, 2) / float64(n) // Frobenius, the same for both Gram matrices
	delta := norm*norm - mean*mean*float64(d)
	spread := 0.0
	for i := range n {
		v := mat.NewVecDense(d, x.RawRowView(i))
		sq := mat.Dot(v, v)
		spread += sq * sq
	}
	beta := (spread/float64(n) - norm*norm) / float64(n)
	if delta <= 0 {
		return 1
	}
	return min(max(beta, 0), delta) / delta
}
