package op

import (
	"maps"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Operators that ONNX Runtime's optimiser and quantiser add to models, expressed by others.
// Attention, Gelu, layer normalisation and rotary positions are in the files of their operators.
func init() {
	f := ir.AttrFloat
	stating := func(op string, traits *ir.Traits, lower func(*ir.Builder, *ir.Node) ([]*ir.Value, error)) {
		ir.RegisterForms(ir.Form{Domain: "com.microsoft", Op: op, Since: 1, Traits: traits, Lower: lower})
	}
	contrib := func(op string, lower func(*ir.Builder, *ir.Node) ([]*ir.Value, error)) { stating(op, nil, lower) }
	for op, version := range map[string]int{"Trilu": 14, "GatherND": 13, "GridSample": 16, "Pad": 11} {
		contrib(op, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			return []*ir.Value{loweredAt(b, n, op, version, n.Inputs...)}, b.Err()
		})
	}
	contrib("QuantizeLinear", lowerQuantize)
	contrib("DequantizeLinear", lowerDequantize)
	stating("FusedConv", &ir.Traits{Batch: ir.BatchFirst, Inputs: []ir.Use{ir.UseData, ir.UseWeight, ir.UseBias}}, lowerFusedConv)
	ir.RegisterForms(ir.Form{Domain: "com.microsoft", Op: "FusedGemm", Since: 1, Lower: lowerFusedGemm,
		Traits: &ir.Traits{Linear: true, Inputs: []ir.Use{ir.UseWeight, ir.UseWeight, ir.UseBias}},
		Attrs:  map[string]ir.AttrType{"activation_alpha": f, "activation_beta": f, "activation_gamma": f}})
	contrib("GemmFastGelu", func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 2, 3); err != nil {
			return nil, err
		}
		x := add2(b, b.Op("MatMul", nil, n.In(0), n.In(1)), n.In(2))
		return []*ir.Value{b.Op("Gelu", ir.Attrs{"approximate": "tanh"}, x)}, b.Err()
	})
	stating("BiasAdd", &ir.Traits{Inputs: []ir.Use{ir.UseData, ir.UseBias}}, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 3, 3); err != nil {
			return nil, err
		}
		return []*ir.Value{b.Op("Add", nil, b.Op("Add", nil, n.In(0), n.In(1)), n.In(2))}, b.Err()
	})
	contrib("BiasSplitGelu", func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 2, 2); err != nil {
			return nil, err
		}
		x := b.Op("Add", nil, n.In(0), n.In(1))
		if b.Err() != nil {
			return nil, b.Err()
		}
		axis := len(x.Type.Shape) - 1
		half := x.Type.Shape[axis] / 2
		return []*ir.Value{b.Op("Mul", nil, slice(b, x, axis, 0, half), b.Op("Gelu", nil, slice(b, x, axis, half, 2*half)))}, b.Err()
	})
	stating("GroupQueryAttention", &ir.Traits{Attention: true}, lowerGroupQueryAttention)

	for _, op := range []string{"Add", "Mul"} {
		contrib("QLinear"+op, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 7, 8); err != nil {
				return nil, err
			}
			return requantize(b, b.Op(op, nil, dequantize(b, n, 0), dequantize(b, n, 3)), n, 6)
		})
	}
	for _, op := range []string{"Sigmoid", "LeakyRelu", "AveragePool", "GlobalAveragePool", "Softmax"} {
		contrib("QLinear"+op, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 4, 5); err != nil {
				return nil, err
			}
			if n.Attrs.Bool("channels_last") {
				return nil, errorf("channels_last is not supported")
			}
			return requantize(b, lowered(b, without(n, "channels_last", "opset"), op, dequantize(b, n, 0)), n, 3)
		})
	}
	contrib("QLinearConcat", func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if len(n.Inputs) < 5 || len(n.Inputs)%3 != 2 {
			return nil, errorf("has %d inputs, takes a scale and a zero point and three for each part", len(n.Inputs))
		}
		var parts []*ir.Value
		for i := 2; i < len(n.Inputs); i += 3 {
			parts = append(parts, dequantize(b, n, i))
		}
		return requantize(b, lowered(b, n, "Concat", parts...), n, 0)
	})
	contrib("QGemm", lowerQGemm)
	contrib("MatMulIntegerToFloat", func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 4, 7); err != nil {
			return nil, err
		}
		return scaledProduct(b, n.In(0), n.In(1), n.In(2), n.In(3), n.In(4), n.In(5), n.In(6))
	})
	stating("DynamicQuantizeMatMul", &ir.Traits{WholeBatch: true}, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 3, 5); err != nil {
			return nil, err
		}
		a, err := lowerDynamicQuantize(b, &ir.Node{Op: "DynamicQuantizeLinear", Inputs: n.Inputs[:1]})
		if err != nil {
			return nil, err
		}
		return scaledProduct(b, a[0], n.In(1), a[1], n.In(2), a[2], n.In(3), n.In(4))
	})
}

// loweredAt builds an ONNX operator of a version with the attributes of n.
func loweredAt(b *ir.Builder, n *ir.Node, op string, version int, in ...*ir.Value) *ir.Value {
	form, def, err := ir.FindForm("", op, version)
	if err != nil {
		b.Fail(err)
	}
	if b.Err() != nil {
		return nil
	}
	if form.Lower == nil {
		return b.Op(def.Name, n.Attrs, in...)
	}
	outs, err := form.Lower(b, &ir.Node{Name: n.Name, Op: op, Version: version, Inputs: in, Attrs: n.Attrs})
	if err != nil {
		b.Fail(err)
		return nil
	}
	return outs[0]
}

// without is n without some attributes.
func without(n *ir.Node, names ...string) *ir.Node {
	m := *n
	m.Attrs = maps.Clone(n.Attrs)
	for _, name := range names {
		delete(m.Attrs, name)
	}
	return &m
}

// activated ends in the activation of a name, with parameters in ONNX's order.
func activated(b *ir.Builder, y *ir.Value, name string, params []float32) ([]*ir.Value, error) {
	names := map[string][]string{"": nil, "Relu": nil, "Sigmoid": nil, "Tanh": nil, "LeakyRelu": {"alpha"}, "HardSigmoid": {"alpha", "beta"}, "Clip": {"min", "max"}}
	keys, ok := names[name]
	if !ok {
		return nil, errorf("activation %q is not supported", name)
	}
	if name == "" || b.Err() != nil {
		return []*ir.Value{y}, b.Err()
	}
	attrs := ir.Attrs{}
	for i, k := range keys {
		if i < len(params) {
			attrs[k] = params[i]
		}
	}
	return []*ir.Value{b.Op(name, attrs, y)}, b.Err()
}

// lowerFusedConv is act(Conv(x, w) + bias + residual).
func lowerFusedConv(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 4); err != nil {
		return nil, err
	}
	in := n.Inputs[:min(3, len(n.Inputs))]
	y := add2(b, lowered(b, without(n, "activation", "activation_params"), "Conv", in...), n.In(3))
	return activated(b, y, n.Attrs.Str("activation", ""), n.Attrs.Floats("activation_params"))
}

// lowerFusedGemm is act(Gemm(a, b, c)).
func lowerFusedGemm(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 3); err != nil {
		return nil, err
	}
	var params []float32
	for _, k := range []string{"activation_alpha", "activation_beta", "activation_gamma"} {
		if n.Attrs.Has(k) {
			params = append(params, n.Attrs.Float(k, 0))
		}
	}
	plain := without(n, "activation", "activation_alpha", "activation_beta", "activation_gamma")
	return activated(b, lowered(b, plain, "Gemm", n.Inputs...), n.Attrs.Str("activation", ""), params)
}

// dequantize is (input i - zero point i+2) * scale i+1.
func dequantize(b *ir.Builder, n *ir.Node, i int) *ir.Value {
	return b.Op("Mul", nil, centred(b, n.In(i), n.In(i+2)), cast(b, n.In(i+1), tensor.Float32))
}

// requantize divides y by scale i and adds zero point i+1, whose type it takes; without one it is
// uint8.
func requantize(b *ir.Builder, y *ir.Value, n *ir.Node, i int) ([]*ir.Value, error) {
	dt := tensor.Uint8
	if n.In(i+1) != nil {
		dt = n.In(i + 1).Type.DType
	}
	return []*ir.Value{quantize(b, b.Op("Div", nil, y, cast(b, n.In(i), tensor.Float32)), n.In(i+1), dt)}, b.Err()
}

// lowerQGemm is alpha*(a*b + c) of quantised matrices, where c is quantised by the product of both
// scales; the result is quantised by inputs 7 and 8, or floating point without them.
func lowerQGemm(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 6, 9); err != nil {
		return nil, err
	}
	x, w := centred(b, n.In(0), n.In(2)), centred(b, n.In(3), n.In(5))
	if n.Attrs.Bool("transA") {
		x = transpose(b, x, 1, 0)
	}
	if n.Attrs.Bool("transB") {
		if v := n.In(5); v != nil && v.Type.Shape.Len() > 1 {
			return nil, errorf("zero points for each row of a transposed matrix are not supported")
		}
		w = transpose(b, w, 1, 0)
	}
	y := cast(b, exactMatMul(b, x, w), tensor.Float32)
	y = add2(b, y, cast(b, n.In(6), tensor.Float32))
	scale := b.Op("Mul", nil, cast(b, n.In(1), tensor.Float32), cast(b, n.In(4), tensor.Float32))
	y = b.Op("Mul", nil, y, b.Op("Mul", nil, scale, b.Float(n.Attrs.Float("alpha", 1))))
	if n.In(7) == nil {
		return []*ir.Value{y}, b.Err()
	}
	return requantize(b, y, n, 7)
}

// scaledProduct is the product of two quantised matrices in floating point, plus an optional bias.
func scaledProduct(b *ir.Builder, x, w, xScale, wScale, xZero, wZero, bias *ir.Value) ([]*ir.Value, error) {
	y := cast(b, exactMatMul(b, centred(b, x, alongRows(b, xZero, x)), centred(b, w, wZero)), tensor.Float32)
	y = b.Op("Mul", nil, y, b.Op("Mul", nil, alongRows(b, xScale, x), wScale))
	return []*ir.Value{add2(b, y, bias)}, b.Err()
}

// lowerGroupQueryAttention is causal attention in which groups of queries share keys and values. It
// handles complete sequences: past keys and values must be absent or empty. Keys after the first
// seqlens_k are padding.
func lowerGroupQueryAttention(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 9); err != nil {
		return nil, err
	}
	if n.In(5) == nil {
		return nil, errorf("input seqlens_k is missing")
	}
	heads, shared := n.Attrs.Int("num_heads", 0), n.Attrs.Int("kv_num_heads", 0)
	if heads < 1 || shared < 1 || heads%shared != 0 {
		return nil, errorf("%d heads do not share %d", heads, shared)
	}
	for _, i := range []int{3, 4} {
		if v := n.In(i); v != nil && v.Type.Shape.Len() > 0 {
			return nil, errorf("past keys and values are not supported")
		}
	}
	if w := n.Attrs.Int("local_window_size", -1); w > 0 {
		return nil, errorf("local_window_size %d is not supported", w)
	}
	if c := n.Attrs.Float("softcap", 0); c != 0 {
		return nil, errorf("softcap %g is not supported", c)
	}
	q, k, v := n.In(0), n.In(1), n.In(2)
	if len(q.Type.Shape) != 3 {
		return nil, errorf("query %v is not [B,T,H*D]", q.Type.Shape)
	}
	if k == nil { // queries, keys and values are concatenated
		d := q.Type.Shape[2] / (heads + 2*shared)
		parts := b.Ops("Split", ir.Attrs{"axis": 2, "split": []int{heads * d, shared * d, shared * d}}, q)
		if len(parts) != 3 {
			return nil, b.Err()
		}
		q, k, v = parts[0], parts[1], parts[2]
	}
	if n.Attrs.Bool("do_rotary") {
		if n.In(7) == nil || n.In(8) == nil {
			return nil, errorf("do_rotary needs cosines and sines")
		}
		turn := func(x *ir.Value, heads int) *ir.Value {
			if b.Err() != nil {
				return nil
			}
			m := &ir.Node{Name: n.Name, Op: "RotaryEmbedding", Attrs: ir.Attrs{"num_heads": heads, "interleaved": n.Attrs.Int("rotary_interleaved", 0)}}
			s := x.Type.Shape
			at := expandTo(b, counting(b, s[1], 1, s[1]), tensor.Shape{s[0], s[1]})
			y, err := rotary(b, m, x, n.In(7), n.In(8), at)
			if err != nil {
				b.Fail(err)
				return nil
			}
			return y[0]
		}
		q, k = turn(q, heads), turn(k, shared)
	}
	q, k, v = splitHeads(b, q, heads), splitHeads(b, k, shared), splitHeads(b, v, shared)
	if b.Err() != nil {
		return nil, b.Err()
	}
	t := k.Type.Shape[2]
	last := reshapeTo(b, cast(b, n.In(5), tensor.Int64), k.Type.Shape[0], 1, 1, 1)
	keep := b.Op("LessOrEqual", nil, counting(b, t, 1, 1, 1, t), last)
	a := ir.Attrs{"is_causal": 1, "past": 0}
	if s := n.Attrs.Float("scale", 0); s != 0 {
		a["scale"] = s
	}
	y := b.Op("Attention", a, q, k, v, whereTrue(b, keep, q.Type.DType, -1e9))
	return []*ir.Value{joinHeads(b, y, true), k, v}, b.Err()
}
