package main

import "math"

// The constants are those of the generic functions of package kernel.

// c is a constant.
func (s *isa) c(x float64) v { return s.bits(math.Float32bits(float32(x))) }

// poly is the polynomial c[0] + c[1]*x + ...
func (s *isa) poly(x v, c ...float64) v {
	p := s.load(s.c(c[len(c)-1]))
	for i := len(c) - 2; i >= 0; i-- {
		p = s.horner(p, x, s.c(c[i]))
	}
	return p
}

const signBit = 1 << 31

func (s *isa) abs(a v) v    { return s.and(a, s.bits(signBit-1)) }
func (s *isa) negAbs(a v) v { return s.or(a, s.bits(signBit)) }

// copySign is a, which is not negative, with the sign of b.
func (s *isa) copySign(a, b v) v { return s.or(a, s.and(b, s.bits(signBit))) }

// Comparisons, ordered and quiet unless they say otherwise.
const (
	cmpLT    = 0x11
	cmpLE    = 0x12
	cmpGT    = 0x1e
	cmpNaN   = 0x03 // either is NaN
	cmpNotGE = 0x19 // less, or either is NaN
	cmpNotNE = 0x08 // equal, or either is NaN
)

// expParts splits x = n*ln 2 + r and returns n, for scale, and exp(r)-1.
func (s *isa) expParts(x v) (k, p v) {
	n, k := s.nearest(x, s.c(1.44269504))
	r := s.load(x)
	s.fnma(n, s.c(0.693359375), r)
	s.fnma(n, s.c(-2.12194440e-4), r)
	p = s.poly(r, 0.49999994, 0.166665152, 0.041668456, 0.00836941879, 0.00138131448)
	return k, s.horner(p, s.mul(r, r), r)
}

// exp is e**x.
func (s *isa) exp(x v) v {
	x = s.min(s.load(s.c(89)), x)
	return s.expNotLarge(x)
}

// expNotLarge is e**x for x <= 89 or NaN.
func (s *isa) expNotLarge(x v) v {
	x = s.max(s.load(s.c(-105)), x)
	n, p := s.expParts(x)
	return s.scale(s.add(p, s.c(1)), n)
}

func (s *isa) sigmoid(x v) v {
	e := s.expNotLarge(s.negAbs(x))
	one := s.load(s.c(1))
	return s.div(s.ifNegative(x, e, one), s.add(e, one))
}

func (s *isa) tanh(x v) v {
	a := s.min(s.load(s.c(9.2)), s.abs(x))
	n, p := s.expParts(s.add(a, a))
	t := s.scale(s.load(s.c(1)), n)
	e := s.horner(p, t, s.sub(t, s.c(1)))
	return s.copySign(s.div(e, s.add(e, s.c(2))), x)
}

func (s *isa) erf(x v) v {
	a := s.min(s.load(s.c(3.925)), s.abs(x))
	t := s.mul(a, a)
	p := s.poly(t, 1.12837911, 0.190594301, 0.0527693704, 0.00377257424, 0.000284844224, 2.04602497e-06)
	q := s.poly(t, 1, 0.502242506, 0.114182949, 0.0149832452, 0.00116386393, 3.80477868e-05)
	r := s.div(s.mul(a, p), q)
	return s.copySign(s.min(s.load(s.c(1)), r), x)
}

// mish is tanh(softplus(x)) = n/(n+2) with e = exp(x) and n = e*(e+2), which is
// 1 beyond 20, and e.
func (s *isa) mish(x v) (t, e v) {
	e = s.expNotLarge(s.min(s.load(s.c(20)), x))
	n := s.mul(s.add(e, s.c(2)), e)
	return s.div(n, s.add(n, s.c(2))), e
}

const (
	invSqrt2   = 0.7071067811865476
	invSqrt2Pi = 0.3989422804014327
	geluA      = 0.7978845608028654 // sqrt(2/pi)
	geluB      = 0.044715
)

// normCDF is Phi(x) = (1+erf(x/sqrt 2))/2.
func (s *isa) normCDF(x v) v {
	h := s.load(s.c(0.5))
	return s.fma(s.erf(s.mul(x, s.c(invSqrt2))), s.c(0.5), h)
}

// siluGrad is g + x*g*(1-g)*u with g a sigmoid and u the slope of its argument.
func (s *isa) siluGrad(x, g, u v) v {
	t := s.mul(s.mul(x, g), s.sub(s.load(s.c(1)), g))
	if u == nil {
		return s.add(t, g)
	}
	return s.fma(t, u, s.load(g))
}

// geluArg is 2*sqrt(2/pi)*(x + 0.044715*x**3) and, if asked, its slope.
func (s *isa) geluArg(x v, slope bool) (u, d v) {
	t := s.mul(x, x)
	u = s.mul(s.poly(t, 2*geluA, 2*geluA*geluB), x)
	if slope {
		d = s.poly(t, 2*geluA, 6*geluA*geluB)
	}
	return u, d
}

func (s *isa) clip(x, lo, hi v) v { return s.min(hi, s.max(lo, x)) }
