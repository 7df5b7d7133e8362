package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Forms of attention: ONNX's own and the contributed ones of ONNX Runtime.
func init() {
	ir.RegisterForms(
		ir.Form{Op: "Attention", Since: 23, Lower: lowerAttention, Traits: &ir.Traits{Attention: true}},
		ir.Form{Domain: "com.microsoft", Op: "Attention", Since: 1, Lower: lowerPackedAttention,
			Traits: &ir.Traits{Attention: true, Inputs: []ir.Use{ir.UseData, ir.UseWeight, ir.UseBias}}},
		ir.Form{Domain: "com.microsoft", Op: "MultiHeadAttention", Since: 1, Lower: lowerMultiHeadAttention,
			Traits: &ir.Traits{Attention: true, Inputs: []ir.Use{ir.UseData, ir.UseData, ir.UseData, ir.UseBias}}},
	)
}

// reshapeTo is reshape with the sizes one by one.
func reshapeTo(b *ir.Builder, v *ir.Value, shape ...int) *ir.Value { return reshape(b, v, shape) }

// splitHeads turns [B,T,H*D] into [B,H,T,D].
func splitHeads(b *ir.Builder, v *ir.Value, heads int) *ir.Value {
	s := v.Type.Shape
	if len(s) != 3 {
		return v
	}
	if heads < 1 || s[2]%heads != 0 {
		b.Fail(errorf("%d heads do not divide %v", heads, s))
		return nil
	}
	return transpose(b, reshapeTo(b, v, s[0], s[1], heads, s[2]/heads), 0, 2, 1, 3)
}

// whereTrue is an additive mask: 0 where keep is true, low elsewhere.
func whereTrue(b *ir.Builder, keep *ir.Value, dt tensor.DType, low float64) *ir.Value {
	return b.Op("Where", nil, keep, scalar(b, dt, 0), scalar(b, dt, low))
}

// add2 adds two optional values.
func add2(b *ir.Builder, x, y *ir.Value) *ir.Value {
	switch {
	case x == nil:
		return y
	case y == nil:
		return x
	}
	return b.Op("Add", nil, x, y)
}

// counting makes the constant int64 vector 0 to n-1 of a given shape.
func counting(b *ir.Builder, n int, shape ...int) *ir.Value {
	d := make([]int64, n)
	for i := range d {
		d[i] = int64(i)
	}
	return b.Const(tensor.Of(d, shape...))
}

// lowerAttention covers ONNX Attention. Without softcap and without the output of the products it
// is one Attention; otherwise the products are made visible.
func lowerAttention(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 3, 7); err != nil {
		return nil, err
	}
	q, k, v, mask, pastK, pastV, lengths := n.In(0), n.In(1), n.In(2), n.In(3), n.In(4), n.In(5), n.In(6)
	dt := q.Type.DType
	heads, kvHeads := n.Attrs.Int("q_num_heads", 0), n.Attrs.Int("kv_num_heads", 0)
	packed := len(q.Type.Shape) == 3
	wantedOut := func(i int) bool { return len(n.Outputs) > i && n.Outputs[i] != nil }
	softcap := n.Attrs.Float("softcap", 0)
	visible := softcap != 0 || wantedOut(3)

	past := 0
	var present [2]*ir.Value
	if pastK != nil || wantedOut(1) || visible {
		q, k, v = splitHeads(b, q, heads), splitHeads(b, k, kvHeads), splitHeads(b, v, kvHeads)
		if pastK != nil && pastV != nil {
			past = pastK.Type.Shape[2]
			k = b.Op("Concat", ir.Attrs{"axis": 2}, pastK, k)
			v = b.Op("Concat", ir.Attrs{"axis": 2}, pastV, v)
		}
		present = [2]*ir.Value{k, v}
	}
	if b.Err() != nil {
		return nil, b.Err()
	}
	rows, keys := len(q.Type.Shape)-2, len(k.Type.Shape)-2
	if len(q.Type.Shape) == 3 {
		rows, keys = 1, 1
	}
	tq, tk := q.Type.Shape[rows], k.Type.Shape[keys]

	if mask != nil && mask.Type.DType == tensor.Bool {
		mask = whereTrue(b, mask, dt, math.Inf(-1))
	}
	if mask != nil {
		if s := mask.Type.Shape; len(s) > 0 && s[len(s)-1] < tk && s[len(s)-1] > 1 { // the rest is not looked at
			rest := s.Clone()
			rest[len(s)-1] = tk - s[len(s)-1]
			low := tensor.New(dt, rest...)
			x := make([]float64, low.Len())
			for i := range x {
				x[i] = math.Inf(-1)
			}
			fromFloat64(low, x)
			mask = b.Op("Concat", ir.Attrs{"axis": len(s) - 1}, mask, b.Const(low))
		}
	}
	causal := n.Attrs.Bool("is_causal")
	// keys from lengths on are padding; the last query is at the position of the last key
	if lengths != nil {
		limit := reshapeTo(b, cast(b, lengths, tensor.Int64), lengths.Type.Shape.Len(), 1, 1, 1)
		cols := counting(b, tk, 1, 1, 1, tk)
		keep := b.Op("Less", nil, cols, limit)
		if causal {
			at := b.Op("Add", nil, b.Op("Sub", nil, limit, scalar(b, tensor.Int64, float64(tq))), counting(b, tq, 1, 1, tq, 1))
			keep = b.Op("And", nil, keep, b.Op("LessOrEqual", nil, cols, at))
			causal = false
		}
		mask = add2(b, whereTrue(b, keep, dt, math.Inf(-1)), mask)
	}
	if !visible {
		a := ir.Attrs{}
		if n.Attrs.Has("scale") {
			a["scale"] = n.Attrs["scale"]
		}
		if causal {
			a["is_causal"], a["past"] = 1, past
		}
		if q != nil && len(q.Type.Shape) == 3 {
			a["q_num_heads"], a["kv_num_heads"] = heads, kvHeads
		}
		ins := []*ir.Value{q, k, v}
		if mask != nil {
			ins = append(ins, mask)
		}
		y := b.Op("Attention", a, ins...)
		return []*ir.Value{joinHeads(b, y, packed), present[0], present[1]}, nil
	}

	if causal {
		keep := b.Op("LessOrEqual", nil, counting(b, tk, 1, tk), b.Op("Add", nil, counting(b, tq, tq, 1), scalar(b, tensor.Int64, float64(past))))
		mask = add2(b, whereTrue(b, keep, dt, math.Inf(-1)), mask)
	}
	group := q.Type.Shape[1] / max(k.Type.Shape[1], 1)
	repeat := func(v *ir.Value) *ir.Value {
		if group <= 1 {
			return v
		}
		s := v.Type.Shape
		v = expandTo(b, reshapeTo(b, v, s[0], s[1], 1, s[2], s[3]), tensor.Shape{s[0], s[1], group, s[2], s[3]})
		return reshapeTo(b, v, s[0], s[1]*group, s[2], s[3])
	}
	scale := fattr(n.Attrs, "scale", float32(1/math.Sqrt(float64(q.Type.Shape[3]))))
	mode := n.Attrs.Int("qk_matmul_output_mode", 0)
	s := b.Op("MatMul", ir.Attrs{"transB": 1}, b.Op("Mul", nil, q, scalar(b, dt, scale)), repeat(k))
	stages := []*ir.Value{s}
	if softcap != 0 {
		s = b.Op("Mul", nil, b.Op("Tanh", nil, b.Op("Div", nil, s, scalar(b, dt, float64(softcap)))), scalar(b, dt, float64(softcap)))
	}
	stages = append(stages, s)
	s = add2(b, s, mask)
	stages = append(stages, s)
	// A row that sees nothing has no softmax: it is zero, and so is its gradient.
	blind := b.Op("Equal", nil, b.Op("ReduceMax", ir.Attrs{"axes": []int{-1}}, s), scalar(b, dt, math.Inf(-1)))
	s = b.Op("Softmax", nil, b.Op("Where", nil, blind, scalar(b, dt, 0), s))
	s = b.Op("Where", nil, blind, scalar(b, dt, 0), s)
	stages = append(stages, s)
	if mode < 0 || mode >= len(stages) {
		return nil, errorf("qk_matmul_output_mode %d is not known", mode)
	}
	y := b.Op("MatMul", nil, s, repeat(v))
	return []*ir.Value{joinHeads(b, y, packed), present[0], present[1], stages[mode]}, nil
}

// joinHeads undoes splitHeads where packed.
func joinHeads(b *ir.Builder, y *ir.Value, packed bool) *ir.Value {
	if y == nil || !packed || len(y.Type.Shape) == 3 {
		return y
	}
	s := y.Type.Shape
	return reshapeTo(b, transpose(b, y, 0, 2, 1, 3), s[0], s[2], s[1]*s[3])
}

// lowerPackedAttention is the contributed Attention: one weight makes q, k and v of the input.
func lowerPackedAttention(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 7); err != nil {
		return nil, err
	}
	if n.In(4) != nil {
		return nil, errorf("past keys and values are not supported")
	}
	x, w := n.In(0), n.In(1)
	if len(x.Type.Shape) != 3 || len(w.Type.Shape) != 2 {
		return nil, errorf("input %v and weight %v are not [B,T,N] and [N,M]", x.Type.Shape, w.Type.Shape)
	}
	sizes := n.Attrs.Ints("qkv_hidden_sizes")
	if sizes == nil {
		m := w.Type.Shape[1] / 3
		sizes = []int{m, m, m}
	}
	qkv := b.Op("MatMul", nil, x, w, n.In(2))
	parts := b.Ops("Split", ir.Attrs{"axis": 2, "split": sizes}, qkv)
	if len(parts) != 3 {
		return nil, b.Err()
	}
	return microsoftAttention(b, n, parts[0], parts[1], parts[2], n.In(3), n.In(5))
}

// lowerMultiHeadAttention is the contributed MultiHeadAttention with separate query, key and value.
func lowerMultiHeadAttention(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 3, 8); err != nil {
		return nil, err
	}
	if n.In(6) != nil || n.In(7) != nil {
		return nil, errorf("past keys and values are not supported")
	}
	q, k, v := n.In(0), n.In(1), n.In(2)
	if len(q.Type.Shape) != 3 {
		return nil, errorf("query %v is not [B,T,H*D]", q.Type.Shape)
	}
	if bias := n.In(3); bias != nil {
		if len(k.Type.Shape) != 3 || len(v.Type.Shape) != 3 {
			return nil, errorf("a bias needs keys and values of three axes")
		}
		parts := b.Ops("Split", ir.Attrs{"axis": 0, "split": []int{q.Type.Shape[2], k.Type.Shape[2], v.Type.Shape[2]}}, bias)
		if len(parts) != 3 {
			return nil, b.Err()
		}
		q, k, v = b.Op("Add", nil, q, parts[0]), b.Op("Add", nil, k, parts[1]), b.Op("Add", nil, v, parts[2])
	}
	if b.Err() != nil {
		return nil, b.Err()
	}
	return microsoftAttention(b, n, q, k, v, n.In(4), n.In(5))
}

// microsoftAttention attends with the contributed operators' attributes and masks: padding is the
// number of keys of each example [B], or 1 for the keys to look at [B,T] or pairs [B,Tq,T].
func microsoftAttention(b *ir.Builder, n *ir.Node, q, k, v, padding, bias *ir.Value) ([]*ir.Value, error) {
	heads := n.Attrs.Int("num_heads", 0)
	dt := q.Type.DType
	if len(k.Type.Shape) == 4 {
		q = splitHeads(b, q, heads)
	}
	if b.Err() != nil {
		return nil, b.Err()
	}
	tk := k.Type.Shape[len(k.Type.Shape)-2]
	var mask *ir.Value
	if padding != nil {
		var keep *ir.Value
		s := padding.Type.Shape
		batch := q.Type.Shape[0]
		switch {
		case len(s) == 1 && s[0] == batch:
			keep = b.Op("Less", nil, counting(b, tk, 1, 1, 1, tk), reshapeTo(b, cast(b, padding, tensor.Int64), batch, 1, 1, 1))
		case len(s) == 2:
			keep = reshapeTo(b, cast(b, padding, tensor.Bool), s[0], 1, 1, s[1])
		case len(s) == 3:
			keep = reshapeTo(b, cast(b, padding, tensor.Bool), s[0], 1, s[1], s[2])
		default:
			return nil, errorf("mask of shape %v is not supported", s)
		}
		mask = whereTrue(b, keep, dt, fattr(n.Attrs, "mask_filter_value", -10000))
	}
	ins := []*ir.Value{q, k, v}
	if mask = add2(b, mask, bias); mask != nil {
		ins = append(ins, mask)
	}
	a := ir.Attrs{}
	if len(q.Type.Shape) == 3 {
		a["q_num_heads"], a["kv_num_heads"] = heads, heads
	}
	if s := n.Attrs.Float("scale", 0); s != 0 {
		a["scale"] = s
	}
	if n.Attrs.Bool("unidirectional") {
		a["is_causal"] = 1
	}
	return []*ir.Value{joinHeads(b, b.Op("Attention", a, ins...), true)}, nil
}
