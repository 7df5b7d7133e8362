package choose

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

func init() {
	Register(Criterion{"transrate", func(e *Evidence) (float64, error) { return TransRate(e.Sample) }})
}

// TransRate is the mutual information between features and labels, measured by coding rates: the
// nats to encode a feature vector to a precision ε, less the nats where its class is known,
//
//	R(Z) = ½ log det(I + ZᵀZ/(Nε)),   TransRate = R(Z) − Σc (Nc/N) R(Zc)
//
// Features Z are centred once and scaled to a mean squared length of 1, so that models can be
// compared, and ε = 10⁻⁴. Larger is better. It grows with the width of the features.
//
// Huang, Huang, Rong, Yang, Wei: Frustratingly Easy Transferability Estimation, ICML 2022,
// equations 3 and 4.
func TransRate(s *Sample) (float64, error) {
	const epsilon = 1e-4
	x, _ := centred(s.X)
	norm := mat.Norm(x, 2)
	if norm == 0 {
		return 0, nil
	}
	x.Scale(sqrt(s.Len())/norm, x)
	rate, err := codingRate(x, epsilon)
	if err != nil {
		return 0, err
	}
	_, d := x.Dims()
	for _, m := range s.members() {
		part := mat.NewDense(len(m), d, nil)
		for k, i := range m {
			part.SetRow(k, x.RawRowView(i))
		}
		r, err := codingRate(part, epsilon)
		if err != nil {
			return 0, err
		}
		rate -= r * float64(len(m)) / float64(s.Len())
	}
	return rate, nil
}

func codingRate(z *mat.Dense, epsilon float64) (float64, error) {
	n, _ := z.Dims()
	g, _ := gram(z)
	var chol mat.Cholesky
	if !chol.Factorize(shifted(g, 1/(float64(n)*epsilon), 1)) {
		return 0, fmt.Errorf("choose: the coding rate of %d features has no determinant", n)
	}
	return chol.LogDet() / 2, nil
}

func sqrt(n int) float64 { return math.Sqrt(float64(n)) }
