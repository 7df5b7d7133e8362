package kernel

import (
	"fmt"
	"math"
	"testing"
)

func TestAttention(t *testing.T) {
	tests := []struct {
		b, h, kv, tq, tk, d, dv int
		causal                  bool
		past                    int
		mask, tokens            bool // tokens: [B,T,H,D] layout
	}{
		{1, 1, 1, 1, 1, 4, 4, false, 0, false, false},
		{2, 3, 3, 17, 17, 16, 16, false, 0, false, true},
		{1, 4, 2, 40, 40, 8, 8, true, 0, false, false},
		{2, 4, 1, 9, 30, 8, 12, true, 21, true, true},
		{1, 2, 2, 197, 197, 64, 64, false, 0, true, true},
		{1, 1, 1, 300, 600, 8, 8, true, 0, false, false},
		{1, 2, 2, 6, 4, 8, 8, true, -2, false, false}, // the first rows see nothing
		{1, 1, 1, 130, 1100, 16, 16, false, 0, true, false},
	}
	for _, tt := range tests {
		r := testRand(1)
		layout := func(heads, rows, d int) HeadLayout {
			if tt.tokens {
				return HeadLayout{rows * heads * d, d, heads * d}
			}
			return HeadLayout{heads * rows * d, rows * d, d}
		}
		a := Attention{Batch: tt.b, Heads: tt.h, KVHeads: tt.kv, Tq: tt.tq, Tk: tt.tk, D: tt.d, Dv: tt.dv,
			Scale: float32(1 / math.Sqrt(float64(tt.d))), Causal: tt.causal, Past: tt.past,
			Q: layout(tt.h, tt.tq, tt.d), K: layout(tt.kv, tt.tk, tt.d), V: layout(tt.kv, tt.tk, tt.dv), Y: layout(tt.h, tt.tq, tt.dv)}
		q, k := randSlice(r, tt.b*tt.h*tt.tq*tt.d, 2), randSlice(r, tt.b*tt.kv*tt.tk*tt.d, 2)
		v, dy := randSlice(r, tt.b*tt.kv*tt.tk*tt.dv, 1), randSlice(r, tt.b*tt.h*tt.tq*tt.dv, 1)
		if tt.mask {
			a.Mask = randSlice(r, tt.b*tt.tq*tt.tk, 1)
			a.Mask[0] = -inf32
			a.MaskBatch, a.MaskRow, a.MaskCol = tt.tq*tt.tk, tt.tk, 1
		}
		wy, wdq, wdk, wdv := make([]float64, len(dy)), make([]float64, len(q)), make([]float64, len(k)), make([]float64, len(v))
		for b := range tt.b {
			for h := range tt.h {
				g := h * tt.kv / tt.h
				for i := range tt.tq {
					qo, yo := b*a.Q.Batch+h*a.Q.Head+i*a.Q.Row, b*a.Y.Batch+h*a.Y.Head+i*a.Y.Row
					s := make([]float32, tt.tk)
					seen := false
					for j := range s {
						ko := b*a.K.Batch + g*a.K.Head + j*a.K.Row
						x := 0.0
						for e := range tt.d {
							x += float64(q[qo+e]) * float64(k[ko+e])
						}
						s[j] = float32(x * float64(a.Scale))
						if tt.mask {
							s[j] += a.Mask[b*a.MaskBatch+i*a.MaskRow+j]
						}
						if tt.causal && j > i+tt.past {
							s[j] = -inf32
						}
						seen = seen || s[j] != -inf32
					}
					if !seen {
						continue
					}
					p, _ := refSoftmax(s)
					dp := make([]float64, tt.tk)
					dot := 0.0
					for j := range p {
						vo := b*a.V.Batch + g*a.V.Head + j*a.V.Row
						for e := range tt.dv {
							wy[yo+e] += p[j] * float64(v[vo+e])
							dp[j] += float64(dy[yo+e]) * float64(v[vo+e])
							wdv[vo+e] += p[j] * float64(dy[yo+e])
						}
						dot += p[j] * dp[j]
					}
					for j := range p {
						ko := b*a.K.Batch + g*a.K.Head + j*a.K.Row
						ds := p[j] * (dp[j] - dot) * float64(a.Scale)
						for e := range tt.d {
							wdq[qo+e] += ds * float64(k[ko+e])
							wdk[ko+e] += ds * float64(q[qo+e])
						}
					}
				}
			}
		}
		what := fmt.Sprintf("%+v", tt)
		nan := func(n int) []float32 {
			s := make([]float32, n)
			for i := range s {
				s[i] = float32(math.NaN())
			}
			return s
		}
		y, lse := nan(len(dy)), nan(tt.b*tt.h*tt.tq)
		a.Forward(y, lse, q, k, v)
		close64(t, what+" y", y, wy, 1e-5)
		dq, dk, dv := nan(len(q)), nan(len(k)), nan(len(v))
		a.Backward(dq, dk, dv, dy, q, k, v, y, lse)
		close64(t, what+" dq", dq, wdq, 5e-5)
		close64(t, what+" dk", dk, wdk, 5e-5)
		close64(t, what+" dv", dv, wdv, 5e-5)
	}
}
