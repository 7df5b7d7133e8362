//go:build !noasm

package kernel

import "unsafe"

// vecTables holds the tables of the vector levels by name.
var vecTables = map[string]vecTable{"avx2": avx2Vec, "avx512": avx512Vec}

var avx2Vec = vecTable{
	relu:       reluAVX2,
	sigmoid:    sigmoidAVX2,
	tanh:       tanhAVX2,
	silu:       siluAVX2,
	gelu:       geluAVX2,
	geluTanh:   geluTanhAVX2,
	hardSwish:  hardSwishAVX2,
	mish:       mishAVX2,
	exp:        expAVX2,
	erf:        erfAVX2,
	sqrt:       sqrtAVX2,
	reciprocal: reciprocalAVX2,

	reluGrad:      reluGradAVX2,
	sigmoidGrad:   sigmoidGradAVX2,
	tanhGrad:      tanhGradAVX2,
	siluGrad:      siluGradAVX2,
	geluGrad:      geluGradAVX2,
	geluTanhGrad:  geluTanhGradAVX2,
	hardSwishGrad: hardSwishGradAVX2,
	mishGrad:      mishGradAVX2,

	clip:            clipAVX2,
	hardSigmoid:     hardSigmoidAVX2,
	clipGrad:        clipGradAVX2,
	hardSigmoidGrad: hardSigmoidGradAVX2,
	elu:             eluAVX2,
	leaky:           leakyAVX2,
	leakyGrad:       leakyGradAVX2,

	add:        addAVX2,
	sub:        subAVX2,
	mul:        mulAVX2,
	div:        divAVX2,
	max:        maxAVX2,
	min:        minAVX2,
	affine:     affineAVX2,
	axpy:       axpyAVX2,
	axpby:      axpbyAVX2,
	mulAdd:     mulAddAVX2,
	scaleShift: scaleShiftAVX2,

	sum:         sumAVX2,
	sumSq:       sumSqAVX2,
	maxOf:       maxOfAVX2,
	dot:         dotAVX2,
	expSum:      expSumAVX2,
	centered:    centeredAVX2,
	softmaxGrad: softmaxGradAVX2,
	normParam:   normParamAVX2,

	colSum:     colSumAVX2,
	colStats:   colStatsAVX2,
	colGrad:    colGradAVX2,
	colAffine2: colAffine2AVX2,
	maxTaps:    maxTapsAVX2,
	sumTaps:    sumTapsAVX2,
	maxGrad:    maxGradAVX2,

	normalize: func(y, x, s, t []float32, m, r float32) {
		switch {
		case len(s) == 0 && len(t) == 0:
			centreAVX2(y, x, m, r)
		case len(t) == 0:
			centreScaleAVX2(y, x, s, m, r)
		case len(s) == 0:
			centreAVX2(y, x, m, r)
			addAVX2(y, y, t)
		default:
			centreAffineAVX2(y, x, s, t, m, r)
		}
	},
	normSums: func(dy, x, s []float32, m, r float32) (float32, float32) {
		if len(s) == 0 {
			return normSumsAVX2(dy, x, m, r)
		}
		return normSumsScaledAVX2(dy, x, s, m, r)
	},
	normGrad: func(dx, dy, x, s []float32, m, r, a, b float32) {
		if len(s) == 0 {
			normGradAVX2(dx, dy, x, m, r, a, b)
		} else {
			normGradScaledAVX2(dx, dy, x, s, m, r, a, b)
		}
	},
	colAffine: func(y, x, s, t, res []float32, relu bool) {
		if len(res) == 0 {
			colAffineAVX2(y, x, s, t, clampLow(relu))
		} else {
			colAffineAddAVX2(y, x, res, s, t, clampLow(relu))
		}
	},
	sgd: func(w, g, buf []float32, p *sgdParam) {
		if len(buf) == 0 {
			sgdPlainAVX2(w, g, (*byte)(unsafe.Pointer(p)))
		} else {
			sgdMomentumAVX2(w, g, buf, (*byte)(unsafe.Pointer(p)))
		}
	},
	adamw: func(w, g, m, v []float32, p *adamwParam) {
		adamwAVX2(w, g, m, v, (*byte)(unsafe.Pointer(p)))
	},

	lstm: lstmAVX2,
}

var avx512Vec = vecTable{
	relu:       reluAVX512,
	sigmoid:    sigmoidAVX512,
	tanh:       tanhAVX512,
	silu:       siluAVX512,
	gelu:       geluAVX512,
	geluTanh:   geluTanhAVX512,
	hardSwish:  hardSwishAVX512,
	mish:       mishAVX512,
	exp:        expAVX512,
	erf:        erfAVX512,
	sqrt:       sqrtAVX512,
	reciprocal: reciprocalAVX512,

	reluGrad:      reluGradAVX512,
	sigmoidGrad:   sigmoidGradAVX512,
	tanhGrad:      tanhGradAVX512,
	siluGrad:      siluGradAVX512,
	geluGrad:      geluGradAVX512,
	geluTanhGrad:  geluTanhGradAVX512,
	hardSwishGrad: hardSwishGradAVX512,
	mishGrad:      mishGradAVX512,

	clip:            clipAVX512,
	hardSigmoid:     hardSigmoidAVX512,
	clipGrad:        clipGradAVX512,
	hardSigmoidGrad: hardSigmoidGradAVX512,
	elu:             eluAVX512,
	leaky:           leakyAVX512,
	leakyGrad:       leakyGradAVX512,

	add:        addAVX512,
	sub:        subAVX512,
	mul:        mulAVX512,
	div:        divAVX512,
	max:        maxAVX512,
	min:        minAVX512,
	affine:     affineAVX512,
	axpy:       axpyAVX512,
	axpby:      axpbyAVX512,
	mulAdd:     mulAddAVX512,
	scaleShift: scaleShiftAVX512,

	sum:         sumAVX512,
	sumSq:       sumSqAVX512,
	maxOf:       maxOfAVX512,
	dot:         dotAVX512,
	expSum:      expSumAVX512,
	centered:    centeredAVX512,
	softmaxGrad: softmaxGradAVX512,
	normParam:   normParamAVX512,

	colSum:     colSumAVX512,
	colStats:   colStatsAVX512,
	colGrad:    colGradAVX512,
	colAffine2: colAffine2AVX512,
	maxTaps:    maxTapsAVX512,
	sumTaps:    sumTapsAVX512,
	maxGrad:    maxGradAVX512,

	normalize: func(y, x, s, t []float32, m, r float32) {
		switch {
		case len(s) == 0 && len(t) == 0:
			centreAVX512(y, x, m, r)
		case len(t) == 0:
			centreScaleAVX512(y, x, s, m, r)
		case len(s) == 0:
			centreAVX512(y, x, m, r)
			addAVX512(y, y, t)
		default:
			centreAffineAVX512(y, x, s, t, m, r)
		}
	},
	normSums: func(dy, x, s []float32, m, r float32) (float32, float32) {
		if len(s) == 0 {
			return normSumsAVX512(dy, x, m, r)
		}
		return normSumsScaledAVX512(dy, x, s, m, r)
	},
	normGrad: func(dx, dy, x, s []float32, m, r, a, b float32) {
		if len(s) == 0 {
			normGradAVX512(dx, dy, x, m, r, a, b)
		} else {
			normGradScaledAVX512(dx, dy, x, s, m, r, a, b)
		}
	},
	colAffine: func(y, x, s, t, res []float32, relu bool) {
		if len(res) == 0 {
			colAffineAVX512(y, x, s, t, clampLow(relu))
		} else {
			colAffineAddAVX512(y, x, res, s, t, clampLow(relu))
		}
	},
	sgd: func(w, g, buf []float32, p *sgdParam) {
		if len(buf) == 0 {
			sgdPlainAVX512(w, g, (*byte)(unsafe.Pointer(p)))
		} else {
			sgdMomentumAVX512(w, g, buf, (*byte)(unsafe.Pointer(p)))
		}
	},
	adamw: func(w, g, m, v []float32, p *adamwParam) {
		adamwAVX512(w, g, m, v, (*byte)(unsafe.Pointer(p)))
	},

	lstm: lstmAVX512,
}
