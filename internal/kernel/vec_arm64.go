//go:build !noasm

package kernel

import "unsafe"

// vecTables holds the tables of the vector levels by name.
var vecTables = map[string]vecTable{"neon": neonVec}

var neonVec = vecTable{
	relu:       reluNEON,
	sigmoid:    sigmoidNEON,
	tanh:       tanhNEON,
	silu:       siluNEON,
	gelu:       geluNEON,
	geluTanh:   geluTanhNEON,
	hardSwish:  hardSwishNEON,
	mish:       mishNEON,
	exp:        expNEON,
	erf:        erfNEON,
	sqrt:       sqrtNEON,
	reciprocal: reciprocalNEON,

	reluGrad:      reluGradNEON,
	sigmoidGrad:   sigmoidGradNEON,
	tanhGrad:      tanhGradNEON,
	siluGrad:      siluGradNEON,
	geluGrad:      geluGradNEON,
	geluTanhGrad:  geluTanhGradNEON,
	hardSwishGrad: hardSwishGradNEON,
	mishGrad:      mishGradNEON,

	clip:            clipNEON,
	hardSigmoid:     hardSigmoidNEON,
	clipGrad:        clipGradNEON,
	hardSigmoidGrad: hardSigmoidGradNEON,
	elu:             eluNEON,
	leaky:           leakyNEON,
	leakyGrad:       leakyGradNEON,

	add:        addNEON,
	sub:        subNEON,
	mul:        mulNEON,
	div:        divNEON,
	max:        maxNEON,
	min:        minNEON,
	affine:     affineNEON,
	axpy:       axpyNEON,
	axpby:      axpbyNEON,
	mulAdd:     mulAddNEON,
	scaleShift: scaleShiftNEON,

	sum:         sumNEON,
	sumSq:       sumSqNEON,
	maxOf:       maxOfNEON,
	dot:         dotNEON,
	expSum:      expSumNEON,
	centered:    centeredNEON,
	softmaxGrad: softmaxGradNEON,
	normParam:   normParamNEON,

	colSum:     colSumNEON,
	colStats:   colStatsNEON,
	colGrad:    colGradNEON,
	colAffine2: colAffine2NEON,
	maxTaps:    maxTapsNEON,
	sumTaps:    sumTapsNEON,
	maxGrad:    maxGradNEON,

	normalize: func(y, x, s, t []float32, m, r float32) {
		switch {
		case len(s) == 0 && len(t) == 0:
			centreNEON(y, x, m, r)
		case len(t) == 0:
			centreScaleNEON(y, x, s, m, r)
		case len(s) == 0:
			centreNEON(y, x, m, r)
			addNEON(y, y, t)
		default:
			centreAffineNEON(y, x, s, t, m, r)
		}
	},
	normSums: func(dy, x, s []float32, m, r float32) (float32, float32) {
		if len(s) == 0 {
			return normSumsNEON(dy, x, m, r)
		}
		return normSumsScaledNEON(dy, x, s, m, r)
	},
	normGrad: func(dx, dy, x, s []float32, m, r, a, b float32) {
		if len(s) == 0 {
			normGradNEON(dx, dy, x, m, r, a, b)
		} else {
			normGradScaledNEON(dx, dy, x, s, m, r, a, b)
		}
	},
	colAffine: func(y, x, s, t, res []float32, relu bool) {
		if len(res) == 0 {
			colAffineNEON(y, x, s, t, clampLow(relu))
		} else {
			colAffineAddNEON(y, x, res, s, t, clampLow(relu))
		}
	},
	sgd: func(w, g, buf []float32, p *sgdParam) {
		if len(buf) == 0 {
			sgdPlainNEON(w, g, (*byte)(unsafe.Pointer(p)))
		} else {
			sgdMomentumNEON(w, g, buf, (*byte)(unsafe.Pointer(p)))
		}
	},
	adamw: func(w, g, m, v []float32, p *adamwParam) {
		adamwNEON(w, g, m, v, (*byte)(unsafe.Pointer(p)))
	},

	lstm: lstmNEON,
}
