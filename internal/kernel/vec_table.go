package kernel

// vecTable holds the single-threaded inner loops that have vector forms. Every
// slice argument of one call has the same length unless its comment says more.
type vecTable struct {
	relu, sigmoid, tanh, silu, gelu, geluTanh, hardSwish, mish, exp, erf, sqrt, reciprocal func(y, x []float32)

	reluGrad, sigmoidGrad, tanhGrad, siluGrad, geluGrad, geluTanhGrad, hardSwishGrad, mishGrad func(dx, dy, v []float32)

	clip, hardSigmoid         func(y, x []float32, a, b float32)
	clipGrad, hardSigmoidGrad func(dx, dy, v []float32, a, b float32)
	// elu is y = x where x > 0, else a*(exp(b*x)-1).
	elu       func(y, x []float32, a, b float32)
	leaky     func(y, x []float32, a float32)
	leakyGrad func(dx, dy, x []float32, a float32)

	add, sub, mul, div, max, min func(y, a, b []float32)

	// affine is y = a*x + b, axpy is y += a*x, axpby is y = a*x + b*y.
	affine func(y, x []float32, a, b float32)
	axpy   func(y, x []float32, a float32)
	axpby  func(y, x []float32, a, b float32)
	// mulAdd is y += a*b.
	mulAdd func(y, a, b []float32)
	// scaleShift is y = x*s + t.
	scaleShift func(y, x, s, t []float32)

	sum, sumSq, maxOf func(x []float32) float32
	dot               func(a, b []float32) float32
	// expSum is y = exp(a*x-m) and returns the sum of y.
	expSum func(y, x []float32, a, m float32) float32
	// centered returns the sum of (x-m)**2.
	centered func(x []float32, m float32) float32

	// softmaxGrad is dx = (dy-d)*y.
	softmaxGrad func(dx, dy, y []float32, d float32)
	// normalize is y = (x-m)*r*s + t; s or t may be empty for 1 or 0.
	normalize func(y, x, s, t []float32, m, r float32)
	// normSums returns the sums of g and g*(x-m)*r with g = dy*s.
	normSums func(dy, x, s []float32, m, r float32) (a, b float32)
	// normGrad is dx = r*(dy*s - a - (x-m)*r*b).
	normGrad func(dx, dy, x, s []float32, m, r, a, b float32)
	// normParam is ds += dy*(x-m)*r, dt += dy.
	normParam func(ds, dt, dy, x []float32, m, r float32)

	// The column kernels work on a block of rows of width len(s).
	// colSum is s += the sum of the rows.
	colSum func(s, x []float32)
	// colStats is s += sum(x-m), q += sum((x-m)**2) for each column.
	colStats func(s, q, x, m []float32)
	// colGrad is s += sum(g), q += sum(g*(x-m)) for each column.
	colGrad func(s, q, g, x, m []float32)
	// colAffine is y = x*s + t for each row, then + res if it is not empty, then
	// max(., 0) if relu.
	colAffine func(y, x, s, t, res []float32, relu bool)
	// colAffine2 is y = a*g + b*x + c for each row.
	colAffine2 func(y, g, x, a, b, c []float32)
	// maxTaps is y[j] = the maximum over i of x[at[i]+j], sumTaps the sum; at is
	// not empty.
	maxTaps, sumTaps func(y, x []float32, at []int)
	// maxGrad is dx += g, g = 0 where x equals y.
	maxGrad func(dx, g, x, y []float32)

	sgd   func(w, g, buf []float32, p *sgdParam)
	adamw func(w, g, m, v []float32, p *adamwParam)

	// lstm is i, o, f = sigmoid(i, o, f), g = tanh(g), c = f*c + i*g, h = o*tanh(c).
	lstm func(i, o, f, g, c, h []float32)
}

// vec is the table in use.
var vec = genericVec

func init() {
	if t, ok := vecTables[cpu.name]; ok {
		vec = t
	}
}

var genericVec = vecTable{
	relu: reluGo, sigmoid: each(sigmoid32), tanh: each(tanh32), silu: each(silu32),
	gelu: each(gelu32), geluTanh: each(geluTanh32), hardSwish: each(hardSwish32),
	exp: each(exp32), erf: each(erf32), sqrt: each(sqrt32), mish: each(mish32),
	reciprocal: each(func(x float32) float32 { return 1 / x }),

	reluGrad:      reluGradGo,
	sigmoidGrad:   eachGrad(func(y float32) float32 { return y * (1 - y) }),
	tanhGrad:      eachGrad(func(y float32) float32 { return 1 - y*y }),
	siluGrad:      eachGrad(siluGrad32),
	geluGrad:      eachGrad(geluGrad32),
	geluTanhGrad:  eachGrad(geluTanhGrad32),
	hardSwishGrad: eachGrad(hardSwishGrad32),
	mishGrad:      eachGrad(mishGrad32),

	clip: clipGo, clipGrad: clipGradGo, hardSigmoid: hardSigmoidGo, hardSigmoidGrad: hardSigmoidGradGo,
	elu: eluGo, leaky: leakyGo, leakyGrad: leakyGradGo,

	add: addGo, sub: subGo, mul: mulGo, div: divGo, max: maxGo, min: minGo,
	affine: affineGo, axpy: axpyGo, axpby: axpbyGo, mulAdd: mulAddGo, scaleShift: scaleShiftGo,

	sum: sumGo, sumSq: sumSqGo, maxOf: maxOfGo, dot: dotGo, expSum: expSumGo, centered: centeredGo,

	softmaxGrad: softmaxGradGo, normalize: normalizeGo, normSums: normSumsGo,
	normGrad: normGradGo, normParam: normParamGo,

	colSum: colSumGo, colStats: colStatsGo, colGrad: colGradGo,
	colAffine: colAffineGo, colAffine2: colAffine2Go,

	maxTaps: maxTapsGo, sumTaps: sumTapsGo, maxGrad: maxGradGo,

	sgd: sgdGo, adamw: adamwGo,

	lstm: lstmGo,
}

// clampLow is the lower bound of a result that may end with a relu.
func clampLow(relu bool) float32 {
	if relu {
		return 0
	}
	return -inf32
}
