package kernel

import "math"

func each(f func(float32) float32) func(y, x []float32) {
	return func(y, x []float32) {
		for i, v := range x {
			y[i] = f(v)
		}
	}
}

func eachGrad(f func(float32) float32) func(dx, dy, v []float32) {
	return func(dx, dy, v []float32) {
		for i, v := range v {
			dx[i] = dy[i] * f(v)
		}
	}
}

func silu32(x float32) float32 { return x * sigmoid32(x) }

func siluGrad32(x float32) float32 {
	s := sigmoid32(x)
	return s + x*s*(1-s)
}

func gelu32(x float32) float32 { return x * (0.5 + 0.5*erf32(x*(1/math.Sqrt2))) }

const invSqrt2Pi = 0.3989422804014327

func geluGrad32(x float32) float32 {
	return 0.5 + 0.5*erf32(x*(1/math.Sqrt2)) + x*invSqrt2Pi*exp32(-0.5*x*x)
}

const (
	geluA = 0.7978845608028654 // sqrt(2/pi)
	geluB = 0.044715
)

// geluTanh32 uses (1+tanh(u))/2 = sigmoid(2u).
func geluTanh32(x float32) float32 {
	return x * sigmoid32(2*geluA*(x+geluB*x*x*x))
}

func geluTanhGrad32(x float32) float32 {
	s := sigmoid32(2 * geluA * (x + geluB*x*x*x))
	return s + x*s*(1-s)*(2*geluA*(1+3*geluB*x*x))
}

func hardSwish32(x float32) float32 {
	return x * clip32(x*(1.0/6)+0.5, 0, 1)
}

func hardSwishGrad32(x float32) float32 {
	switch {
	case x <= -3:
		return 0
	case x >= 3:
		return 1
	}
	return x*(1.0/3) + 0.5
}

// mishParts returns tanh(softplus(x)) and sigmoid(x). With e = exp(x) the first is
// n/(n+2), n = e*(e+2), which needs no logarithm; beyond 20 both round to 1.
func mishParts(x float32) (t, s float32) {
	if x > 20 {
		return 1, 1
	}
	e := exp32(x)
	n := e * (e + 2)
	return n / (n + 2), e / (1 + e)
}

func mish32(x float32) float32 {
	t, _ := mishParts(x)
	return x * t
}

func mishGrad32(x float32) float32 {
	t, s := mishParts(x)
	return t + x*s*(1-t*t)
}

// elu32 is x where x > 0, else a*(exp(b*x)-1).
func elu32(x, a, b float32) float32 {
	if x > 0 || x != x {
		return x
	}
	n, p := reduceExp(max(b*x, -100))
	s := pow2(max(n, -126))
	return a * (s*p + (s - 1))
}

func eluGo(y, x []float32, a, b float32) {
	for i, v := range x {
		y[i] = elu32(v, a, b)
	}
}

func reluGo(y, x []float32) {
	for i, v := range x {
		if v < 0 {
			v = 0
		}
		y[i] = v
	}
}

func reluGradGo(dx, dy, v []float32) {
	for i, v := range v {
		d := dy[i]
		if !(v > 0) {
			d = 0
		}
		dx[i] = d
	}
}

// clip32 is min(max(x, lo), hi) with NaN kept.
func clip32(x, lo, hi float32) float32 {
	if x < lo {
		x = lo
	}
	if x > hi {
		x = hi
	}
	return x
}

func clipGo(y, x []float32, lo, hi float32) {
	for i, v := range x {
		y[i] = clip32(v, lo, hi)
	}
}

func clipGradGo(dx, dy, v []float32, lo, hi float32) {
	for i, v := range v {
		d := dy[i]
		if !(v > lo && v < hi) {
			d = 0
		}
		dx[i] = d
	}
}

func hardSigmoidGo(y, x []float32, a, b float32) {
	for i, v := range x {
		y[i] = clip32(a*v+b, 0, 1)
	}
}

func hardSigmoidGradGo(dx, dy, x []float32, a, b float32) {
	for i, v := range x {
		d := a * dy[i]
		if u := a*v + b; !(u > 0 && u < 1) {
			d = 0
		}
		dx[i] = d
	}
}

func leakyGo(y, x []float32, a float32) {
	for i, v := range x {
		if v < 0 {
			v *= a
		}
		y[i] = v
	}
}

func leakyGradGo(dx, dy, x []float32, a float32) {
	for i, v := range x {
		d := dy[i]
		if !(v > 0) {
			d *= a
		}
		dx[i] = d
	}
}

func addGo(y, a, b []float32) {
	for i, v := range a {
		y[i] = v + b[i]
	}
}

func subGo(y, a, b []float32) {
	for i, v := range a {
		y[i] = v - b[i]
	}
}

func mulGo(y, a, b []float32) {
	for i, v := range a {
		y[i] = v * b[i]
	}
}

func divGo(y, a, b []float32) {
	for i, v := range a {
		y[i] = v / b[i]
	}
}

// max32 is the greater of a and b; NaN if either is.
func max32(a, b float32) float32 {
	if a > b || a != a {
		return a
	}
	return b
}

// min32 is the lesser of a and b; NaN if either is.
func min32(a, b float32) float32 {
	if a < b || a != a {
		return a
	}
	return b
}

func maxGo(y, a, b []float32) {
	for i, v := range a {
		y[i] = max32(v, b[i])
	}
}

func minGo(y, a, b []float32) {
	for i, v := range a {
		y[i] = min32(v, b[i])
	}
}

func affineGo(y, x []float32, a, b float32) {
	for i, v := range x {
		y[i] = a*v + b
	}
}

func axpyGo(y, x []float32, a float32) {
	for i, v := range x {
		y[i] += a * v
	}
}

func axpbyGo(y, x []float32, a, b float32) {
	for i, v := range x {
		y[i] = a*v + b*y[i]
	}
}

func mulAddGo(y, a, b []float32) {
	for i, v := range a {
		y[i] += v * b[i]
	}
}

func scaleShiftGo(y, x, s, t []float32) {
	for i, v := range x {
		y[i] = v*s[i] + t[i]
	}
}

// The generic sums run in eight interleaved parts: faster and more exact than one.

func sumGo(x []float32) float32 {
	var s [8]float32
	for ; len(x) >= 8; x = x[8:] {
		for j := range s {
			s[j] += x[j]
		}
	}
	for j, v := range x {
		s[j] += v
	}
	return sum8(&s)
}

func sum8(s *[8]float32) float32 {
	return (s[0] + s[4]) + (s[2] + s[6]) + ((s[1] + s[5]) + (s[3] + s[7]))
}

func dotGo(a, b []float32) float32 {
	var s [8]float32
	for ; len(a) >= 8; a, b = a[8:], b[8:] {
		b := b[:8]
		for j := range s {
			s[j] += a[j] * b[j]
		}
	}
	for j, v := range a {
		s[j] += v * b[j]
	}
	return sum8(&s)
}

func sumSqGo(x []float32) float32 { return dotGo(x, x) }

func centeredGo(x []float32, m float32) float32 {
	var s [8]float32
	for i, v := range x {
		s[i&7] += (v - m) * (v - m)
	}
	return sum8(&s)
}

func maxOfGo(x []float32) float32 {
	m := -inf32
	for _, v := range x {
		m = max32(m, v)
	}
	return m
}

func expSumGo(y, x []float32, a, m float32) float32 {
	for i, v := range x {
		y[i] = exp32(a*v - m)
	}
	return sumGo(y[:len(x)])
}

func softmaxGradGo(dx, dy, y []float32, d float32) {
	for i, v := range y {
		dx[i] = (dy[i] - d) * v
	}
}

func normalizeGo(y, x, s, t []float32, m, r float32) {
	for i, v := range x {
		v = (v - m) * r
		if len(s) > 0 {
			v *= s[i]
		}
		if len(t) > 0 {
			v += t[i]
		}
		y[i] = v
	}
}

func normSumsGo(dy, x, s []float32, m, r float32) (float32, float32) {
	var p, q [8]float32
	for i, v := range x {
		g := dy[i]
		if len(s) > 0 {
			g *= s[i]
		}
		p[i&7] += g
		q[i&7] += g * ((v - m) * r)
	}
	return sum8(&p), sum8(&q)
}

func normGradGo(dx, dy, x, s []float32, m, r, a, b float32) {
	for i, v := range x {
		g := dy[i]
		if len(s) > 0 {
			g *= s[i]
		}
		dx[i] = r * (g - a - (v-m)*r*b)
	}
}

func normParamGo(ds, dt, dy, x []float32, m, r float32) {
	for i, v := range x {
		g := dy[i]
		ds[i] += g * ((v - m) * r)
		dt[i] += g
	}
}

func colSumGo(s, x []float32) {
	c := len(s)
	for ; len(x) >= c; x = x[c:] {
		for j, v := range x[:c] {
			s[j] += v
		}
	}
}

func colStatsGo(s, q, x, m []float32) {
	c := len(s)
	for ; len(x) >= c; x = x[c:] {
		for j, v := range x[:c] {
			v -= m[j]
			s[j] += v
			q[j] += v * v
		}
	}
}

func colGradGo(s, q, g, x, m []float32) {
	c := len(s)
	for ; len(x) >= c; x, g = x[c:], g[c:] {
		for j, v := range x[:c] {
			s[j] += g[j]
			q[j] += g[j] * (v - m[j])
		}
	}
}

func colAffineGo(y, x, s, t, res []float32, relu bool) {
	c := len(s)
	for ; len(x) >= c; x, y = x[c:], y[c:] {
		for j, v := range x[:c] {
			v = v*s[j] + t[j]
			if len(res) > 0 {
				v += res[j]
			}
			if relu && v < 0 {
				v = 0
			}
			y[j] = v
		}
		if len(res) > 0 {
			res = res[c:]
		}
	}
}

func colAffine2Go(y, g, x, a, b, d []float32) {
	c := len(a)
	for ; len(x) >= c; x, y, g = x[c:], y[c:], g[c:] {
		for j, v := range x[:c] {
			y[j] = a[j]*g[j] + b[j]*v + d[j]
		}
	}
}

func maxTapsGo(y, x []float32, at []int) {
	copy(y, x[at[0]:])
	for _, i := range at[1:] {
		maxGo(y, y, x[i:i+len(y)])
	}
}

func sumTapsGo(y, x []float32, at []int) {
	copy(y, x[at[0]:])
	for _, i := range at[1:] {
		addGo(y, y, x[i:i+len(y)])
	}
}
