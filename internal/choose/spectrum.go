package choose

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack"
	lapacke "gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/mat"
)

// spectrum gives the singular values s [r] of X = U S Vᵀ [N,D], r = min(N,D), in descending order,
// and Uᵀ T [r,C] for targets T [N,C]. It does not form U, which is most of the work of a
// decomposition. Instead it applies the rotations that form S to the targets (Golub and Kahan,
// 1965; LAPACK's DGEBRD and DBDSQR).
func spectrum(x, t *mat.Dense) (s []float64, ut *mat.Dense, err error) {
	n, d := x.Dims()
	_, c := t.Dims()
	r := min(n, d)
	var l lapacke.Implementation
	// has the singular values of X, and its U in the basis of rotated
	square := mat.NewDense(r, r, nil)
	rotated := mat.DenseCopyOf(t)
	tall := mat.DenseCopyOf(x)
	if n < d {
		tall = mat.DenseCopyOf(x.T())
	}
	a := tall.RawMatrix()
	tau := make([]float64, r)
	query := make([]float64, 1)
	l.Dgeqrf(a.Rows, a.Cols, a.Data, a.Stride, tau, query, -1)
	work := make([]float64, int(query[0]))
	l.Dgeqrf(a.Rows, a.Cols, a.Data, a.Stride, tau, work, len(work))
	for i := range r {
		for j := i; j < r; j++ {
			if n < d {
				square.Set(j, i, tall.At(i, j)) // Xᵀ = Q R, so X has the left vectors of Rᵀ
			} else {
				square.Set(i, j, tall.At(i, j))
			}
		}
	}
	if n >= d {
		b := rotated.RawMatrix()
		l.Dormqr(blas.Left, blas.Trans, n, c, r, a.Data, a.Stride, tau, b.Data, b.Stride, query, -1)
		work = make([]float64, int(query[0]))
		l.Dormqr(blas.Left, blas.Trans, n, c, r, a.Data, a.Stride, tau, b.Data, b.Stride, work, len(work))
	}
	ut = mat.DenseCopyOf(rotated.Slice(0, r, 0, c))
	q, b := square.RawMatrix(), ut.RawMatrix()
	s, e := make([]float64, r), make([]float64, max(r-1, 1))
	tauQ, tauP := make([]float64, r), make([]float64, r)
	l.Dgebrd(r, r, q.Data, q.Stride, s, e[:r-1], tauQ, tauP, query, -1)
	work = make([]float64, max(int(query[0]), 1))
	l.Dgebrd(r, r, q.Data, q.Stride, s, e[:r-1], tauQ, tauP, work, len(work))
	l.Dormbr(lapack.ApplyQ, blas.Left, blas.Trans, r, c, r, q.Data, q.Stride, tauQ, b.Data, b.Stride, query, -1)
	work = make([]float64, max(int(query[0]), 1))
	l.Dormbr(lapack.ApplyQ, blas.Left, blas.Trans, r, c, r, q.Data, q.Stride, tauQ, b.Data, b.Stride, work, len(work))
	if !l.Dbdsqr(blas.Upper, r, 0, 0, c, s, e[:r-1], nil, 1, nil, 1, b.Data, b.Stride, make([]float64, 4*r)) {
		return nil, nil, fmt.Errorf("choose: the singular values of %d by %d features do not converge", n, d)
	}
	return s, ut, nil
}
