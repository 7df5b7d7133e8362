package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func testRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func randSlice(r *rand.Rand, n int, scale float64) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64() * scale)
	}
	return s
}

// edges are values at which kernels like to be wrong.
func edges() []float32 {
	s := []float32{0, negZero, 1, -1, 1e-45, -1e-45, 1e-39, 3.4e38, -3.4e38, 88.7, 88.73, -87.4, -88, -103, -103.98, -104.5,
		0.5, -0.5, 3, -3, 6, 0.3466, 0.7, 9.1, -9.3, 20, 4, -4, 1e-20, 1e10, -1e10, inf32, -inf32, float32(math.NaN())}
	for x := float32(-110); x < 110; x += 0.137 {
		s = append(s, x)
	}
	for x := float32(-4.5); x < 4.5; x += 0.0173 {
		s = append(s, x)
	}
	return s
}

// ulps is the distance of got from want in units in the last place of want, at
// float32's precision and least exponent.
func ulps(got float32, want float64) float64 {
	switch {
	case math.IsNaN(want):
		if got != got {
			return 0
		}
		return math.Inf(1)
	case math.Abs(want) > math.MaxFloat32*(1+0x1p-25):
		if math.IsInf(float64(got), 0) && (got > 0) == (want > 0) {
			return 0
		}
		if math.IsInf(want, 0) {
			return math.Inf(1)
		}
	}
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e, -125)-24)
}

func phi(x float64) float64      { return 0.5 * math.Erfc(-x/math.Sqrt2) }
func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// eachVec calls f for each set of kernels this machine can run.
func eachVec(t *testing.T, f func(t *testing.T)) {
	old := vec
	defer func() { vec = old }()
	for _, l := range vecLevels() {
		vec = l.table
		t.Run(l.name, f)
	}
}

func TestUnary(t *testing.T) {
	tests := []struct {
		name  string
		f     func(y, x []float32)
		ref   func(x float64) float64
		ulps  float64 // allowed, or
		abs   float64 // allowed for |x| < 50
		large bool    // the reference is not defined at huge or special values
	}{
		{"Relu", Relu, func(x float64) float64 { return clip64(x, 0, math.Inf(1)) }, 0, 0, false},
		{"Relu6", Relu6, func(x float64) float64 { return clip64(x, 0, 6) }, 0, 0, false},
		{"Clip", func(y, x []float32) { Clip(y, x, -2, 3) }, func(x float64) float64 { return clip64(x, -2, 3) }, 0, 0, false},
		{"LeakyRelu", func(y, x []float32) { LeakyRelu(y, x, 0.25) }, func(x float64) float64 { return max(x, 0.25*x) }, 0.5, 0, false},
		{"Sigmoid", Sigmoid, logistic, 2.5, 0, false},
		{"Tanh", Tanh, math.Tanh, 3, 0, false},
		{"Erf", Erf, math.Erf, 5, 0, false},
		{"Exp", Exp, math.Exp, 1.5, 0, false},
		{"Silu", Silu, func(x float64) float64 { return x * logistic(x) }, 3, 0, true},
		{"Gelu", Gelu, func(x float64) float64 { return x * phi(x) }, 0, 3e-6, true},
		{"GeluTanh", GeluTanh, func(x float64) float64 { return x * logistic(2*geluA*(x+geluB*x*x*x)) }, 0, 3e-6, true},
		{"HardSigmoid", func(y, x []float32) { HardSigmoid(y, x, 0.2, 0.5) }, func(x float64) float64 { return clip64(0.2*x+0.5, 0, 1) }, 0, 1e-6, false},
		{"HardSwish", HardSwish, func(x float64) float64 { return x * clip64(x/6+0.5, 0, 1) }, 0, 1e-5, true},
		{"Elu", func(y, x []float32) { Elu(y, x, 1.5) }, func(x float64) float64 { return elu64(x, 1.5, 1) }, 3, 0, false},
		{"Selu", func(y, x []float32) { Selu(y, x, 1.67, 1.05) }, func(x float64) float64 { return float64(float32(1.05)) * elu64(x, float64(float32(1.67)), 1) }, 4, 0, true},
		{"Celu", func(y, x []float32) { Celu(y, x, 2) }, func(x float64) float64 { return elu64(x, 2, 2) }, 3, 0, false},
		{"Softplus", Softplus, func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }, 3, 0, false},
		{"Softsign", Softsign, func(x float64) float64 { return x / (1 + math.Abs(x)) }, 2, 0, true},
		{"Mish", Mish, func(x float64) float64 { return x * math.Tanh(max(x, 0)+math.Log1p(math.Exp(-math.Abs(x)))) }, 5, 0, true},
		{"ThresholdedRelu", func(y, x []float32) { ThresholdedRelu(y, x, 1) }, func(x float64) float64 {
			if x <= 1 {
				return 0
			}
			return x
		}, 0, 0, false},
		{"Sqrt", Sqrt, math.Sqrt, 0.5, 0, false},
		{"Rsqrt", Rsqrt, func(x float64) float64 { return 1 / math.Sqrt(x) }, 1.5, 0, false},
		{"Reciprocal", Reciprocal, func(x float64) float64 { return 1 / x }, 0.5, 0, false},
		{"Square", Square, func(x float64) float64 { return x * x }, 0.5, 0, false},
		{"Abs", Abs, math.Abs, 0, 0, false},
		{"Neg", Neg, func(x float64) float64 { return -x }, 0, 0, false},
		{"Sign", Sign, func(x float64) float64 {
			switch {
			case x > 0:
				return 1
			case x < 0:
				return -1
			}
			return x
		}, 0, 0, false},
		{"Log", Log, math.Log, 0.51, 0, false},
		{"Round", Round, math.RoundToEven, 0, 0, false},
		{"Floor", Floor, math.Floor, 0, 0, false},
		{"Ceil", Ceil, math.Ceil, 0, 0, false},
		{"Sin", Sin, math.Sin, 0.51, 0, false},
		{"Cosh", Cosh, math.Cosh, 0.51, 0, false},
	}
	x := edges()
	eachVec(t, func(t *testing.T) {
		for _, tt := range tests {
			y := make([]float32, len(x))
			tt.f(y, x)
			worst := 0.0
			for i, v := range x {
				if tt.large && !(math.Abs(float64(v)) < 50) {
					continue
				}
				want := tt.ref(float64(v))
				if tt.abs > 0 {
					if math.Abs(float64(y[i])-want) <= tt.abs || (y[i] != y[i]) && math.IsNaN(want) {
						continue
					}
				}
				d := ulps(y[i], want)
				worst = max(worst, d)
				if !(d <= tt.ulps) {
					t.Errorf("%s(%v) = %v, want %v: off by %.3g ulp", tt.name, v, y[i], want, d)
					break
				}
			}
			t.Logf("%s: at most %.2f ulp", tt.name, worst)
			// A NaN in is a NaN out, in every position of a vector.
			in := make([]float32, 37)
			for i := range in {
				in[i] = float32(math.NaN())
			}
			tt.f(in, in)
			for i, v := range in {
				if v == v {
					t.Errorf("%s(NaN)[%d] = %v", tt.name, i, v)
					break
				}
			}
		}
	})
}

func clip64(x, lo, hi float64) float64 {
	if x < lo {
		return lo
	}
	if x > hi {
		return hi
	}
	return x
}

func elu64(x, alpha, scale float64) float64 {
	if x > 0 {
		return x
	}
	return alpha * math.Expm1(x/scale)
}

// TestUnaryGrad compares each gradient with a central difference of a float64 form.
func TestUnaryGrad(t *testing.T) {
	type grad = func(dx, dy, x []float32)
	ofY := func(f func(y, x []float32), g grad) grad {
		return func(dx, dy, x []float32) {
			y := make([]float32, len(x))
			f(y, x)
			g(dx, dy, y)
		}
	}
	tests := []struct {
		name string
		g    grad
		ref  func(x float64) float64
		pos  bool // defined for positive x only
	}{
		{"Relu", ReluGrad, func(x float64) float64 { return max(x, 0) }, false},
		{"Relu6", Relu6Grad, func(x float64) float64 { return clip64(x, 0, 6) }, false},
		{"LeakyRelu", func(dx, dy, x []float32) { LeakyReluGrad(dx, dy, x, 0.1) }, func(x float64) float64 { return max(x, 0.1*x) }, false},
		{"Sigmoid", ofY(Sigmoid, SigmoidGrad), logistic, false},
		{"Tanh", ofY(Tanh, TanhGrad), math.Tanh, false},
		{"Silu", SiluGrad, func(x float64) float64 { return x * logistic(x) }, false},
		{"Gelu", GeluGrad, func(x float64) float64 { return x * phi(x) }, false},
		{"GeluTanh", GeluTanhGrad, func(x float64) float64 { return x * logistic(2*geluA*(x+geluB*x*x*x)) }, false},
		{"HardSigmoid", func(dx, dy, x []float32) { HardSigmoidGrad(dx, dy, x, 0.2, 0.5) }, func(x float64) float64 { return clip64(0.2*x+0.5, 0, 1) }, false},
		{"HardSwish", HardSwishGrad, func(x float64) float64 { return x * clip64(x/6+0.5, 0, 1) }, false},
		{"Elu", func(dx, dy, x []float32) { EluGrad(dx, dy, x, 1) }, func(x float64) float64 { return elu64(x, 1, 1) }, false},
		{"Selu", func(dx, dy, x []float32) { SeluGrad(dx, dy, x, 1.67, 1.05) }, func(x float64) float64 {
			if x > 0 {
				return 1.05 * x
			}
			return 1.05 * 1.67 * math.Expm1(x)
		}, false},
		{"Celu", func(dx, dy, x []float32) { CeluGrad(dx, dy, x, 2) }, func(x float64) float64 { return elu64(x, 2, 2) }, false},
		{"Softplus", SoftplusGrad, func(x float64) float64 { return math.Log1p(math.Exp(x)) }, false},
		{"Softsign", SoftsignGrad, func(x float64) float64 { return x / (1 + math.Abs(x)) }, false},
		{"Mish", MishGrad, func(x float64) float64 { return x * math.Tanh(math.Log1p(math.Exp(x))) }, false},
		{"Erf", ErfGrad, math.Erf, false},
		{"Sin", SinGrad, math.Sin, false},
		{"Cos", CosGrad, math.Cos, false},
		{"Tan", ofY(Tan, TanGrad), math.Tan, true},
		{"Abs", AbsGrad, math.Abs, false},
		{"Sqrt", ofY(Sqrt, SqrtGrad), math.Sqrt, true},
		{"Rsqrt", ofY(Rsqrt, RsqrtGrad), func(x float64) float64 { return 1 / math.Sqrt(x) }, true},
		{"Reciprocal", ofY(Reciprocal, ReciprocalGrad), func(x float64) float64 { return 1 / x }, true},
		{"Log", LogGrad, math.Log, true},
	}
	eachVec(t, func(t *testing.T) {
		for _, tt := range tests {
			var x, dy []float32
			for v := float32(-8.013); v < 8; v += 0.0271 {
				if !tt.pos || v > 0.1 && v < 1.5 {
					x = append(x, v)
					dy = append(dy, 1+v/10)
				}
			}
			dx := make([]float32, len(x))
			tt.g(dx, dy, x)
			for i, v := range x {
				const h = 1e-5
				want := float64(dy[i]) * (tt.ref(float64(v)+h) - tt.ref(float64(v)-h)) / (2 * h)
				if math.Abs(float64(dx[i])-want) > 2e-6*(1+math.Abs(want)) {
					t.Errorf("%s: gradient at %v is %v, want %v", tt.name, v, dx[i], want)
					break
				}
			}
		}
	})
}

func TestBinary(t *testing.T) {
	ref := []func(a, b float64) float64{
		func(a, b float64) float64 { return a + b },
		func(a, b float64) float64 { return a - b },
		func(a, b float64) float64 { return a * b },
		func(a, b float64) float64 { return a / b },
		func(a, b float64) float64 {
			if math.IsNaN(a) || math.IsNaN(b) {
				return math.NaN()
			}
			return math.Max(a, b)
		},
		func(a, b float64) float64 {
			if math.IsNaN(a) || math.IsNaN(b) {
				return math.NaN()
			}
			return math.Min(a, b)
		},
		math.Pow,
	}
	shapes := []struct{ y, a, b []int }{
		{[]int{37}, []int{37}, []int{37}},
		{[]int{2, 3, 4, 17}, []int{2, 3, 4, 17}, []int{17}},
		{[]int{2, 3, 4, 17}, []int{2, 3, 4, 17}, []int{2, 1, 1, 17}},
		{[]int{2, 3, 4, 17}, []int{}, []int{2, 3, 4, 17}},
		{[]int{2, 3, 4, 17}, []int{2, 3, 4, 17}, []int{1}},
		{[]int{2, 3, 4, 17}, []int{3, 1, 1}, []int{2, 1, 4, 17}},
		{[]int{5, 6}, []int{5, 1}, []int{1, 6}},
		{[]int{3, 20}, []int{1}, []int{1, 1}},
		{[]int{}, []int{}, []int{}},
		{[]int{0, 3}, []int{0, 3}, []int{3}},
		{[]int{70, 300}, []int{70, 300}, []int{70, 1}},
	}
	r := testRand(1)
	special := edges()
	eachVec(t, func(t *testing.T) {
		for _, s := range shapes {
			a, b := randSlice(r, prod(s.a), 1), randSlice(r, prod(s.b), 1)
			for i := range a {
				if i%5 == 4 {
					a[i] = special[r.IntN(40)]
				}
			}
			for i := range b {
				if i%7 == 6 {
					b[i] = special[r.IntN(40)]
				}
			}
			p, err := NewBroadcast(s.y, s.a, s.b)
			if err != nil {
				t.Fatal(err)
			}
			for op := OpAdd; op <= OpPow; op++ {
				y := make([]float32, prod(s.y))
				Binary(op, y, a, b, p)
				for i := range y {
					u, v := a[refIndex(i, s.y, s.a)], b[refIndex(i, s.y, s.b)]
					want := ref[op](float64(u), float64(v))
					if d := ulps(y[i], want); !(d <= 1.5) {
						t.Errorf("%v %v op %v -> %v: [%d] = %v op %v = %v, want %v", op, s.a, s.b, s.y, i, u, v, y[i], want)
						break
					}
				}
			}
		}
	})
}

func TestBroadcastErrors(t *testing.T) {
	for _, s := range [][2][]int{{{2, 3}, {2}}, {{3}, {1, 3}}, {{2, 3}, {3, 3}}} {
		if _, err := NewBroadcast(s[0], s[1]); err == nil {
			t.Errorf("%v broadcasts to %v", s[1], s[0])
		}
	}
}

func prod(s []int) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// refIndex is the index into a tensor of shape in, broadcast to shape, of element i.
func refIndex(i int, shape, in []int) int {
	at, step := 0, 1
	for k := len(shape) - 1; k >= 0; k-- {
		j := i % shape[k]
		i /= shape[k]
		if q := k - (len(shape) - len(in)); q >= 0 {
			if in[q] != 1 {
				at += j * step
			}
			step *= in[q]
		}
	}
	return at
}

func TestBroadcastGeneric(t *testing.T) {
	shape, sa, sb, sc := []int{2, 3, 5}, []int{3, 1}, []int{2, 1, 5}, []int{5}
	a, b := []int64{1, 2, 3}, make([]int64, 10)
	for i := range b {
		b[i] = int64(10 * i)
	}
	c := []bool{true, false, true, true, false}
	p, err := NewBroadcast(shape, sa, sb)
	if err != nil {
		t.Fatal(err)
	}
	y := make([]bool, 30)
	Map2(y, a, b, p, func(a, b int64) bool { return a > b })
	pw, err := NewBroadcast(shape, sc, sa, sb)
	if err != nil {
		t.Fatal(err)
	}
	w := make([]int64, 30)
	Where(w, c, a, b, pw)
	pe, _ := NewBroadcast(shape, sb)
	e, m := make([]int64, 30), make([]int64, 30)
	Expand(e, b, pe)
	Map1(m, b, pe, func(v int64) int64 { return v + 1 })
	for i := range y {
		u, v := a[refIndex(i, shape, sa)], b[refIndex(i, shape, sb)]
		if y[i] != (u > v) || e[i] != v || m[i] != v+1 {
			t.Errorf("[%d]: %v, %v, %v for %v, %v", i, y[i], e[i], m[i], u, v)
		}
		if want := map[bool]int64{true: u, false: v}[c[refIndex(i, shape, sc)]]; w[i] != want {
			t.Errorf("Where[%d] = %v, want %v", i, w[i], want)
		}
	}
}

func TestSumTo(t *testing.T) {
	r := testRand(2)
	for _, s := range [][2][]int{
		{{4, 5, 6}, {6}}, {{4, 5, 6}, {4, 1, 6}}, {{4, 5, 6}, {1, 5, 1}}, {{4, 5, 6}, {4, 5, 6}},
		{{4, 5, 6}, {}}, {{4, 5, 6}, {5, 1}}, {{2, 3, 4, 5}, {2, 1, 4, 1}}, {{1, 3}, {1, 1}}, {{1, 1}, {1}}, {{3, 1, 2}, {3, 1, 1}},
	} {
		x := randSlice(r, prod(s[0]), 1)
		p, err := NewBroadcast(s[0], s[1])
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float64, prod(s[1]))
		for i, v := range x {
			want[refIndex(i, s[0], s[1])] += float64(v)
		}
		y := make([]float32, len(want))
		SumTo(y, x, p)
		close64(t, fmt.Sprint("SumTo ", s), y, want, 1e-5)
	}
}

// close64 reports the first value that is off by more than tol*(1+|want|).
func close64(t *testing.T, what string, got []float32, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - w); float64(got[i]) != w && !(d <= tol*(1+math.Abs(w))) {
			t.Errorf("%s: [%d] = %v, want %v", what, i, got[i], w)
			return
		}
	}
}

// TestThreads: every kernel gives the same bits for any number of threads.
func TestThreads(t *testing.T) {
	old := Threads()
	defer SetThreads(old)
	r := testRand(3)
	const rows, c = 700, 96
	x, dy := randSlice(r, rows*c, 1), randSlice(r, rows*c, 1)
	s, b := randSlice(r, c, 1), randSlice(r, c, 1)
	run := func() []float32 {
		var out []float32
		y := make([]float32, rows*c)
		keep := func(v ...float32) { out = append(out, v...) }
		Gelu(y, x)
		keep(y...)
		mean, variance, inv := make([]float32, c), make([]float32, c), make([]float32, c)
		BatchNormTrain(y, x, s, b, mean, variance, inv, 1e-5, rows, nil, true)
		keep(y...)
		dx, ds, db := make([]float32, rows*c), make([]float32, c), make([]float32, c)
		BatchNormGrad(dx, nil, ds, db, dy, y, x, s, mean, inv, rows)
		keep(dx...)
		keep(ds...)
		keep(db...)
		m, iv := make([]float32, rows), make([]float32, rows)
		LayerNorm(y, x, s, b, m, iv, 1e-5, rows, c)
		LayerNormGrad(dx, ds, db, dy, x, s, m, iv, rows, c)
		keep(dx...)
		keep(ds...)
		Softmax(y, x, rows, c)
		keep(y...)
		ColSum(db, x, rows)
		keep(db...)
		keep(float32(SumAll(x)))
		return out
	}
	SetThreads(1)
	want := run()
	for _, n := range []int{2, 3, 5} {
		SetThreads(n)
		for i, v := range run() {
			if math.Float32bits(v) != math.Float32bits(want[i]) {
				t.Fatalf("%d threads: value %d is %v, with one thread %v", n, i, v, want[i])
			}
		}
	}
}
