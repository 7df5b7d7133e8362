package dynamicbatch

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// node follows the batch through one node.
func (t *tracker) node(n *ir.Node) error {
	var in []int // the inputs that hold a batch
	for i, v := range n.Inputs {
		if _, ok := t.at[v]; ok && v != nil {
			in = append(in, i)
		}
	}
	if len(n.Outputs) == 0 {
		return nil
	}
	for _, g := range n.Attrs.Graphs() {
		for _, v := range g.Captures() {
			if _, ok := t.at[v]; ok {
				return fmt.Errorf("a subgraph reads the batch")
			}
		}
	}
	if len(in) == 0 {
		t.constShape(n)
		return nil
	}
	if n.RawTraits().Recurrent {
		return t.recurrent(n, in)
	}
	s, err := t.follow(n, in)
	if err != nil || s == nil {
		return err
	}
	for k, v := range n.Outputs {
		if v == nil || k > 0 && n.RawTraits().WholeBatch { // scale and zero point
			continue
		}
		if seen := t.seen[v]; seen != nil {
			if s.dims = seen.Type.Shape; s.axis >= len(s.dims) {
				return fmt.Errorf("it is not known what becomes of the batch in %v", s.dims)
			}
		}
		t.at[v] = *s
	}
	return nil
}

// constShape records the shape of a value without a batch if it is simple to derive.
func (t *tracker) constShape(n *ir.Node) {
	var d tensor.Shape
	switch {
	case n.Op == "Expand":
		if target := t.ints(n.In(1)); target != nil {
			d = broadcast(t.dims(n.In(0)), target)
		}
	case n.RawTraits().Batch == ir.BatchKept:
		d = t.dims(n.In(0))
	case n.Op == "Reshape":
		if target := t.ints(n.In(1)); !slices.Contains(target, 0) && !slices.Contains(target, -1) {
			d = target
		}
	}
	if d != nil && n.Outputs[0] != nil {
		t.known[n.Outputs[0]] = d
	}
}

// follow returns the spread of n's outputs, nil if they hold no batch. in lists the inputs that do.
func (t *tracker) follow(n *ir.Node, in []int) (*spread, error) {
	s := t.at[n.Inputs[in[0]]]
	tr := n.RawTraits()
	if in[0] != 0 && tr.Batch != ir.BatchBroadcast && n.Op != "Concat" && n.Op != "MatMul" && n.Op != "Gather" {
		return nil, fmt.Errorf("the batch arrives at input %d", in[0])
	}
	if n.Op == "Shape" || n.Op == "Size" || n.Op == "ConstantOfShape" {
		return nil, nil
	}
	switch tr.Batch {
	case ir.BatchKept:
		if tr.Rows != nil && !tr.Rows(n, len(s.dims), t.batchAxes(n), s.axis) {
			return nil, fmt.Errorf("works across the examples of a batch")
		}
		return &s, nil
	case ir.BatchBroadcast:
		return t.broadcast(n, in)
	case ir.BatchFirst:
		if s.axis != 0 || s.q != 1 {
			return nil, fmt.Errorf("its input holds the batch along axis %d", s.axis)
		}
		out := &spread{q: 1}
		if s.dims != nil {
			out.dims = slices.Repeat(tensor.Shape{-1}, len(s.dims))
			out.dims[0] = 1
		}
		return out, nil
	case ir.BatchReduced:
		return t.reduce(n, s)
	}
	switch n.Op {
	case "Resize":
		if constInts(n.In(3)) != nil && !n.Attrs.Has("axes") {
			return nil, fmt.Errorf("its sizes spell the batch out")
		}
		return &spread{axis: s.axis, q: s.q}, nil
	case "Gemm":
		if s.axis != 0 || n.Attrs.Bool("transA") || len(in) > 1 && in[1] == 1 {
			return nil, fmt.Errorf("works across the examples of a batch")
		}
		out := &spread{q: s.q}
		if w := t.dims(n.In(1)); s.dims != nil && len(w) == 2 {
			out.dims = tensor.Shape{s.dims[0], w[1-n.Attrs.Int("transB", 0)]}
		}
		return out, nil
	case "MatMul":
		return t.matmul(n, in)
	case "Flatten":
		axis := n.Attrs.Int("axis", 1)
		if s.axis != 0 || s.q != 1 || axis == 0 {
			return nil, fmt.Errorf("flattens the batch away")
		}
		return &spread{q: 1, dims: flat(s.dims, axis)}, nil
	case "Reshape":
		return t.reshape(n, s)
	case "Transpose":
		return transpose(n, s)
	case "Unsqueeze", "Squeeze":
		return t.squeeze(n, s)
	case "Concat":
		return t.concat(n, in)
	case "Gather":
		return t.gather(n, in)
	case "Split":
		axis := n.Attrs.Int("axis", 0)
		if axis, s.dims = s.unknown(axis); axis == s.axis {
			return nil, fmt.Errorf("splits the batch")
		}
		return &s, nil
	case "Slice":
		return t.slice(n, s)
	case "Expand", "Tile":
		if s.dims != nil {
			if k := t.ints(n.In(1)); n.Op == "Expand" && k != nil {
				s.axis += max(0, len(k)-len(s.dims))
				s.dims = broadcast(s.dims, k)
			} else {
				s.dims = slices.Repeat(tensor.Shape{-1}, len(s.dims))
			}
		}
		return &s, nil
	}
	if s.axis != 0 || s.q != 1 {
		return nil, fmt.Errorf("it is not known what becomes of a batch along axis %d", s.axis)
	}
	t.assumed = append(t.assumed, n.Op)
	return &spread{q: 1}, nil
}

// batchAxes returns the axes on which n's inputs hold the batch, -1 for inputs without it.
func (t *tracker) batchAxes(n *ir.Node) []int {
	axes := make([]int, len(n.Inputs))
	for i, v := range n.Inputs {
		axes[i] = -1
		if s, ok := t.at[v]; ok && v != nil {
			axes[i] = s.axis
		}
	}
	return axes
}

// unknown counts an axis from the front, and returns the shape with that axis unknown.
func (s spread) unknown(axis int) (int, tensor.Shape) {
	if s.dims == nil {
		return axis, nil
	}
	if axis < 0 {
		axis += len(s.dims)
	}
	d := s.dims.Clone()
	if axis >= 0 && axis < len(d) {
		d[axis] = -1
	}
	return axis, d
}

// broadcast returns the shape of two broadcast together, nil if it is unknown.
func broadcast(a, b []int) tensor.Shape {
	if a == nil || b == nil {
		return nil
	}
	if len(a) < len(b) {
		a, b = b, a
	}
	out := tensor.Shape(slices.Clone(a))
	for i, d := range b {
		o := &out[len(a)-len(b)+i]
		switch {
		case *o == 1:
			*o = d
		case *o < 0 && d > 1:
			*o = d
		}
	}
	return out
}

func flat(d tensor.Shape, axis int) tensor.Shape {
	if d == nil {
		return nil
	}
	if axis < 0 {
		axis += len(d)
	}
	return tensor.Shape{product(d[:axis]), product(d[axis:])}
}

// product returns the number of elements, -1 if a size is unknown.
func product(d []int) int {
	n := 1
	for _, x := range d {
		if x < 0 {
			return -1
		}
		n *= x
	}
	return n
}

// constInts returns a constant vector of integers, nil if v is not one.
func constInts(v *ir.Value) []int {
	if v == nil || v.Kind != ir.Const || v.Data == nil {
		return nil
	}
	k, err := v.Data.Ints()
	if err != nil {
		return nil
	}
	return k
}

func (t *tracker) broadcast(n *ir.Node, in []int) (*spread, error) {
	s := t.at[n.Inputs[in[0]]]
	out, shape := s, s.dims
	for i, v := range n.Inputs {
		// a slope does not affect the shape
		if v != nil && i != in[0] && n.RawTraits().Use(i) != ir.UseWeight {
			shape = broadcast(shape, t.dims(v))
		}
	}
	if shape != nil && s.dims != nil {
		out.axis += len(shape) - len(s.dims)
	}
	out.dims = shape
	for _, i := range in[1:] {
		o := t.at[n.Inputs[i]]
		axis := o.axis
		if shape != nil && o.dims != nil {
			axis += len(shape) - len(o.dims)
		}
		if axis != out.axis || o.q != out.q {
			return nil, fmt.Errorf("two inputs hold the batch along different axes")
		}
	}
	return &out, nil
}

func (t *tracker) matmul(n *ir.Node, in []int) (*spread, error) {
	a, b := t.dims(n.In(0)), t.dims(n.In(1))
	s := t.at[n.Inputs[in[0]]]
	if a == nil || b == nil {
		if in[0] == 0 && s.axis == 0 && s.q == 1 && (len(in) == 1 || t.at[n.Inputs[1]].axis == 0) {
			return &spread{q: 1}, nil
		}
		return nil, fmt.Errorf("its shapes are not known")
	}
	if len(a) < 2 || len(b) < 2 {
		return nil, fmt.Errorf("the batch meets a vector")
	}
	lead := broadcast(a[:len(a)-2], b[:len(b)-2])
	shape := append(lead.Clone(), a[len(a)-2], b[len(b)-1])
	out := &spread{axis: -1, dims: shape}
	for _, i := range in {
		s, d := t.at[n.Inputs[i]], []tensor.Shape{a, b}[i]
		axis := s.axis + len(shape) - len(d)
		inner := i == 0 && s.axis == len(d)-1 || i == 1 && s.axis == len(d)-2
		if inner || out.axis >= 0 && (axis != out.axis || s.q != out.q) {
			return nil, fmt.Errorf("works across the examples of a batch")
		}
		out.axis, out.q = axis, s.q
	}
	return out, nil
}
