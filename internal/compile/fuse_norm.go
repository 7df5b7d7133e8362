package compile

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// foldBatchNorms merges a frozen batch normalisation into the frozen convolution before it:
//
//	w[k,...] *= scale[k]/sqrt(var[k]+eps)    b[k] = (b[k]-mean[k])*scale[k]/sqrt(var[k]+eps) + bias[k]
//
// Both must be constant: if either trains, its own gradient is needed.
func foldBatchNorms(g *ir.Graph) error {
	var slab tensor.Slab
	return rewrite(g, func(m *matcher, n *ir.Node) *ir.Node {
		if n.Op != "BatchNormalization" {
			return nil
		}
		for _, v := range n.Inputs[1:] {
			if !v.IsConst() || v.Type.DType != tensor.Float32 {
				return nil
			}
		}
		conv := m.by(n.Inputs[0], "Conv")
		if conv == nil || !conv.In(1).IsConst() || conv.In(2) != nil && !conv.In(2).IsConst() || conv.In(3) != nil || conv.Attrs.Has("act") {
			return nil
		}
		eps := n.Attrs.Float("epsilon", 1e-5)
		weight := conv.In(1).Data
		w := &tensor.Tensor{DType: tensor.Float32, Shape: weight.Shape, Bytes: slab.Bytes(len(weight.Bytes))}
		var old []float32
		if v := conv.In(2); v != nil {
			old = v.Data.F32()
		}
		b := foldBatchNorm(w.F32(), weight.F32(), old, n.Inputs[1].Data.F32(), n.Inputs[2].Data.F32(), n.Inputs[3].Data.F32(), n.Inputs[4].Data.F32(), float64(eps))
		return &ir.Node{Name: conv.Name, Op: "Conv", Attrs: conv.Attrs,
			Inputs: []*ir.Value{conv.Inputs[0], g.NewConst(conv.In(1).Name, w), g.NewConst(n.Inputs[2].Name, tensor.Of(b))}}
	})
}

// foldBatchNorm writes the weight, one row per channel, with the normalisation merged in, to w. It
// returns the bias. old is the previous bias, or nil.
func foldBatchNorm(w, weight, old, scale, bias, mean, variance []float32, eps float64) []float32 {
	b := make([]float32, len(scale))
	per := len(w) / len(scale)
	for k := range scale {
		a := float64(scale[k]) / math.Sqrt(float64(variance[k])+eps)
		to, from := w[k*per:(k+1)*per], weight[k*per:(k+1)*per]
		for i, x := range from {
			to[i] = float32(float64(x) * a)
		}
		before := 0.0
		if old != nil {
			before = float64(old[k])
		}
		b[k] = float32((before-float64(mean[k]))*a + float64(bias[k]))
	}
	return b
}

// fuseNorms recognises layer and RMS normalisation that exporters write as arithmetic.
func fuseNorms(g *ir.Graph) error { return rewrite(g, matchLayerNorm, matchRMSNorm) }

// matchLayerNorm: (x - mean) / sqrt(mean((x-mean)^2) + eps) * scale + bias over the last axis.
func matchLayerNorm(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Add" || ir.Lookup("LayerNormalization") == nil {
		return nil
	}
	bias, scaled := operands(n, perFeature)
	if bias == nil {
		return nil
	}
	mul := m.by(scaled, "Mul")
	if mul == nil {
		return nil
	}
	scale, normed := operands(mul, perFeature)
	if scale == nil || scale.Type.Shape.Len() != bias.Type.Shape.Len() {
		return nil
	}
	div := m.by(normed, "Div")
	if div == nil {
		return nil
	}
	d := div.Inputs[0] // x - mean, which the square reads too
	if d.Node == nil || d.Node.Op != "Sub" {
		return nil
	}
	x := d.Node.Inputs[0]
	mean := m.by(d.Node.Inputs[1], "ReduceMean")
	if mean == nil || mean.Inputs[0] != x || !lastAxisOnly(mean) || x.Type.Shape[len(x.Type.Shape)-1] != scale.Type.Shape.Len() {
		return nil
	}
	eps, inner := m.sqrtMean(div.Inputs[1])
	if inner == nil {
		return nil
	}
	// Exporters compute x - mean once or twice.
	sq := squareOf(inner)
	if sq == nil || sq != d && !(sq.Node != nil && sq.Node.Op == "Sub" && sq.Node.Inputs[0] == x) {
		return nil
	}
	return &ir.Node{Name: n.Name, Op: "LayerNormalization", Attrs: ir.Attrs{"axis": -1, "epsilon": float32(eps)}, Inputs: []*ir.Value{x, scale, bias}}
}

// matchRMSNorm: x / sqrt(mean(x^2) + eps) * scale over the last axis, also as x * (1/sqrt(...)).
func matchRMSNorm(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Mul" || ir.Lookup("RMSNormalization") == nil {
		return nil
	}
	scale, normed := operands(n, perFeature)
	if scale == nil {
		return nil
	}
	var x, root *ir.Value
	if div := m.by(normed, "Div"); div != nil {
		x, root = div.Inputs[0], div.Inputs[1]
	} else if mul := m.by(normed, "Mul"); mul != nil {
		for i, v := range mul.Inputs {
			if inv := m.by(v, "Div"); inv != nil && isNumber(inv.Inputs[0], 1) {
				x, root = mul.Inputs[1-i], inv.Inputs[1]
			} else if inv := m.by(v, "Reciprocal"); inv != nil {
				x, root = mul.Inputs[1-i], inv.Inputs[0]
			}
		}
	}
	if x == nil || len(x.Type.Shape) == 0 || x.Type.Shape[len(x.Type.Shape)-1] != scale.Type.Shape.Len() {
		return nil
	}
	eps, inner := m.sqrtMean(root)
	if inner == nil || squareOf(inner) != x {
		return nil
	}
	return &ir.Node{Name: n.Name, Op: "RMSNormalization", Attrs: ir.Attrs{"axis": -1, "epsilon": float32(eps)}, Inputs: []*ir.Value{x, scale}}
}

// sqrtMean matches sqrt(ReduceMean(s) + eps) over the last axis and returns eps and s.
func (m *matcher) sqrtMean(v *ir.Value) (float64, *ir.Value) {
	sqrt := m.by(v, "Sqrt")
	if sqrt == nil {
		return 0, nil
	}
	add := m.by(sqrt.Inputs[0], "Add")
	if add == nil {
		return 0, nil
	}
	c, s := operands(add, func(v *ir.Value) bool { _, ok := number(v); return ok })
	if c == nil {
		return 0, nil
	}
	mean := m.by(s, "ReduceMean")
	if mean == nil || !lastAxisOnly(mean) || m.users[mean.Inputs[0]] != 1 {
		return 0, nil
	}
	eps, _ := number(c)
	return eps, mean.Inputs[0]
}

// squareOf returns x if v is x*x or x^2.
func squareOf(v *ir.Value) *ir.Value {
	if v.Node == nil {
		return nil
	}
	switch n := v.Node; n.Op {
	case "Mul":
		if n.Inputs[0] == n.Inputs[1] {
			return n.Inputs[0]
		}
	case "Pow":
		if isNumber(n.Inputs[1], 2) {
			return n.Inputs[0]
		}
	}
	return nil
}

func lastAxisOnly(n *ir.Node) bool {
	axes := n.Attrs.Ints("axes")
	rank := len(n.Inputs[0].Type.Shape)
	return len(axes) == 1 && (axes[0] == -1 || axes[0] == rank-1) && n.Attrs.Int("keepdims", 1) == 1
}

// perFeature reports whether v is a weight or constant vector over the last axis.
func perFeature(v *ir.Value) bool {
	return v != nil && (v.Kind == ir.Param || v.Kind == ir.Const) && len(v.Type.Shape) == 1 && v.Type.Shape[0] > 1
}
