package op

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Operators whose output shape depends on contents: they take constants only, and are computed when
// the graph is specialised.

// known checks that the given inputs, where present, are constant.
func known(n *ir.Node, is ...int) error {
	for _, i := range is {
		if v := n.In(i); v != nil && !v.IsConst() {
			return fmt.Errorf("the shape of the result depends on data: input %q is not constant", v.Name)
		}
	}
	return nil
}

// computed registers an operator whose outputs follow from constant inputs by f.
func computed(name string, since, lo, hi int, traits ir.Traits, f func(n *ir.Node) ([]*tensor.Tensor, error), cases ...ir.Case) {
	register(ir.Def{
		Name:   name,
		Traits: traits,
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, lo, hi); err != nil {
				return nil, err
			}
			for i := range n.Inputs {
				if err := known(n, i); err != nil {
					return nil, err
				}
			}
			outs, err := f(n)
			if err != nil {
				return nil, err
			}
			types := make([]ir.Type, len(outs))
			for i, t := range outs {
				types[i] = ir.TypeOf(t)
			}
			return types, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			outs, err := f(n)
			return ir.Bound{Run: func(_, out []*tensor.Tensor, _ []byte) error {
				for i, t := range out {
					if t != nil {
						copy(t.Bytes, outs[i].Bytes)
					}
				}
				return nil
			}}, err
		},
		ONNX:  onnx(name, since),
		Cases: func() []ir.Case { return cases },
	})
}

func init() {
	// NonZero lists the positions of the elements that are not zero: one column an element, one row
	// an axis.
	computed("NonZero", 9, 1, 1, ir.Traits{}, func(n *ir.Node) ([]*tensor.Tensor, error) {
		x := n.In(0).Data
		var at []int
		for i, v := range x.Float64s() {
			if v != 0 {
				at = append(at, i)
			}
		}
		y := tensor.New(tensor.Int64, len(x.Shape), len(at))
		for d, st := range x.Shape.Strides() {
			for k, i := range at {
				y.I64()[d*len(at)+k] = int64(i / st % x.Shape[d])
			}
		}
		return []*tensor.Tensor{y}, nil
	}, ir.Case{Const: []int{0}, Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 0, 0, 2}, 2, 2)}, Want: []*tensor.Tensor{tensor.Of([]int64{0, 1, 0, 1}, 2, 2)}})

	computed("Unique", 11, 1, 1, ir.Traits{}, unique,
		ir.Case{Name: "sorted", Const: []int{0}, Inputs: []*tensor.Tensor{floats32(2, 1, 1, 3)},
			Want: []*tensor.Tensor{floats32(1, 2, 3), ints64(1, 0, 3), ints64(1, 0, 0, 2), ints64(2, 1, 1)}},
		ir.Case{Name: "rows", Const: []int{0}, Attrs: ir.Attrs{"axis": 0, "sorted": 0}, Inputs: []*tensor.Tensor{tensor.Of([]float32{5, 6, 1, 2, 5, 6}, 3, 2)},
			Want: []*tensor.Tensor{tensor.Of([]float32{5, 6, 1, 2}, 2, 2), ints64(0, 1), ints64(0, 1, 0), ints64(2, 1)}})

	// Compress picks the slices along the attribute axis at which a constant bool vector is true.
	// Without axis it picks elements of the flattened input.
	compress := func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 2, 2); err != nil {
			return nil, err
		}
		if err := known(n, 1); err != nil {
			return nil, err
		}
		x, axis := n.In(0), 0
		if n.Attrs.Has("axis") {
			axis = n.Attrs.Int("axis", 0)
		} else {
			x = reshape(b, x, tensor.Shape{x.Type.Shape.Len()})
		}
		var at []int
		for i, v := range n.In(1).Data.Float64s() {
			if v != 0 {
				at = append(at, i)
			}
		}
		return b.Ops("Gather", ir.Attrs{"axis": axis}, x, b.Ints(at...)), b.Err()
	}
	ir.RegisterForms(ir.Form{Op: "Compress", Since: 9, Lower: compress})
}

// unique gives the different elements, or slices along the attribute axis, in ascending order or,
// where sorted is 0, in order of first appearance; the position of the first of each; for each of
// the input which of them it is; and how often each appears.
func unique(n *ir.Node) ([]*tensor.Tensor, error) {
	x := n.In(0).Data
	shape, axis := x.Shape, 0
	if n.Attrs.Has("axis") {
		var err error
		if axis, err = axisOf(n.Attrs.Int("axis", 0), len(shape)); err != nil {
			return nil, err
		}
	} else {
		shape = tensor.Shape{x.Len()}
	}
	outer, size, inner := splitAt(shape, axis)
	v := x.Float64s()
	compare := func(a, b int) int {
		for o := range outer {
			for i := range inner {
				if c := cmp.Compare(v[(o*size+a)*inner+i], v[(o*size+b)*inner+i]); c != 0 {
					return c
				}
			}
		}
		return 0
	}
	order := make([]int, size)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, compare)
	var first []int // of each group, in ascending order of value
	group := make([]int, size)
	for k, i := range order {
		if k == 0 || compare(order[k-1], i) != 0 {
			first = append(first, i)
		}
		group[i] = len(first) - 1
	}
	rank := make([]int, len(first)) // position of each group in the result
	for i := range rank {
		rank[i] = i
	}
	if n.Attrs.Int("sorted", 1) == 0 {
		by := slices.Clone(rank)
		slices.SortFunc(by, func(a, b int) int { return first[a] - first[b] })
		for at, g := range by {
			rank[g] = at
		}
		slices.Sort(first)
	}
	count := make([]int64, len(first))
	inv := make([]int64, size)
	for i, g := range group {
		inv[i] = int64(rank[g])
		count[rank[g]]++
	}
	ys := shape.Clone()
	ys[axis] = len(first)
	y := tensor.New(x.DType, ys...)
	at := tensor.New(tensor.Int64, len(first))
	run := inner * x.DType.Size()
	for k, i := range first {
		at.I64()[k] = int64(i)
		for o := range outer {
			copy(y.Bytes[(o*len(first)+k)*run:][:run], x.Bytes[(o*size+i)*run:])
		}
	}
	return []*tensor.Tensor{y, at, tensor.Of(inv), tensor.Of(count)}, nil
}
