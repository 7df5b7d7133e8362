package op

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Attention(q, k, v, mask) is scaled dot-product attention, softmax(scale*q*kᵀ + mask)*v for each
// example and head, and gives y and the logarithm of each row's sum of exponentials [B,H,Tq]. q, k
// and v have shapes [B,H,T,D], or [B,T,H*D] with attributes q_num_heads and kv_num_heads; y has the
// form of q and the head width of v. Fewer heads of k and v serve groups of query heads. mask,
// optional, is added and broadcasts to [B,H,Tq,Tk]. Attribute scale defaults to 1/sqrt(D); with
// is_causal query i sees keys up to i+past. A row that sees nothing is 0.
//
// Without a gradient, q, k and v may be parts of any tensors, and y may have any shape: attribute
// extent holds the sizes B, H, heads of k and v, Tq, Tk, D and the width of v; q_at, k_at, v_at and
// y_at each hold the first element and the steps from example to example, head to head and position
// to position; shape is that of y.
//
// AttentionGrad(q, k, v, mask, y, lse, dy) gives dq, dk and dv.
func init() {
	register(ir.Def{
		Name:   "Attention",
		Traits: ir.Traits{Attention: true},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			a, err := attentionOf(n, 4)
			if err != nil {
				return nil, err
			}
			dt := n.In(0).Type.DType
			return []ir.Type{{DType: dt, Shape: a.yShape}, {DType: dt, Shape: tensor.Shape{a.Batch, a.Heads, a.Tq}}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			if n.Attrs.Has("extent") {
				b.Fail(n.Errorf("attention in parts of tensors has no gradient"))
				return nil
			}
			if dy[1] != nil || len(need) > 3 && need[3] {
				b.Fail(n.Errorf("the mask and the sums of exponentials have no gradient"))
				return nil
			}
			dx := b.Ops("AttentionGrad", n.Attrs, n.In(0), n.In(1), n.In(2), n.In(3), n.Outputs[0], n.Outputs[1], dy[0])
			return append(wanted(dx, need), nil)[:len(n.Inputs)]
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			a, err := attentionOf(n, 4)
			if err != nil {
				return ir.Bound{}, err
			}
			run, err := forFloat(n.In(0).Type.DType, a.ifPositive(func(in, out []*tensor.Tensor, _ []byte) error {
				k := a.Attention
				k.Mask = f32(at(in, 3))
				k.Forward(out[0].F32(), f32(out[1]), in[0].F32()[a.first[0]:], in[1].F32()[a.first[1]:], in[2].F32()[a.first[2]:])
				return nil
			}), slow64(func(in, out [][]float64) {
				a.forward64(in[0][a.first[0]:], in[1][a.first[1]:], in[2][a.first[2]:], fourth(in), out[0], out[1])
			}))
			return ir.Bound{Run: run}, err
		},
		Cost: attentionCost(1),
		Cases: func() []ir.Case {
			return eachCase(attentionCases(), func(c *ir.Case) {
				c.Flow, c.NoGrad = []int{0}, []int{3}
			})
		},
	})
	register(ir.Def{
		Name: "AttentionGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			a, err := attentionOf(n, 7)
			if err != nil {
				return nil, err
			}
			for i, s := range []tensor.Shape{4: a.yShape, 5: {a.Batch, a.Heads, a.Tq}, 6: a.yShape} {
				if s != nil && (n.In(i) == nil || !n.In(i).Type.Shape.Equal(s)) {
					return nil, errorf("input %d has not shape %v", i, s)
				}
			}
			return []ir.Type{n.In(0).Type, n.In(1).Type, n.In(2).Type}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			a, err := attentionOf(n, 7)
			if err != nil {
				return ir.Bound{}, err
			}
			run, err := forFloat(n.In(0).Type.DType, a.ifPositive(func(in, out []*tensor.Tensor, _ []byte) error {
				k := a.Attention
				k.Mask = f32(in[3])
				var d [3][]float32
				for i := range d {
					d[i] = orNew(f32(out[i]), in[i].Len())
				}
				k.Backward(d[0], d[1], d[2], in[6].F32(), in[0].F32(), in[1].F32(), in[2].F32(), in[4].F32(), in[5].F32())
				return nil
			}), slow64(func(in, out [][]float64) {
				for i := range out {
					if out[i] == nil {
						out[i] = make([]float64, len(in[i]))
					}
				}
				a.backward64(in, out)
			}))
			return ir.Bound{Run: run}, err
		},
		Cost: attentionCost(3),
		Cases: func() []ir.Case {
			return eachCase(attentionCases(), func(c *ir.Case) {
				q, v := c.Inputs[0].Shape, c.Inputs[2].Shape
				y := q.Clone()
				heads := c.Attrs.Int("q_num_heads", 0)
				lse := tensor.Shape{q[0], heads, q[1]}
				if heads == 0 {
					y[3] = v[3]
					lse = q[:3].Clone()
				} else {
					y[2] = v[2] / c.Attrs.Int("kv_num_heads", heads) * heads
				}
				for len(c.Inputs) < 4 {
					c.Inputs = append(c.Inputs, nil)
				}
				c.Inputs = append(c.Inputs, random(y...), random(lse...), random(y...))
			})
		},
	})
}

// attention is the geometry of an attention node; the kernel's Mask is still to be set.
type attention struct {
	kernel.Attention
	yShape tensor.Shape
	first  [3]int // elements of q, k and v
}

func fourth(in [][]float64) []float64 {
	if len(in) > 3 {
		return in[3]
	}
	return nil
}

func attentionOf(n *ir.Node, k int) (a attention, err error) {
	if err = inputs(n, 3, k); err != nil {
		return a, err
	}
	if err = floats(n, 0, 1, 2, 3, 4, 5, 6); err != nil {
		return a, err
	}
	if n.Attrs.Has("extent") {
		if err = a.placed(n); err != nil {
			return a, err
		}
		return a, a.finish(n)
	}
	q, key, v := n.In(0).Type.Shape, n.In(1).Type.Shape, n.In(2).Type.Shape
	if len(q) != len(key) || len(q) != len(v) || len(q) != 3 && len(q) != 4 {
		return a, errorf("q %v, k %v and v %v are neither [B,H,T,D] nor [B,T,H*D]", q, key, v)
	}
	heads := n.Attrs.Int("q_num_heads", 0)
	kvHeads := n.Attrs.Int("kv_num_heads", heads)
	// split gives batch, heads, positions, width and steps of one tensor.
	split := func(s tensor.Shape, heads int) (b, h, t, d int, l kernel.HeadLayout, err error) {
		if len(s) == 4 {
			return s[0], s[1], s[2], s[3], kernel.HeadLayout{Batch: s[1] * s[2] * s[3], Head: s[2] * s[3], Row: s[3]}, nil
		}
		if heads < 1 || s[2]%heads != 0 {
			return 0, 0, 0, 0, l, errorf("%d heads do not divide %v", heads, s)
		}
		return s[0], heads, s[1], s[2] / heads, kernel.HeadLayout{Batch: s[1] * s[2], Head: s[2] / heads, Row: s[2]}, nil
	}
	var bk, bv, hv, tv, dk int
	if a.Batch, a.Heads, a.Tq, a.D, a.Q, err = split(q, heads); err != nil {
		return a, err
	}
	if bk, a.KVHeads, a.Tk, dk, a.K, err = split(key, kvHeads); err != nil {
		return a, err
	}
	if bv, hv, tv, a.Dv, a.V, err = split(v, kvHeads); err != nil {
		return a, err
	}
	if bk != a.Batch || bv != a.Batch || hv != a.KVHeads || tv != a.Tk || dk != a.D || a.KVHeads < 1 || a.Heads%a.KVHeads != 0 {
		return a, errorf("q %v, k %v and v %v do not fit", q, key, v)
	}
	a.yShape = q.Clone()
	if len(q) == 4 {
		a.yShape[3] = a.Dv
	} else {
		a.yShape[2] = a.Heads * a.Dv
	}
	_, _, _, _, a.Y, _ = split(a.yShape, a.Heads)
	return a, a.finish(n)
}

// placed reads the geometry from the attributes extent, shape and those of places.
func (a *attention) placed(n *ir.Node) error {
	sizes := n.Attrs.Ints("extent")
	if len(sizes) != 7 || slices.ContainsFunc(sizes, func(s int) bool { return s < 1 }) || sizes[1]%sizes[2] != 0 {
		return errorf("extent %v is not B, H, heads of k and v, Tq, Tk, D and the width of v", sizes)
	}
	a.Batch, a.Heads, a.KVHeads, a.Tq, a.Tk, a.D, a.Dv = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]
	a.yShape = n.Attrs.Ints("shape")
	for i, p := range []struct {
		name               string
		layout             *kernel.HeadLayout
		heads, rows, width int
	}{
		{"q_at", &a.Q, a.Heads, a.Tq, a.D},
		{"k_at", &a.K, a.KVHeads, a.Tk, a.D},
		{"v_at", &a.V, a.KVHeads, a.Tk, a.Dv},
		{"y_at", &a.Y, a.Heads, a.Tq, a.Dv},
	} {
		at, have := n.Attrs.Ints(p.name), a.yShape.Len()
		if i < 3 {
			have = n.In(i).Type.Shape.Len()
		}
		if len(at) != 4 || slices.Min(at) < 0 || i == 3 && at[0] != 0 ||
			at[0]+(a.Batch-1)*at[1]+(p.heads-1)*at[2]+(p.rows-1)*at[3]+p.width > have {
			return errorf("%s %v of extent %v is not in its tensor of %d elements", p.name, at, sizes, have)
		}
		*p.layout = kernel.HeadLayout{Batch: at[1], Head: at[2], Row: at[3]}
		if i < 3 {
			a.first[i] = at[0]
		}
	}
	return nil
}

// finish reads what does not depend on where the heads are.
func (a *attention) finish(n *ir.Node) error {
	a.Scale = n.Attrs.Float("scale", float32(1/math.Sqrt(float64(a.D))))
	a.Causal, a.Past = n.Attrs.Bool("is_causal"), n.Attrs.Int("past", 0)
	if m := n.In(3); m != nil {
		full := tensor.Shape{a.Batch, a.Heads, a.Tq, a.Tk}
		s := m.Type.Shape
		if got, err := broadcastShape(full, s); err != nil || !got.Equal(full) {
			return errorf("mask %v does not broadcast to %v", s, full)
		}
		st := s.Strides()
		for i, step := range []*int{&a.MaskBatch, &a.MaskHead, &a.MaskRow, &a.MaskCol} {
			if j := i - (4 - len(s)); j >= 0 && s[j] != 1 {
				*step = st[j]
			}
		}
	}
	return nil
}

// ifPositive keeps the kernel for the scales that it takes.
func (a attention) ifPositive(run runFunc) runFunc {
	if a.Scale > 0 && a.Tk > 0 {
		return run
	}
	return nil
}

func attentionCost(products int64) func(n *ir.Node) ir.Cost {
	return func(n *ir.Node) ir.Cost {
		a, _ := attentionOf(n, 7)
		flops := 2 * int64(a.Batch*a.Heads) * int64(a.Tq) * int64(a.Tk) * int64(a.D+a.Dv)
		return ir.Cost{FLOPs: products * flops, Bytes: bytesMoved(n)}
	}
}

// logits64 writes the masked, scaled products of one query with all keys.
func (a attention) logits64(s, q, k, mask []float64, b, h, i int) {
	g := h * a.KVHeads / a.Heads
	for j := range s {
		var dot float64
		for d := range a.D {
			dot += q[b*a.Q.Batch+h*a.Q.Head+i*a.Q.Row+d] * k[b*a.K.Batch+g*a.K.Head+j*a.K.Row+d]
		}
		s[j] = dot * float64(a.Scale)
		if mask != nil {
			s[j] += mask[b*a.MaskBatch+h*a.MaskHead+i*a.MaskRow+j*a.MaskCol]
		}
		if a.Causal && j > i+a.Past {
			s[j] = math.Inf(-1)
		}
	}
}

// rows calls f for each example, head and query.
func (a attention) rows(f func(b, h, i int)) {
	for b := range a.Batch {
		for h := range a.Heads {
			for i := range a.Tq {
				f(b, h, i)
			}
		}
	}
}

func (a attention) forward64(q, k, v, mask, y, lse []float64) {
	s := make([]float64, a.Tk)
	a.rows(func(b, h, i int) {
		a.logits64(s, q, k, mask, b, h, i)
		l := logSumExp64(s)
		put(lse, (b*a.Heads+h)*a.Tq+i, l)
		row := y[b*a.Y.Batch+h*a.Y.Head+i*a.Y.Row:][:a.Dv]
		clear(row)
		if math.IsInf(l, -1) {
			return
		}
		for j, x := range s {
			p := math.Exp(x - l)
			at := b*a.V.Batch + h*a.KVHeads/a.Heads*a.V.Head + j*a.V.Row
			for d := range row {
				row[d] += p * v[at+d]
			}
		}
	})
}

func (a attention) backward64(in, out [][]float64) {
	q, k, v, mask, y, lse, dy := in[0], in[1], in[2], in[3], in[4], in[5], in[6]
	for _, o := range out {
		clear(o)
	}
	s := make([]float64, a.Tk)
	a.rows(func(b, h, i int) {
		l := lse[(b*a.Heads+h)*a.Tq+i]
		if math.IsInf(l, -1) {
			return
		}
		a.logits64(s, q, k, mask, b, h, i)
		g := h * a.KVHeads / a.Heads
		yi := b*a.Y.Batch + h*a.Y.Head + i*a.Y.Row
		qi := b*a.Q.Batch + h*a.Q.Head + i*a.Q.Row
		var delta float64
		for d := range a.Dv {
			delta += dy[yi+d] * y[yi+d]
		}
		for j, x := range s {
			p := math.Exp(x - l)
			ki, vi := b*a.K.Batch+g*a.K.Head+j*a.K.Row, b*a.V.Batch+g*a.V.Head+j*a.V.Row
			var dp float64
			for d := range a.Dv {
				out[2][vi+d] += p * dy[yi+d]
				dp += dy[yi+d] * v[vi+d]
			}
			ds := p * (dp - delta) * float64(a.Scale)
			for d := range a.D {
				out[0][qi+d] += ds * k[ki+d]
				out[1][ki+d] += ds * q[qi+d]
			}
		}
	})
}

func attentionCases() []ir.Case {
	inf := float32(math.Inf(-1))
	return []ir.Case{
		{Name: "heads", Inputs: []*tensor.Tensor{random(2, 3, 4, 5), random(2, 3, 6, 5), random(2, 3, 6, 2)}},
		{Name: "packed", Attrs: ir.Attrs{"q_num_heads": 2}, Inputs: []*tensor.Tensor{random(2, 4, 6), random(2, 5, 6), random(2, 5, 4)}},
		{Name: "groups", Attrs: ir.Attrs{"q_num_heads": 4, "kv_num_heads": 2, "scale": float32(0.7)}, Inputs: []*tensor.Tensor{random(1, 3, 8), random(1, 5, 4), random(1, 5, 6)}},
		{Name: "causal", Attrs: ir.Attrs{"is_causal": 1}, Inputs: []*tensor.Tensor{random(1, 2, 4, 3), random(1, 2, 4, 3), random(1, 2, 4, 3)}},
		{Name: "causal past", Attrs: ir.Attrs{"is_causal": 1, "past": 2}, Inputs: []*tensor.Tensor{random(1, 2, 3, 3), random(1, 2, 5, 3), random(1, 2, 5, 3)}},
		{Name: "mask", Inputs: []*tensor.Tensor{random(2, 2, 3, 4), random(2, 2, 5, 4), random(2, 2, 5, 4), random(2, 1, 3, 5)}},
		{Name: "row mask", Inputs: []*tensor.Tensor{random(2, 2, 3, 4), random(2, 2, 3, 4), random(2, 2, 3, 4),
			tensor.Of([]float32{0, inf, 0, 0, 0, inf}, 2, 1, 1, 3)}},
		{Name: "negative scale", Attrs: ir.Attrs{"scale": float32(-0.5)}, Inputs: []*tensor.Tensor{random(1, 2, 3, 4), random(1, 2, 3, 4), random(1, 2, 3, 4)}},
	}
}
