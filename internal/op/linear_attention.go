package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func init() {
	ir.RegisterForms(
		ir.Form{Op: "CausalConvWithState", Since: 27, Lower: lowerCausalConv},
		ir.Form{Op: "LinearAttention", Since: 27, Lower: lowerLinearAttention},
		ir.Form{Domain: "ai.onnx.preview", Op: "FlexAttention", Since: 1, Lower: lowerFlexAttention},
	)
}

// lowerCausalConv is a depthwise convolution over time that sees the past only: the last K-1 steps
// of the padded input are handed on as state.
func lowerCausalConv(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 4); err != nil {
		return nil, err
	}
	x, w, past := n.In(0), n.In(1), n.In(3)
	xs, ws := x.Type.Shape, w.Type.Shape
	if len(xs) != 3 || len(ws) != 3 || ws[0] != xs[1] || ws[1] != 1 {
		return nil, errorf("weights %v do not fit %v", ws, xs)
	}
	if past == nil {
		past = zeros(b, ir.Type{DType: x.Type.DType, Shape: tensor.Shape{xs[0], xs[1], ws[2] - 1}})
	}
	padded := b.Op("Concat", ir.Attrs{"axis": 2}, past, x)
	conv := &ir.Node{Name: n.Name, Attrs: ir.Attrs{"group": xs[1], "kernel_shape": []int{ws[2]}}}
	y := lowered(b, conv, "Conv", padded, w, n.In(2))
	switch act := n.Attrs.Str("activation", "none"); act {
	case "none", "":
	case "silu", "swish":
		y = b.Op("Mul", nil, y, b.Op("Sigmoid", nil, y))
	default:
		return nil, errorf("activation %q is unknown", act)
	}
	if b.Err() != nil {
		return nil, b.Err()
	}
	return []*ir.Value{y, slice(b, padded, 2, xs[2], xs[2]+ws[2]-1)}, b.Err()
}

// lowerLinearAttention runs a recurrence over a state S [B,H,dk,dv] for each head: S decays by
// exp(decay), is written k v^T, or beta k (v - S^T k)^T by the delta rules, and is read by scale *
// q S.
func lowerLinearAttention(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 3, 6); err != nil {
		return nil, err
	}
	q, k, v := n.In(0), n.In(1), n.In(2)
	hq, hkv := n.Attrs.Int("q_num_heads", 0), n.Attrs.Int("kv_num_heads", 0)
	qs := q.Type.Shape
	if len(qs) != 3 || len(k.Type.Shape) != 3 || len(v.Type.Shape) != 3 || hq < 1 || hkv < 1 || hq%hkv != 0 || qs[2]%hq != 0 ||
		k.Type.Shape[2] != qs[2]/hq*hkv || v.Type.Shape[2]%hkv != 0 {
		return nil, errorf("query %v, key %v and value %v do not fit %d and %d heads", qs, k.Type.Shape, v.Type.Shape, hq, hkv)
	}
	batch, steps, dk, dv := qs[0], qs[1], qs[2]/hq, v.Type.Shape[2]/hkv
	rule := n.Attrs.Str("update_rule", "gated_delta")
	gated, delta := rule == "gated" || rule == "gated_delta", rule == "delta" || rule == "gated_delta"
	if !gated && !delta && rule != "linear" {
		return nil, errorf("update rule %q is unknown", rule)
	}
	if gated && n.In(4) == nil || delta && n.In(5) == nil {
		return nil, errorf("rule %s lacks its decay or beta", rule)
	}
	dt := q.Type.DType
	work := dt
	if dt != tensor.Float64 {
		work = tensor.Float32
	}
	scale := float64(n.Attrs.Float("scale", 0))
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(dk))
	}
	// step takes time t of x [B,T,heads*width] as [B,heads,rows,cols].
	step := func(x *ir.Value, t, heads, rows, cols int) *ir.Value {
		return reshape(b, cast(b, slice(b, x, 1, t, t+1), work), tensor.Shape{batch, heads, rows, cols})
	}
	state := cast(b, n.In(3), work)
	if state == nil {
		state = zeros(b, ir.Type{DType: work, Shape: tensor.Shape{batch, hkv, dk, dv}})
	}
	var ys []*ir.Value
	for t := range steps {
		if gated {
			d := n.In(4)
			rows := dk
			if d.Type.Shape[2] == hkv {
				rows = 1
			}
			state = b.Op("Mul", nil, state, b.Op("Exp", nil, step(d, t, hkv, rows, 1)))
		}
		write := step(v, t, hkv, 1, dv)
		if delta {
			read := b.Op("MatMul", nil, step(k, t, hkv, 1, dk), state)
			beta := n.In(5)
			write = b.Op("Mul", nil, b.Op("Sub", nil, write, read), step(beta, t, beta.Type.Shape[2], 1, 1))
		}
		state = b.Op("Add", nil, state, b.Op("MatMul", nil, step(k, t, hkv, dk, 1), write))
		// Query heads of one group read the same state.
		y := b.Op("MatMul", nil, step(q, t, hkv, hq/hkv, dk), state)
		ys = append(ys, reshape(b, y, tensor.Shape{batch, 1, hq * dv}))
		if b.Err() != nil {
			return nil, b.Err()
		}
	}
	y := b.Op("Mul", nil, b.Op("Concat", ir.Attrs{"axis": 1}, ys...), scalar(b, work, scale))
	return []*ir.Value{cast(b, y, dt), cast(b, state, dt)}, b.Err()
}

// lowerFlexAttention is attention whose scores and probabilities pass through graphs of the model's
// own.
func lowerFlexAttention(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 3, 3); err != nil {
		return nil, err
	}
	q, k, v := n.In(0), n.In(1), n.In(2)
	qs, ks, vs := q.Type.Shape, k.Type.Shape, v.Type.Shape
	if len(qs) != 4 || len(ks) != 4 || len(vs) != 4 || ks[1] < 1 || qs[1]%ks[1] != 0 || vs[1] != ks[1] {
		return nil, errorf("query %v, key %v and value %v do not fit", qs, ks, vs)
	}
	// Heads that share keys are one axis of their own.
	group := qs[1] / ks[1]
	heads := func(x *ir.Value, g int) *ir.Value {
		s := x.Type.Shape
		return reshape(b, x, tensor.Shape{s[0], ks[1], g, s[2], s[3]})
	}
	scale := float64(n.Attrs.Float("scale", float32(1/math.Sqrt(float64(qs[3])))))
	dt := q.Type.DType
	score := b.Op("MatMul", ir.Attrs{"transB": 1}, heads(q, group), heads(k, 1))
	score = b.Op("Mul", nil, score, scalar(b, dt, scale))
	work := dt
	if dt != tensor.Float64 {
		work = tensor.Float32
	}
	score = reshape(b, cast(b, score, work), tensor.Shape{qs[0], qs[1], qs[2], ks[2]})
	through := func(name string, x *ir.Value) (*ir.Value, error) {
		if !n.Attrs.Has(name) || b.Err() != nil {
			return x, b.Err()
		}
		g, err := body(n, name)
		if err != nil {
			return nil, err
		}
		out, err := b.Inline(g, []*ir.Value{x})
		if err != nil {
			return nil, err
		}
		return out[0], nil
	}
	score, err := through("score_mod", score)
	if err != nil {
		return nil, err
	}
	prob, err := through("prob_mod", b.Op("Softmax", ir.Attrs{"axis": -1}, score))
	if err != nil {
		return nil, err
	}
	p := reshape(b, cast(b, prob, dt), tensor.Shape{qs[0], ks[1], group, qs[2], ks[2]})
	y := b.Op("MatMul", nil, p, heads(v, 1))
	return b.Ops("Reshape", ir.Attrs{"shape": []int{qs[0], qs[1], qs[2], vs[3]}}, y), b.Err()
}
