package choose

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

func init() {
	Register(Criterion{"nleep", func(e *Evidence) (float64, error) { return NLEEP(e.Sample, e.Seed) }})
}

// NLEEP is LEEP with clusters of features in place of the model's own classes, for trunks without a
// classifier. Features are projected onto their first principal components (80% of the variance, at
// most 64). A mixture of Gaussians with five components for each class is fitted, and θ are its
// posterior probabilities. Covariances are diagonal in the basis of the principal components. The
// seed draws the initial mixture.
//
// Li et al.: Ranking Neural Checkpoints, CVPR 2021, section 4.2.
func NLEEP(s *Sample, seed uint64) (float64, error) {
	z := principal(s.X, 0.8, 64, seed)
	components := min(5*len(s.members()), max(1, s.Len()/2))
	return LEEP(mixture(z, components, seed), s.Y, s.Classes)
}

// principal projects X onto the principal components that hold a share of its variance, up to a
// largest number. It finds them by subspace iteration from a random start (Halko, Martinsson,
// Tropp, 2011, algorithm 4.4).
func principal(x *mat.Dense, share float64, most int, seed uint64) *mat.Dense {
	c, _ := centred(x)
	n, d := c.Dims()
	most = min(most, n, d)
	r := rand.New(rand.NewPCG(seed, 0x70636173))
	start := mat.NewDense(d, min(most+8, n, d), nil)
	for i := range start.RawMatrix().Data {
		start.RawMatrix().Data[i] = r.NormFloat64()
	}
	var y, back mat.Dense
	y.Mul(c, start)
	orthonormal(&y)
	for range 4 {
		back.Mul(c.T(), &y)
		orthonormal(&back)
		y.Mul(c, &back)
		orthonormal(&y)
	}
	var b mat.Dense
	b.Mul(y.T(), c) // X ≈ Y B
	var svd mat.SVD
	var u mat.Dense
	if !svd.Factorize(&b, mat.SVDThin) {
		return mat.DenseCopyOf(c.Slice(0, n, 0, most))
	}
	svd.UTo(&u)
	values := svd.Values(nil)
	total, held, k := mat.Norm(c, 2), 0.0, 0
	for k < most && (k == 0 || held < share*total*total) {
		held += values[k] * values[k]
		k++
	}
	var out mat.Dense
	out.Mul(&y, u.Slice(0, len(values), 0, k))
	for i := range n {
		row := out.RawRowView(i)
		for j := range row {
			row[j] *= values[j]
		}
	}
	return &out
}

// orthonormal makes the columns of a orthogonal and of length 1, or 0 where they depend on the
// columns before (Gram-Schmidt, twice).
func orthonormal(a *mat.Dense) {
	n, k := a.Dims()
	t := mat.DenseCopyOf(a.T()) // columns lie together
	for j := range k {
		v := mat.NewVecDense(n, t.RawRowView(j))
		before := mat.Norm(v, 2)
		for range 2 {
			for i := range j {
				w := mat.NewVecDense(n, t.RawRowView(i))
				v.AddScaledVec(v, -mat.Dot(v, w), w)
			}
		}
		if after := mat.Norm(v, 2); after > 1e-12*before {
			v.ScaleVec(1/after, v)
		} else {
			v.Zero()
		}
	}
	a.Copy(t.T())
}

// mixture fits k Gaussians with diagonal covariance to the rows of z by expectation maximisation
// (Dempster, Laird, Rubin, 1977). It returns the posterior probabilities [N,k]. Centres start as in
// k-means++ (Arthur, Vassilvitskii, 2007).
func mixture(z *mat.Dense, k int, seed uint64) *mat.Dense {
	n, d := z.Dims()
	r := rand.New(rand.NewPCG(seed, 0x676d6d73))
	floor := 0.0
	for _, v := range z.RawMatrix().Data {
		floor += v * v
	}
	floor = 1e-6*floor/float64(n*d) + math.SmallestNonzeroFloat64*1e20
	post := mat.NewDense(n, k, nil)
	near, centres := farthest(z, k, r), k
	for i, c := range near {
		post.Set(i, c, 1)
	}
	weight, mean, variance := make([]float64, centres), mat.NewDense(k, d, nil), mat.NewDense(k, d, nil)
	before := math.Inf(-1)
	for range 100 {
		for c := range k { // maximisation
			m, v := mean.RawRowView(c), variance.RawRowView(c)
			clear(m)
			clear(v)
			sum := 1e-10
			for i := range n {
				p := post.At(i, c)
				sum += p
				for j, x := range z.RawRowView(i) {
					m[j] += p * x
				}
			}
			for j := range m {
				m[j] /= sum
			}
			for i := range n {
				p := post.At(i, c)
				for j, x := range z.RawRowView(i) {
					v[j] += p * (x - m[j]) * (x - m[j])
				}
			}
			for j := range v {
				v[j] = v[j]/sum + floor
			}
			weight[c] = sum / float64(n)
		}
		norm := make([]float64, k)
		for c := range k {
			norm[c] = math.Log(weight[c])
			for _, v := range variance.RawRowView(c) {
				norm[c] -= math.Log(2*math.Pi*v) / 2
			}
		}
		likelihood := 0.0
		for i := range n { // expectation
			row, most := post.RawRowView(i), math.Inf(-1)
			for c := range k {
				m, v := mean.RawRowView(c), variance.RawRowView(c)
				l := norm[c]
				for j, x := range z.RawRowView(i) {
					l -= (x - m[j]) * (x - m[j]) / (2 * v[j])
				}
				row[c] = l
				most = max(most, l)
			}
			sum := 0.0
			for c := range row {
				row[c] = math.Exp(row[c] - most)
				sum += row[c]
			}
			for c := range row {
				row[c] /= sum
			}
			likelihood += most + math.Log(sum)
		}
		if likelihood-before < 1e-4*float64(n) {
			break
		}
		before = likelihood
	}
	return post
}

// farthest draws k rows, each with a probability proportional to its squared distance from the
// nearest row drawn before. It returns the nearest of them for every row.
func farthest(z *mat.Dense, k int, r *rand.Rand) []int {
	n, _ := z.Dims()
	near, distance := make([]int, n), make([]float64, n)
	for i := range distance {
		distance[i] = math.Inf(1)
	}
	at := r.IntN(n)
	for c := range k {
		sum := 0.0
		for i := range n {
			d := 0.0
			centre := z.RawRowView(at)
			for j, x := range z.RawRowView(i) {
				d += (x - centre[j]) * (x - centre[j])
			}
			if d < distance[i] {
				near[i], distance[i] = c, d
			}
			sum += distance[i]
		}
		draw := r.Float64() * sum
		for at = 0; at < n-1 && draw >= distance[at]; at++ {
			draw -= distance[at]
		}
	}
	return near
}
