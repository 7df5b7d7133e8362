package op

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A sequence exists while a graph is specialised only: it is the node that lists its elements,
// which those who take elements look through. It never runs, and no graph can have one as input or
// output.
func init() {
	register(ir.Def{
		Name:  "SequenceConstruct",
		Infer: func(n *ir.Node) ([]ir.Type, error) { return []ir.Type{{}}, nil },
		ONNX:  onnx("SequenceConstruct", 11),
	})
	register(ir.Def{
		Name:  "OptionalNone", // an optional value that is not there
		Infer: func(n *ir.Node) ([]ir.Type, error) { return []ir.Type{{}}, nil },
	})
	form := func(op string, since int, lower func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error)) ir.Form {
		return ir.Form{Op: op, Since: since, Lower: lower}
	}
	list := func(b *ir.Builder, vs []*ir.Value) ([]*ir.Value, error) {
		return b.Ops("SequenceConstruct", nil, vs...), b.Err()
	}
	ir.RegisterForms(
		form("Optional", 15, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if n.In(0) == nil {
				return b.Ops("OptionalNone", nil), b.Err()
			}
			return handOn(b, n.In(0)), b.Err()
		}),
		form("OptionalHasElement", 15, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			v := n.In(0)
			there := v != nil && (v.Node == nil || v.Node.Op != "OptionalNone")
			return []*ir.Value{b.Const(tensor.Scalar(there))}, nil
		}),
		form("OptionalGetElement", 15, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if v := n.In(0); v == nil || v.Node != nil && v.Node.Op == "OptionalNone" {
				return nil, errorf("takes the element of an optional value that is not there")
			}
			return handOn(b, n.In(0)), b.Err()
		}),
		form("SequenceMap", 17, lowerSequenceMap),
		form("SequenceEmpty", 11, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) { return list(b, nil) }),
		form("SequenceLength", 11, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			vs, err := elementsOf(n)
			return []*ir.Value{b.Const(tensor.Scalar(int64(len(vs))))}, err
		}),
		form("SequenceAt", 11, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			vs, err := elementsOf(n)
			if err != nil {
				return nil, err
			}
			at, err := position(n, 1, len(vs), len(vs)-1)
			if err != nil {
				return nil, err
			}
			return b.Ops("Identity", nil, vs[at]), b.Err()
		}),
		form("SequenceInsert", 11, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			vs, err := elementsOf(n)
			if err != nil {
				return nil, err
			}
			at := len(vs)
			if n.In(2) != nil {
				if at, err = position(n, 2, len(vs), len(vs)); err != nil {
					return nil, err
				}
			}
			return list(b, slices.Insert(slices.Clone(vs), at, n.In(1)))
		}),
		form("SequenceErase", 11, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			vs, err := elementsOf(n)
			if err != nil {
				return nil, err
			}
			at := len(vs) - 1
			if n.In(1) != nil {
				if at, err = position(n, 1, len(vs), len(vs)-1); err != nil {
					return nil, err
				}
			}
			return list(b, slices.Delete(slices.Clone(vs), at, at+1))
		}),
		form("ConcatFromSequence", 11, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			vs, err := elementsOf(n)
			if err != nil {
				return nil, err
			}
			if len(vs) == 0 {
				return nil, errorf("joins an empty sequence")
			}
			axis := n.Attrs.Int("axis", 0)
			if n.Attrs.Bool("new_axis") {
				if axis, err = axisOf(axis, len(vs[0].Type.Shape)+1); err != nil {
					return nil, err
				}
				return []*ir.Value{stack(b, vs, axis)}, b.Err()
			}
			return b.Ops("Concat", ir.Attrs{"axis": axis}, vs...), b.Err()
		}),
		form("SplitToSequence", 11, func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 1, 2); err != nil {
				return nil, err
			}
			x := n.In(0)
			axis, err := axisOf(n.Attrs.Int("axis", 0), len(x.Type.Shape))
			if err != nil {
				return nil, err
			}
			d := x.Type.Shape[axis]
			keep, step := n.Attrs.Int("keepdims", 1) != 0 || n.In(1) != nil, 1
			var sizes []int
			if n.In(1) != nil {
				if sizes, err = constInts(n, 1, "the sizes of the parts"); err != nil {
					return nil, err
				}
				if len(n.In(1).Type.Shape) == 0 {
					step, sizes = max(1, sizes[0]), nil
				}
			}
			if sizes == nil {
				for at := 0; at < d; at += step {
					sizes = append(sizes, min(step, d-at))
				}
			}
			var vs []*ir.Value
			at := 0
			for _, k := range sizes {
				if k < 0 || at+k > d {
					return nil, errorf("parts %v do not make up %d", sizes, d)
				}
				v := slice(b, x, axis, at, at+k)
				if !keep {
					v = reshape(b, v, dropAxes(v.Type.Shape, []int{axis}))
				}
				vs = append(vs, v)
				at += k
			}
			return list(b, vs)
		}),
	)
}

// handOn is v as an output of its own, or the same sequence.
func handOn(b *ir.Builder, v *ir.Value) []*ir.Value {
	if v.Node != nil && v.Node.Op == "SequenceConstruct" {
		return b.Ops("SequenceConstruct", nil, v.Node.Inputs...)
	}
	return b.Ops("Identity", nil, v)
}

// lowerSequenceMap applies a body to each element of a sequence; further inputs are sequences of
// the same length, taken in step, or tensors.
func lowerSequenceMap(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	g, err := body(n, "body")
	if err != nil {
		return nil, err
	}
	first, err := elementsOf(n)
	if err != nil {
		return nil, err
	}
	outs := make([][]*ir.Value, len(g.Outputs))
	for i := range first {
		var args []*ir.Value
		for _, v := range n.Inputs {
			if v != nil && v.Node != nil && v.Node.Op == "SequenceConstruct" {
				if len(v.Node.Inputs) != len(first) {
					return nil, errorf("sequences of %d and %d elements", len(first), len(v.Node.Inputs))
				}
				v = v.Node.Inputs[i]
			}
			args = append(args, v)
		}
		results, err := b.Inline(g, args)
		if err != nil {
			return nil, err
		}
		for k, v := range results {
			outs[k] = append(outs[k], v)
		}
	}
	seqs := make([]*ir.Value, len(outs))
	for k, vs := range outs {
		seqs[k] = b.Op("SequenceConstruct", nil, vs...)
	}
	return seqs, b.Err()
}

// elementsOf lists the elements of the sequence in input 0.
func elementsOf(n *ir.Node) ([]*ir.Value, error) {
	v := n.In(0)
	if v == nil || v.Node == nil || v.Node.Op != "SequenceConstruct" {
		return nil, errorf("input 0 is no sequence that is known here")
	}
	return v.Node.Inputs, nil
}

// position reads a constant position up to last in a sequence; negative ones count from its end.
func position(n *ir.Node, i, size, last int) (int, error) {
	at, err := constInts(n, i, "the position")
	if err != nil {
		return 0, err
	}
	if len(at) != 1 || at[0] < -size || at[0] > last {
		return 0, errorf("position %v is outside a sequence of %d", at, size)
	}
	if at[0] < 0 {
		return at[0] + size, nil
	}
	return at[0], nil
}
