package checkpoint

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// gateOrders gives, for each gate of ONNX's recurrent operators in order, the index of the same
// gate in PyTorch: i o f c of i f g o, and z r h of r z n.
var gateOrders = map[string][]int{"LSTM": {0, 3, 1, 2}, "GRU": {1, 0, 2}, "RNN": {0}}

// gates makes one tensor of a recurrent layer from PyTorch's. For each direction it stacks the
// parts (one weight, or the biases of input and state), each with its gates reordered.
type gates struct {
	order []int
	parts []*source
}

// gateParts names the tensors of PyTorch that make up t, a weight, recurrent weight or bias of a
// recurrent layer, with the shape of each. PyTorch numbers the layers of one module; in ONNX each
// layer is a node. It returns nothing where t is something else.
func (t *target) gateParts(g *ir.Graph) (names []string, shape tensor.Shape) {
	order := gateOrders[t.op()]
	kinds := map[int][]string{1: {"weight_ih"}, 2: {"weight_hh"}, 3: {"bias_ih", "bias_hh"}}[t.slot]
	have := t.shape()
	if order == nil || kinds == nil || len(have) < 2 || have[0] > 2 || have[1]%(len(kinds)*len(order)) != 0 {
		return nil, nil
	}
	layer := 0
	for _, n := range g.Nodes {
		if n == t.node {
			break
		}
		if n.Op == t.op() && moduleOf(n) == t.module {
			layer++
		}
	}
	for dir := range have[0] {
		for _, kind := range kinds {
			names = append(names, join(t.module, fmt.Sprintf("%s_l%d%s", kind, layer, []string{"", "_reverse"}[dir])))
		}
	}
	return names, append(tensor.Shape{have[1] / len(kinds)}, have[2:]...)
}

// byGates matches the tensors of a recurrent layer.
func (r *Result) byGates(t *target, g *ir.Graph, byKey map[string]*source) *Match {
	names, shape := t.gateParts(g)
	f := &gates{order: gateOrders[t.op()]}
	for _, name := range names {
		s := byKey[r.key(name)]
		if s == nil || s.used || !s.Tensor.Shape.Equal(shape) || len(f.parts) > 0 && s.Tensor.DType != f.parts[0].Tensor.DType {
			return nil
		}
		f.parts = append(f.parts, s)
	}
	if len(f.parts) == 0 {
		return nil
	}
	for _, s := range f.parts {
		s.used = true
	}
	return &Match{Tensor: t.name, Shape: t.shape(), How: "node path", target: t, form: recurrent, source: f.parts[0], gates: f}
}

// join makes the model's tensor from the parts.
func (f *gates) join(shape tensor.Shape) *tensor.Tensor {
	out := &tensor.Tensor{DType: f.parts[0].Tensor.DType, Shape: slices.Clone(shape)}
	for _, s := range f.parts {
		n := len(s.Tensor.Bytes) / len(f.order)
		for _, from := range f.order {
			out.Bytes = append(out.Bytes, s.Tensor.Bytes[from*n:(from+1)*n]...)
		}
	}
	return out
}

// split takes a tensor of the model apart, in the order of the parts.
func (f *gates) split(t *tensor.Tensor) []*tensor.Tensor {
	var out []*tensor.Tensor
	size := len(t.Bytes) / len(f.parts)
	for i, s := range f.parts {
		p := tensor.New(t.DType, s.Tensor.Shape...)
		n := size / len(f.order)
		for at, to := range f.order {
			copy(p.Bytes[to*n:(to+1)*n], t.Bytes[i*size+at*n:])
		}
		out = append(out, p)
	}
	return out
}
