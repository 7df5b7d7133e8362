package choose

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/split"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// Probe is a linear classifier on standardised features: ridge regression to one-hot labels, in
// closed form.
type Probe struct {
	Train   float64 // accuracy on the examples it was fitted to
	HeldOut float64 // accuracy on examples that it was not fitted to
	Error   float64 // standard error of HeldOut
	Penalty float64 // λ, chosen by generalised cross-validation
	Loss    float64 // mean negative log likelihood of the held-out predictions, scaled by Sharpness
	// Sharpness is the factor on the scores with which their softmax is calibrated on held-out
	// examples. Ridge regression gives scores near 0 and 1, between which a softmax sees next to no
	// difference.
	Sharpness float64

	right       []bool // held-out predictions, by example
	z           *mat.Dense
	mean, scale []float64
	chol        mat.Cholesky
	dual        bool
	targets     *mat.Dense // centred
	shift       []float64  // mean target
}

// LinearProbe fits a probe. Features are standardised and targets centred, so the intercept is not
// penalised. The penalty minimises the generalised cross-validation error N |y−ŷ|² / (N−df)²
// (Golub, Heath, Wahba, 1979, equation 1.4).
//
// Held-out predictions come from stratified folds drawn from seed, without refitting: with hat
// matrix H, the residuals of a fit that leaves out fold B are exactly (I − H_BB)⁻¹ (y_B − ŷ_B).
func LinearProbe(s *Sample, folds int, seed uint64) (*Probe, error) {
	p := &Probe{}
	p.z, p.mean, p.scale = standardised(s.X)
	return p, p.fit(s, folds, seed)
}

// fit solves for p.z.
func (p *Probe) fit(s *Sample, folds int, seed uint64) error {
	p.targets, p.shift = centred(s.oneHot())
	n := s.Len()
	g, dual := gram(p.z)
	p.dual = dual
	if dual {
		p.Penalty = crossValidatedDual(g, p.targets)
	} else {
		sv, ut, err := spectrum(p.z, p.targets)
		if err != nil {
			return err
		}
		p.Penalty = crossValidated(sv, ut, p.targets, n)
	}
	if !p.chol.Factorize(shifted(g, 1, p.Penalty)) {
		return fmt.Errorf("choose: the probe's equations have no solution")
	}
	// W Wᵀ, or I − λ K with K = (Z Zᵀ + λ I)⁻¹, is the hat matrix.
	var w mat.Dense
	var k mat.SymDense
	var fitted mat.Dense
	if dual {
		if err := p.chol.InverseTo(&k); err != nil {
			return fmt.Errorf("choose: the probe's equations: %w", err)
		}
		fitted.Mul(&k, p.targets)
		fitted.Scale(-p.Penalty, &fitted)
		fitted.Add(&fitted, p.targets)
	} else {
		var l mat.TriDense
		p.chol.LTo(&l)
		w.CloneFrom(p.z.T())
		blas64.Trsm(blas.Left, blas.NoTrans, 1, l.RawTriangular(), w.RawMatrix()) // W = L⁻¹ Zᵀ
		var half mat.Dense
		half.Mul(&w, p.targets)
		fitted.Mul(w.T(), &half)
	}
	p.Train = share(rightOnes(&fitted, p.shift, s.Y))
	held := mat.NewDense(n, s.Classes, nil)
	for _, fold := range stratified(s, folds, seed) {
		m := mat.NewDense(len(fold), len(fold), nil)
		rest := mat.NewDense(len(fold), s.Classes, nil)
		for a, i := range fold {
			for b, j := range fold {
				h := 0.0
				if dual {
					h = -p.Penalty * k.At(i, j)
					if i == j {
						h++
					}
				}
				m.Set(a, b, h)
			}
			for c := range s.Classes {
				rest.Set(a, c, p.targets.At(i, c)-fitted.At(i, c))
			}
		}
		if !dual {
			part := mat.NewDense(len(fold), w.RawMatrix().Rows, nil)
			for a, i := range fold {
				for r := range w.RawMatrix().Rows {
					part.Set(a, r, w.At(r, i))
				}
			}
			m.Mul(part, part.T())
		}
		for a := range fold {
			for b := range fold {
				v := -m.At(a, b) - 1/float64(n) // the intercept is fitted too
				if a == b {
					v++
				}
				m.Set(a, b, v)
			}
		}
		var residual mat.Dense
		if err := residual.Solve(m, rest); err != nil {
			if _, weak := err.(mat.Condition); !weak {
				return fmt.Errorf("choose: a fold of the probe: %w", err)
			}
		}
		for a, i := range fold {
			for c := range s.Classes {
				held.Set(i, c, p.targets.At(i, c)-residual.At(a, c))
			}
		}
	}
	p.right = rightOnes(held, p.shift, s.Y)
	p.HeldOut = share(p.right)
	p.Error = math.Sqrt(max(p.HeldOut*(1-p.HeldOut), 0.25/float64(n)) / float64(n))
	p.calibrate(held, s.Y)
	return nil
}

// crossValidated picks the penalty from a grid of half powers of ten, in units of the number of
// examples.
func crossValidated(sv []float64, ut, targets *mat.Dense, n int) float64 {
	_, classes := ut.Dims()
	energy := make([]float64, len(sv)) // of the targets, by singular vector
	outside := mat.Norm(targets, 2)
	outside *= outside
	for j := range sv {
		for c := range classes {
			energy[j] += ut.At(j, c) * ut.At(j, c)
		}
		outside -= energy[j]
	}
	best, least := float64(n), math.Inf(1)
	for e := 6; e >= -10; e-- { // from the largest: of equal errors the simpler fit
		lambda := float64(n) * math.Pow(10, float64(e)/2)
		rss, left := max(outside, 0), float64(n)-1
		for j, v := range sv {
			f := v * v / (v*v + lambda)
			rss += (1 - f) * (1 - f) * energy[j]
			left -= f
		}
		if left < 1e-6*float64(n) {
			continue
		}
		if gcv := rss / (left * left); gcv < least*(1-1e-9) {
			best, least = lambda, gcv
		}
	}
	return best
}

// crossValidatedDual does the same from G = Z Zᵀ [N,N], where that is the smaller matrix. The
// residual is λ (G+λI)⁻¹ y, and N−df is λ times the trace of that inverse. It does not try all
// penalties, but walks from a middle one to the nearest minimum.
func crossValidatedDual(g *mat.SymDense, targets *mat.Dense) float64 {
	n := float64(g.SymmetricDim())
	penalty := func(e int) float64 { return n * math.Pow(10, float64(e)/2) }
	gcv := func(e int) float64 {
		var chol mat.Cholesky
		var inverse mat.SymDense
		if !chol.Factorize(shifted(g, 1, penalty(e))) || chol.InverseTo(&inverse) != nil {
			return math.Inf(1)
		}
		left := penalty(e)*mat.Trace(&inverse) - 1
		if left < 1e-6*n {
			return math.Inf(1)
		}
		var residual mat.Dense
		residual.Mul(&inverse, targets)
		r := penalty(e) * mat.Norm(&residual, 2)
		return r * r / (left * left)
	}
	at := -2
	best := gcv(at)
	for _, step := range []int{1, -1} {
		moved := false
		for next := at + step; next >= -10 && next <= 6; next += step {
			v := gcv(next)
			// of equal errors the simpler fit
			if v >= best*(1-1e-9) && !(step > 0 && v <= best*(1+1e-9)) {
				break
			}
			at, best, moved = next, v, true
		}
		if moved {
			break
		}
	}
	return penalty(at)
}

// stratified divides the examples of every class, in random order, into folds. Those that belong
// together are in one.
func stratified(s *Sample, folds int, seed uint64) [][]int {
	r := rand.New(rand.NewPCG(seed, 0x666f6c64))
	out := make([][]int, min(folds, s.Len()))
	at := 0
	fold := map[int]int{} // by the number of those that belong together
	for _, m := range s.members() {
		r.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
		for _, i := range m {
			number := i
			if s.Together != nil {
				number = s.Together[i]
			}
			to, known := fold[number]
			if !known {
				to = at % len(out)
				fold[number] = to
				at++
			}
			out[to] = append(out[to], i)
		}
	}
	return slices.DeleteFunc(out, func(f []int) bool { return len(f) == 0 })
}

// rightOnes tells the rows whose largest score, with shift added, is that of the label.
func rightOnes(scores *mat.Dense, shift []float64, labels []int) []bool {
	right := make([]bool, len(labels))
	for i, y := range labels {
		best := 0
		row := scores.RawRowView(i)
		for c := range row {
			if row[c]+shift[c] > row[best]+shift[best] {
				best = c
			}
		}
		right[i] = best == y
	}
	return right
}

// share is the share of examples that are right.
func share(right []bool) float64 {
	n := 0
	for _, r := range right {
		if r {
			n++
		}
	}
	return float64(n) / float64(len(right))
}

// calibrate sets Sharpness and Loss. It searches the factor with the smallest loss on held-out
// scores by golden section over its logarithm, in which the loss has a single minimum.
func (p *Probe) calibrate(held *mat.Dense, labels []int) {
	loss := func(log float64) float64 {
		a, sum := math.Exp(log), 0.0
		for i, y := range labels {
			row, most, total := held.RawRowView(i), math.Inf(-1), 0.0
			for c, v := range row {
				most = max(most, a*(v+p.shift[c]))
			}
			for c, v := range row {
				total += math.Exp(a*(v+p.shift[c]) - most)
			}
			sum += most + math.Log(total) - a*(row[y]+p.shift[y])
		}
		return sum / float64(len(labels))
	}
	golden := (math.Sqrt(5) - 1) / 2
	lo, hi := math.Log(0.1), math.Log(100)
	for hi-lo > 1e-3 {
		a, b := hi-golden*(hi-lo), lo+golden*(hi-lo)
		if loss(a) < loss(b) {
			hi = b
		} else {
			lo = a
		}
	}
	p.Sharpness, p.Loss = math.Exp((lo+hi)/2), loss((lo+hi)/2)
}

// Head gives the probe as a linear layer on the raw features, weight [C,D] and bias [C], with its
// scores sharpened for a softmax.
func (p *Probe) Head() (weight, bias []float32, err error) {
	_, d := p.z.Dims()
	_, classes := p.targets.Dims()
	var b mat.Dense // [D,C]
	if p.dual {
		var a mat.Dense
		if err := p.chol.SolveTo(&a, p.targets); err != nil {
			return nil, nil, fmt.Errorf("choose: the probe's equations: %w", err)
		}
		b.Mul(p.z.T(), &a)
	} else {
		var zt mat.Dense
		zt.Mul(p.z.T(), p.targets)
		if err := p.chol.SolveTo(&b, &zt); err != nil {
			return nil, nil, fmt.Errorf("choose: the probe's equations: %w", err)
		}
	}
	weight, bias = make([]float32, classes*d), make([]float32, classes)
	for c := range classes {
		shift := p.shift[c]
		for j := range d {
			w := b.At(j, c) * p.scale[j]
			weight[c*d+j] = float32(p.Sharpness * w)
			shift -= w * p.mean[j]
		}
		bias[c] = float32(p.Sharpness * shift)
	}
	return weight, bias, nil
}

// Standard is the standardisation of the features that the probe reads.
func (p *Probe) Standard() *split.Standard {
	n := &split.Standard{Mean: make([]float32, len(p.mean)), InvStd: make([]float32, len(p.mean))}
	for j := range p.mean {
		n.Mean[j], n.InvStd[j] = float32(p.mean[j]), float32(p.scale[j])
	}
	return n
}
