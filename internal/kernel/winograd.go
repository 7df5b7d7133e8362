package kernel

import "math"

// Winograd's F(4x4, 3x3): Lavin and Gray, Fast Algorithms for Convolutional Neural
// Networks, 2015. A 4 by 4 block of outputs comes from a 6 by 6 patch d of inputs and
// a 3 by 3 filter g as
//
//	A' [ (G g G') * (B' d B) ] A
//
// with an elementwise product, 36 multiplications instead of 144. Summed over
// channels, the product is 36 matrix products of patches with filters. G g G'
// depends on the weights alone: frozen weights are transformed once. The gradient of
// the weights is, from the gradients e of a block of outputs,
//
//	G' [ (A e A') * (B' d B) ] G

// winoInput transforms a patch of n channels, n a multiple of 16. There are four such transforms:
//
//	for i := range out {
//		for j := range out {
//			v[(i*out+j)*comp+c] = (M d M')[i][j] with d[i][j] = x[i*row+j*pixel+c]
//		}
//	}
//
//	winoInput    6 by 6 inputs               M = B'   out = 6
//	winoOutGrad  4 by 4 gradients of outputs M = A    out = 6
//	winoFilter   3 by 3 weights              M = G    out = 6
//	winoGrad     6 by 6 sums                 M = G'   out = 3, the gradient of weights
type winoInput struct {
	x          []float32
	row, pixel int
	v          []float32
	comp       int
	n          int
}

// winoOutput transforms the sums of one patch to height by width outputs of n
// channels, n a multiple of 16.
//
//	at := i*row + j*pixel + c
//	y[at] = (A' m A)[i][j] + bias[c] + res[at] with m[i][j] = m[(i*6+j)*comp+c]
//
// and bounds it by lo and hi where clip. bias and res may be empty.
type winoOutput struct {
	m             []float32
	comp          int
	y             []float32
	row, pixel    int
	bias, res     []float32
	n             int
	height, width int
	lo, hi        float32
	clip          bool
}

// The interpolation points are 0, a, -a, b, -b and infinity. With the square roots
// of 1/2 and 2 the rounding errors are a third of those of 1 and 2, the usual choice,
// and hardly more than those of a plain sum.
const (
	winoA = 1 / math.Sqrt2
	winoB = math.Sqrt2
)

// winoBT is the matrix B'.
func winoBT(d *[6]float32) [6]float32 {
	s, t := d[4]-2*d[2], winoA*(d[3]-2*d[1])
	u, v := d[4]-0.5*d[2], winoB*(d[3]-0.5*d[1])
	return [6]float32{d[0] - 2.5*d[2] + d[4], s + t, s - t, u + v, u - v, d[1] - 2.5*d[3] + d[5]}
}

// winoAT is the matrix A'.
func winoAT(m *[6]float32) [4]float32 {
	s, d := m[1]+m[2], winoA*(m[1]-m[2])
	t, e := m[3]+m[4], winoB*(m[3]-m[4])
	return [4]float32{m[0] + s + t, d + e, 0.5*s + 2*t, 0.5*d + 2*e + m[5]}
}

// winoMatA is the matrix A.
func winoMatA(d *[6]float32) [6]float32 {
	s, t := d[0]+0.5*d[2], winoA*(d[1]+0.5*d[3])
	u, v := d[0]+2*d[2], winoB*(d[1]+2*d[3])
	return [6]float32{d[0], s + t, s - t, u + v, u - v, d[3]}
}

// winoMatG is the matrix G.
func winoMatG(d *[6]float32) [6]float32 {
	p, q := -2./3*d[0]-1./3*d[2], -2./3*winoA*d[1]
	r, s := 1./6*d[0]+1./3*d[2], 1./6*winoB*d[1]
	return [6]float32{d[0], p + q, p - q, r + s, r - s, d[2]}
}

// winoGT is the matrix G'.
func winoGT(d *[6]float32) [6]float32 {
	s, t := d[1]+d[2], d[3]+d[4]
	return [6]float32{d[0] - 2./3*s + 1./6*t, -2./3*winoA*(d[1]-d[2]) + 1./6*winoB*(d[3]-d[4]), d[5] + 1./3*(t-s)}
}

func winoInputGo(t *winoInput)   { t.transform(6, 6, winoBT) }
func winoOutGradGo(t *winoInput) { t.transform(4, 6, winoMatA) }
func winoFilterGo(t *winoInput)  { t.transform(3, 6, winoMatG) }
func winoGradGo(t *winoInput)    { t.transform(6, 3, winoGT) }

// transform multiplies a patch of size by size by a matrix from both sides, to out by out.
func (t *winoInput) transform(size, out int, matrix func(*[6]float32) [6]float32) {
	for c := range t.n {
		var d [6][6]float32 // columns
		for j := range size {
			var col [6]float32
			for i := range size {
				col[i] = t.x[i*t.row+j*t.pixel+c]
			}
			d[j] = matrix(&col)
		}
		for i := range out {
			var row [6]float32
			for j := range size {
				row[j] = d[j][i]
			}
			y := matrix(&row)
			for j, v := range y[:out] {
				t.v[(i*out+j)*t.comp+c] = v
			}
		}
	}
}

func winoOutputGo(t *winoOutput) {
	for c := range t.n {
		var d [6][4]float32
		for j := range 6 {
			var col [6]float32
			for i := range 6 {
				col[i] = t.m[(i*6+j)*t.comp+c]
			}
			d[j] = winoAT(&col)
		}
		for i := range t.height {
			var row [6]float32
			for j := range 6 {
				row[j] = d[j][i]
			}
			out := winoAT(&row)
			for j, v := range out[:t.width] {
				at := i*t.row + j*t.pixel + c
				if len(t.bias) > 0 {
					v += t.bias[c]
				}
				if len(t.res) > 0 {
					v += t.res[at]
				}
				if t.clip {
					if v < t.lo {
						v = t.lo
					}
					if v > t.hi {
						v = t.hi
					}
				}
				t.y[at] = v
			}
		}
	}
}
