package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// RNN, GRU and LSTM of ONNX: for each direction one product of all inputs with the input weights,
// then a Recurrence. recurrentTraits: weights of the input and of the state, bias, and the
// peepholes of an LSTM.
var recurrentTraits = ir.Traits{Recurrent: true, Inputs: []ir.Use{ir.UseData, ir.UseWeight, ir.UseWeight, ir.UseBias,
	ir.UseData, ir.UseData, ir.UseData, ir.UseWeight}}

func init() {
	for cell, gates := range map[string]int{"RNN": 1, "GRU": 3, "LSTM": 4} {
		ir.RegisterForms(ir.Form{Op: cell, Since: 7, Traits: &recurrentTraits,
			Attrs: map[string]ir.AttrType{"layout": ir.AttrInt}, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				return lowerRecurrent(b, n, cell, gates)
			}})
	}
}

func lowerRecurrent(b *ir.Builder, n *ir.Node, cell string, gates int) ([]*ir.Value, error) {
	if err := inputs(n, 3, 8); err != nil {
		return nil, err
	}
	x, w, r, bias := n.In(0), n.In(1), n.In(2), n.In(3)
	h0, c0, p := n.In(5), n.In(6), n.In(7)
	if len(x.Type.Shape) != 3 || len(w.Type.Shape) != 3 || len(r.Type.Shape) != 3 {
		return nil, errorf("input %v, weights %v and %v need three axes", x.Type.Shape, w.Type.Shape, r.Type.Shape)
	}
	if n.Attrs.Bool("input_forget") {
		return nil, errorf("input_forget is not supported")
	}
	lengths := cast(b, n.In(4), tensor.Int64)
	hidden := r.Type.Shape[2]
	dirs := map[string][]int{"forward": {0}, "reverse": {1}, "bidirectional": {0, 1}}[n.Attrs.Str("direction", "forward")]
	if len(dirs) == 0 || w.Type.Shape[0] != len(dirs) || r.Type.Shape[0] != len(dirs) || r.Type.Shape[1] != gates*hidden {
		return nil, errorf("direction %q does not fit weights %v", n.Attrs.Str("direction", "forward"), r.Type.Shape)
	}
	batchFirst := n.Attrs.Bool("layout")
	if batchFirst {
		x = transpose(b, x, 1, 0, 2)
		h0, c0 = transpose(b, h0, 1, 0, 2), transpose(b, c0, 1, 0, 2)
	}
	if b.Err() != nil {
		return nil, b.Err()
	}
	steps, batch := x.Type.Shape[0], x.Type.Shape[1]
	// of gives the part of v that belongs to direction i, without the first axis.
	of := func(v *ir.Value, i int) *ir.Value {
		if v == nil {
			return nil
		}
		if len(dirs) > 1 {
			v = b.Op("Slice", ir.Attrs{"starts": []int{i}, "ends": []int{i + 1}, "axes": []int{0}, "steps": []int{1}}, v)
		}
		if v == nil {
			return nil
		}
		return reshape(b, v, v.Type.Shape[1:].Clone())
	}
	linear := cell == "GRU" && n.Attrs.Bool("linear_before_reset")
	var ys, hs, cs []*ir.Value
	for i, reverse := range dirs {
		wi, ri := of(w, i), of(r, i)
		var add, rb *ir.Value
		if bias != nil {
			parts := b.Ops("Split", ir.Attrs{"axis": 0, "split": []int{gates * hidden, gates * hidden}}, of(bias, i))
			if len(parts) != 2 {
				return nil, b.Err()
			}
			add = parts[0]
			if linear {
				sums := b.Ops("Split", ir.Attrs{"axis": 0, "split": []int{2 * hidden, hidden}}, parts[1])
				if len(sums) != 2 {
					return nil, b.Err()
				}
				rb = sums[1]
				zero := b.Const(tensor.New(x.Type.DType, hidden))
				add = b.Op("Add", nil, add, b.Op("Concat", ir.Attrs{"axis": 0}, sums[0], zero))
			} else {
				add = b.Op("Add", nil, add, parts[1])
			}
		}
		ins := []*ir.Value{x, wi}
		if add != nil {
			ins = append(ins, add)
		}
		xw := b.Op("MatMul", ir.Attrs{"transB": 1}, ins...)
		a := ir.Attrs{"cell": cell}
		if reverse == 1 {
			a["reverse"] = 1
		}
		if linear {
			a["linear_before_reset"] = 1
		}
		if clip := n.Attrs.Float("clip", 0); clip != 0 {
			a["clip"] = clip
		}
		if names := n.Attrs.Strs("activations"); names != nil {
			a["activations"] = share(names, i, len(dirs))
		}
		for _, k := range []string{"activation_alpha", "activation_beta"} {
			if v := n.Attrs.Floats(k); v != nil {
				a[k] = share(v, i, len(dirs))
			}
		}
		out := b.Ops("Recurrence", a, xw, ri, of(h0, i), of(c0, i), of(p, i), rb, lengths)
		if out == nil {
			return nil, b.Err()
		}
		ys = append(ys, out[0])
		hs = append(hs, reshapeTo(b, out[1], 1, batch, hidden))
		if cell == "LSTM" {
			cs = append(cs, reshapeTo(b, out[2], 1, batch, hidden))
		}
	}
	last := func(vs []*ir.Value) *ir.Value {
		v := vs[0]
		if len(vs) > 1 {
			v = b.Op("Concat", ir.Attrs{"axis": 0}, vs...)
		}
		if batchFirst {
			v = transpose(b, v, 1, 0, 2)
		}
		return v
	}
	y := reshapeTo(b, ys[0], steps, 1, batch, hidden)
	if len(ys) > 1 { // side by side, as the next layer reads them: its transpose and this one cancel
		y = transpose(b, reshapeTo(b, b.Op("Concat", ir.Attrs{"axis": 2}, ys...), steps, batch, len(ys), hidden), 0, 2, 1, 3)
	}
	if batchFirst {
		y = transpose(b, y, 2, 0, 1, 3)
	}
	outs := []*ir.Value{y, last(hs)}
	if cell == "LSTM" {
		outs = append(outs, last(cs))
	}
	return outs, nil
}

// share is part i of n equal parts of a list.
func share[T any](list []T, i, n int) []T { return list[i*len(list)/n : (i+1)*len(list)/n] }
