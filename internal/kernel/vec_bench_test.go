package kernel

import (
	"fmt"
	"testing"
)

// BenchmarkVec reports GB/s of memory read and written, in and out of cache.
func BenchmarkVec(b *testing.B) {
	for _, n := range []int{1 << 13, 1 << 24} {
		x, y, z, w := random(1, n), random(2, n), random(3, n), make([]float32, n)
		for i := range z {
			z[i] = abs32(z[i])
		}
		const c = 256
		s, u, v := random(4, c), random(5, c), random(6, c)
		rows := n / c
		inv := make([]float32, rows)
		adam := AdamW{LR: 1e-9, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1}
		sgd := SGD{LR: 1e-9, Momentum: 0.9, WeightDecay: 1e-4}
		for _, k := range []struct {
			name    string
			streams int
			f       func()
		}{
			{"Relu", 2, func() { Relu(y, x) }},
			{"ReluGrad", 3, func() { ReluGrad(w, y, x) }},
			{"Sigmoid", 2, func() { Sigmoid(w, x) }},
			{"Silu", 2, func() { Silu(w, x) }},
			{"SiluGrad", 3, func() { SiluGrad(w, y, x) }},
			{"Gelu", 2, func() { Gelu(w, x) }},
			{"GeluGrad", 3, func() { GeluGrad(w, y, x) }},
			{"Tanh", 2, func() { Tanh(w, x) }},
			{"Exp", 2, func() { Exp(w, x) }},
			{"Add", 3, func() { Add(w, y, x) }},
			{"Axpy", 3, func() { Axpy(w, x, 1e-9) }},
			{"Softmax", 2, func() { Softmax(w, x, rows, c) }},
			{"LayerNorm", 2, func() { LayerNorm(w, x, s, u, nil, inv, 1e-5, rows, c) }},
			{"LayerNormGrad", 3, func() { LayerNormGrad(w, u, v, y, x, s, inv, inv, rows, c) }},
			{"ScaleShift", 2, func() { ScaleShift(w, x, s, u, rows, nil, true) }},
			{"BatchNormTrain", 3, func() { BatchNormTrain(w, x, s, s, u, v, u, 1e-5, rows, nil, true) }},
			{"BatchNormGrad", 5, func() { BatchNormGrad(w, nil, u, v, y, nil, x, s, s, s, rows) }},
			{"ColSum", 1, func() { ColSum(v, x, rows) }},
			{"SGD", 5, func() { sgd.Step(w, x, y, false, nil) }},
			{"AdamW", 7, func() { adam.Step(w, x, y, z, 10, nil) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", k.name, n), func(b *testing.B) {
				eachThreads(b, func(b *testing.B) {
					b.SetBytes(int64(4 * n * k.streams))
					for b.Loop() {
						k.f()
					}
				})
			})
		}
	}
}

func BenchmarkPool(b *testing.B) {
	p := Pool2D{N: 16, H: 112, W: 112, C: 64, OutH: 56, OutW: 56, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1}
	x, y := random(1, p.N*p.H*p.W*p.C), make([]float32, p.N*p.OutH*p.OutW*p.C)
	dx := make([]float32, len(x))
	b.Run("max", func(b *testing.B) {
		b.SetBytes(int64(4 * (len(x) + len(y))))
		for b.Loop() {
			MaxPool(y, x, p)
		}
	})
	b.Run("max gradient", func(b *testing.B) {
		b.SetBytes(int64(4 * 2 * (len(x) + len(y))))
		for b.Loop() {
			MaxPoolGrad(dx, y, x, y, p)
		}
	})
	b.Run("global average", func(b *testing.B) {
		b.SetBytes(int64(4 * len(x)))
		for b.Loop() {
			GlobalAvgPool(y, x, p.N, p.H*p.W, p.C)
		}
	})
}

func BenchmarkAttention(b *testing.B) {
	for _, s := range [][5]int{{4, 12, 197, 64, 0}, {1, 12, 1024, 64, 1}, {8, 12, 128, 64, 0}} {
		n, h, t, d := s[0], s[1], s[2], s[3]
		lay := HeadLayout{t * h * d, d, h * d}
		a := Attention{Batch: n, Heads: h, KVHeads: h, Tq: t, Tk: t, D: d, Dv: d, Scale: 0.125, Causal: s[4] == 1, Q: lay, K: lay, V: lay, Y: lay}
		q, k, v, y := random(1, n*t*h*d), random(2, n*t*h*d), random(3, n*t*h*d), make([]float32, n*t*h*d)
		dq, dk, dv, lse := make([]float32, len(q)), make([]float32, len(q)), make([]float32, len(q)), make([]float32, n*h*t)
		flops := int64(4 * n * h * t * t * d)
		if a.Causal {
			flops /= 2
		}
		b.Run(fmt.Sprint(s, "/forward"), func(b *testing.B) {
			eachThreads(b, func(b *testing.B) { rate(b, flops, func() { a.Forward(y, lse, q, k, v) }) })
		})
		b.Run(fmt.Sprint(s, "/backward"), func(b *testing.B) {
			eachThreads(b, func(b *testing.B) {
				rate(b, flops*5/2, func() { a.Backward(dq, dk, dv, y, q, k, v, y, lse) })
			})
		})
	}
}
