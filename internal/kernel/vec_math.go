package kernel

import "math"

// The polynomials below are minimax fits of our own; the vector kernels use the
// same ones, so that generic and vector results differ by rounding only.
const (
	log2E = 1.44269504
	// ln 2 in two parts: n*ln2Hi is exact for every |n| < 2^15.
	ln2Hi = 0.693359375
	ln2Lo = -2.12194440e-4

	// exp(r) = 1 + r + r*r*(expC2 + expC3*r + ...) for |r| <= ln(2)/2, to 5e-9.
	expC2 = 0.49999994
	expC3 = 0.166665152
	expC4 = 0.041668456
	expC5 = 0.00836941879
	expC6 = 0.00138131448

	// exp overflows above expHi and is zero below expLo.
	expHi = 88.722839
	expLo = -103.97208

	// erf(x) = x*P(x*x)/Q(x*x) for |x| <= erfMax, to 2e-8; beyond it is 1.
	erfMax = 3.925
	erfP0  = 1.12837911
	erfP1  = 0.190594301
	erfP2  = 0.0527693704
	erfP3  = 0.00377257424
	erfP4  = 0.000284844224
	erfP5  = 2.04602497e-06
	erfQ1  = 0.502242506
	erfQ2  = 0.114182949
	erfQ3  = 0.0149832452
	erfQ4  = 0.00116386393
	erfQ5  = 3.80477868e-05

	// tanh(x) rounds to 1 above tanhMax.
	tanhMax = 9.2
)

var inf32 = float32(math.Inf(1))

// pow2 is 2**n for -126 <= n <= 127.
func pow2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }

// reduceExp splits x = n*ln 2 + r with |r| <= ln(2)/2 and returns exp(r)-1.
func reduceExp(x float32) (n int32, p float32) {
	const magic = 1 << 23 * 1.5
	k := float32(x*log2E) + magic
	k -= magic
	r := x - k*ln2Hi
	r -= k * ln2Lo
	q := float32(expC6)
	q = q*r + expC5
	q = q*r + expC4
	q = q*r + expC3
	q = q*r + expC2
	return int32(k), r + r*r*q
}

// exp32 is e**x to about one unit in the last place, with subnormal results.
func exp32(x float32) float32 {
	switch {
	case x != x:
		return x
	case x > expHi:
		return inf32
	case x < expLo:
		return 0
	}
	n, p := reduceExp(x)
	h := n >> 1 // in two steps: 2**n alone may be out of range
	return (1 + p) * pow2(h) * pow2(n-h)
}

// sigmoid32 is 1/(1+e**-x), accurate in both tails.
func sigmoid32(x float32) float32 {
	e := exp32(-abs32(x))
	if x < 0 {
		return e / (1 + e)
	}
	return 1 / (1 + e)
}

// tanh32 is e/(e+2) with e = exp(2|x|)-1, sign restored: no cancellation near 0.
func tanh32(x float32) float32 {
	if x != x {
		return x
	}
	n, p := reduceExp(2 * min(abs32(x), tanhMax))
	s := pow2(n)
	e := s*p + (s - 1)
	return float32(math.Copysign(float64(e/(e+2)), float64(x)))
}

// erf32 is the error function.
func erf32(x float32) float32 {
	if x != x {
		return x
	}
	x = max(-erfMax, min(x, erfMax))
	t := x * x
	p := float32(erfP5)
	p = p*t + erfP4
	p = p*t + erfP3
	p = p*t + erfP2
	p = p*t + erfP1
	p = p*t + erfP0
	q := float32(erfQ5)
	q = q*t + erfQ4
	q = q*t + erfQ3
	q = q*t + erfQ2
	q = q*t + erfQ1
	q = q*t + 1
	return max(-1, min(x*p/q, 1))
}

func abs32(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func log32(x float32) float32 { return float32(math.Log(float64(x))) }

// softplus32 is log(1+e**x).
func softplus32(x float32) float32 {
	return max(x, 0) + float32(math.Log1p(float64(exp32(-abs32(x)))))
}
