// Package ridge measures how well a linear head on given features would answer examples that it was
// not fitted to: ridge regression, in closed form.
//
// Comes in: the features and the right answers of some examples. Goes out: the error of each example
// by a fit to the others. It must not know of models, data sets and tasks.
package ridge

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Gram is Z Zᵀ [N,N] of features x [N,width], with every column of Z at mean 0 and deviation 1. Of
// features side by side it is the sum of their Grams. It errors where a feature is not finite.
func Gram(x []float32, width int) (*mat.SymDense, error) {
	n := len(x) / width
	z := mat.NewDense(n, width, nil)
	for i, v := range x {
		z.RawMatrix().Data[i] = float64(v)
	}
	mean, square := make([]float64, width), make([]float64, width)
	for i := range n {
		for j, v := range z.RawRowView(i) {
			mean[j] += v / float64(n)
		}
	}
	total := 0.0
	for i := range n {
		for j, v := range z.RawRowView(i) {
			square[j] += (v - mean[j]) * (v - mean[j])
			total += (v - mean[j]) * (v - mean[j])
		}
	}
	if math.IsNaN(total) || math.IsInf(total, 0) {
		return nil, fmt.Errorf("ridge: some of the features are not numbers")
	}
	const little = 1e-8 // of the mean variance: a column of that tells nothing
	for i := range n {
		row := z.RawRowView(i)
		for j := range row {
			if square[j] <= little*total/float64(width) {
				row[j] = 0
			} else {
				row[j] = (row[j] - mean[j]) * math.Sqrt(float64(n)/square[j])
			}
		}
	}
	g := mat.NewSymDense(n, nil)
	g.SymOuterK(1, z)
	return g, nil
}

// HeldOut gives the errors of every example, its targets [N,K] less what ridge regression answers
// that was fitted to the examples of the other folds. Of penalties, each ten times the last, it takes
// one at which the mean of their squares is least.
//
// No fit is repeated: with K = (G + λI)⁻¹, where G is the Gram matrix with a feature added that is
// the same for all examples, the errors of a fold B are K_BB⁻¹ (K y)_B. This is the block form of the
// leave-one-out error α_i / K_ii of kernel ridge regression (Rifkin and Lippert, Notes on Regularized
// Least Squares, 2007, section 3).
func HeldOut(gram *mat.SymDense, targets *mat.Dense, folds [][]int) (*mat.Dense, error) {
	n := gram.SymmetricDim()
	g := mat.NewSymDense(n, nil)
	g.CopySym(gram)
	same := mat.Trace(gram) / float64(n)
	for i := range n {
		for j := i; j < n; j++ {
			g.SetSym(i, j, g.At(i, j)+same)
		}
	}
	var best *mat.Dense
	least := math.Inf(1)
	try := func(power int) (bool, error) {
		errs, err := heldOut(g, targets, folds, float64(n)*math.Pow(10, float64(power)))
		if err != nil {
			return false, err
		}
		size := mat.Norm(errs, 2)
		if !(size < least) {
			return false, nil
		}
		best, least = errs, size
		return true, nil
	}
	const middle, most, fewest = -1, 2, -4
	if _, err := try(middle); err != nil {
		return nil, err
	}
	for _, step := range []int{1, -1} {
		moved := false
		for power := middle + step; power <= most && power >= fewest; power += step {
			better, err := try(power)
			if err != nil {
				return nil, err
			}
			if !better {
				break
			}
			moved = true
		}
		if moved {
			break
		}
	}
	if best == nil {
		return nil, errNoSolution
	}
	return best, nil
}

func heldOut(g *mat.SymDense, targets *mat.Dense, folds [][]int, penalty float64) (*mat.Dense, error) {
	n := g.SymmetricDim()
	shifted := mat.NewSymDense(n, nil)
	shifted.CopySym(g)
	for i := range n {
		shifted.SetSym(i, i, g.At(i, i)+penalty)
	}
	var chol mat.Cholesky
	var k mat.SymDense
	if !chol.Factorize(shifted) || chol.InverseTo(&k) != nil {
		return nil, errNoSolution
	}
	var a mat.Dense
	a.Mul(&k, targets)
	_, width := targets.Dims()
	errs := mat.NewDense(n, width, nil)
	for _, fold := range folds {
		if len(fold) == 0 {
			continue
		}
		block, right := mat.NewSymDense(len(fold), nil), mat.NewDense(len(fold), width, nil)
		for r, i := range fold {
			for c := r; c < len(fold); c++ {
				block.SetSym(r, c, k.At(i, fold[c]))
			}
			right.SetRow(r, a.RawRowView(i))
		}
		var out mat.Dense
		if !chol.Factorize(block) || chol.SolveTo(&out, right) != nil {
			return nil, errNoSolution
		}
		for r, i := range fold {
			errs.SetRow(i, out.RawRowView(r))
		}
	}
	return errs, nil
}

var errNoSolution = fmt.Errorf("ridge: the equations have no solution")

// Squares sums the squares of every row.
func Squares(errs *mat.Dense) []float64 {
	n, _ := errs.Dims()
	out := make([]float64, n)
	for i := range out {
		for _, e := range errs.RawRowView(i) {
			out[i] += e * e
		}
	}
	return out
}

// Gain is by how much the errors after are smaller than before, of the same examples: the mean, and
// its standard error.
func Gain(before, after []float64) (mean, err float64) {
	n := float64(len(before))
	for i := range before {
		mean += (before[i] - after[i]) / n
	}
	for i := range before {
		d := before[i] - after[i] - mean
		err += d * d / n
	}
	return mean, math.Sqrt(err / n)
}
