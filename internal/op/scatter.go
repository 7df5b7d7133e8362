package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// GatherElements picks y[i,j,k] = x[i,index[i,j,k],k] (axis 1). ScatterElements(x, index, updates)
// is x with updates[i,j,k] put at, or by the attribute reduction (add, mul, max, min) joined with,
// element [i,index[i,j,k],k]. GatherND picks slices x[b, index[b,...,:], ...] by index tuples after
// batch_dims common axes; ScatterND(x, index, updates) writes or joins such slices. Negative
// indices count from the end.
func init() {
	index := tensor.Of([]int64{0, -1, 1, 0}, 2, 2)
	register(ir.Def{
		Name: "GatherElements",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 2, 2); err != nil {
				return nil, err
			}
			if err := elementsFit(n, n.In(1).Type); err != nil {
				return nil, err
			}
			return []ir.Type{{DType: n.In(0).Type.DType, Shape: n.In(1).Type.Shape}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			attrs := ir.Attrs{"axis": n.Attrs.Int("axis", 0), "reduction": "add"}
			return []*ir.Value{b.Op("ScatterElements", attrs, zeros(b, n.In(0).Type), n.In(1), dy[0]), nil}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			return ir.Bound{Run: bySize(n.In(0).Type.DType, gatherAt[uint8](elements(n)), gatherAt[uint16](elements(n)),
				gatherAt[uint32](elements(n)), gatherAt[uint64](elements(n)))}, nil
		},
		ONNX: onnx("GatherElements", 11),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "columns", Attrs: ir.Attrs{"axis": 1}, Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 2, 3, 4}, 2, 2), index},
					Want: []*tensor.Tensor{tensor.Of([]float32{1, 2, 4, 3}, 2, 2)}},
				{Name: "rows", Inputs: []*tensor.Tensor{random(3, 4), index}},
			}
		},
	})
	register(ir.Def{
		Name: "ScatterElements",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 3, 3); err != nil {
				return nil, err
			}
			x, u := n.In(0).Type, n.In(2).Type
			if err := elementsFit(n, n.In(1).Type); err != nil {
				return nil, err
			}
			if !u.Shape.Equal(n.In(1).Type.Shape) || u.DType != x.DType {
				return nil, fmt.Errorf("updates are %v for indices %v in %v", u, n.In(1).Type, x)
			}
			return []ir.Type{x}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			attrs := ir.Attrs{"axis": n.Attrs.Int("axis", 0)}
			return scatterGrad(b, n, dy[0], need, func() *ir.Value {
				return b.Op("ScatterElements", attrs, dy[0], n.In(1), zeros(b, n.In(2).Type))
			}, func() *ir.Value { return b.Op("GatherElements", attrs, dy[0], n.In(1)) })
		},
		Bind: func(n *ir.Node) (ir.Bound, error) { return bindScatter(n, elements(n)) },
		ONNX: []ir.Form{
			{Op: "Scatter", Since: 9, Until: 10},
			{Op: "ScatterElements", Since: 11},
		},
		Cases: func() []ir.Case {
			return append(scatterCases(func(reduction string) ir.Case {
				return ir.Case{Attrs: ir.Attrs{"axis": 1, "reduction": reduction}, Inputs: []*tensor.Tensor{random(2, 5), index, random(2, 2)}}
			}), ir.Case{Name: "twice", Attrs: ir.Attrs{"reduction": "add"}, Inputs: []*tensor.Tensor{floats32(1, 2), ints64(0, 0), floats32(3, 4)},
				Want: []*tensor.Tensor{floats32(8, 2)}})
		},
	})
	tuples := tensor.Of([]int64{0, 1, -1, 0}, 2, 2)
	register(ir.Def{
		Name: "GatherND",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 2, 2); err != nil {
				return nil, err
			}
			s, err := sliceShape(n)
			if err != nil {
				return nil, err
			}
			return []ir.Type{{DType: n.In(0).Type.DType, Shape: s}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			attrs := ir.Attrs{"batch_dims": n.Attrs.Int("batch_dims", 0), "reduction": "add"}
			return []*ir.Value{b.Op("ScatterND", attrs, zeros(b, n.In(0).Type), n.In(1), dy[0]), nil}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			return ir.Bound{Run: bySize(n.In(0).Type.DType, gatherAt[uint8](tupleSlices(n)), gatherAt[uint16](tupleSlices(n)),
				gatherAt[uint32](tupleSlices(n)), gatherAt[uint64](tupleSlices(n)))}, nil
		},
		ONNX: onnx("GatherND", 11),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "elements", Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 2, 3, 4}, 2, 2), tuples}, Want: []*tensor.Tensor{floats32(2, 3)}},
				{Name: "slices", Inputs: []*tensor.Tensor{random(2, 3, 4), tuples}},
				{Name: "batch", Attrs: ir.Attrs{"batch_dims": 1}, Inputs: []*tensor.Tensor{random(2, 2, 3), tensor.Of([]int64{1, 0}, 2, 1)}},
			}
		},
	})
	register(ir.Def{
		Name: "ScatterND",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 3, 3); err != nil {
				return nil, err
			}
			x, u := n.In(0).Type, n.In(2).Type
			s, err := sliceShape(n)
			if err != nil {
				return nil, err
			}
			if !u.Shape.Equal(s) || u.DType != x.DType {
				return nil, fmt.Errorf("updates are %v, not %v%v", u, x.DType, s)
			}
			return []ir.Type{x}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			attrs := ir.Attrs{"batch_dims": n.Attrs.Int("batch_dims", 0)}
			return scatterGrad(b, n, dy[0], need, func() *ir.Value {
				return b.Op("ScatterND", attrs, dy[0], n.In(1), zeros(b, n.In(2).Type))
			}, func() *ir.Value { return b.Op("GatherND", attrs, dy[0], n.In(1)) })
		},
		Bind: func(n *ir.Node) (ir.Bound, error) { return bindScatter(n, tupleSlices(n)) },
		ONNX: onnx("ScatterND", 11),
		Cases: func() []ir.Case {
			return scatterCases(func(reduction string) ir.Case {
				return ir.Case{Attrs: ir.Attrs{"reduction": reduction}, Inputs: []*tensor.Tensor{random(3, 2, 4), tuples, random(2, 4)}}
			})
		},
	})
}

// scatterCases are a case for every reduction.
func scatterCases(f func(reduction string) ir.Case) (cs []ir.Case) {
	for _, r := range []string{"none", "add", "mul", "max", "min"} {
		c := f(r)
		c.Name = r
		if r != "none" && r != "add" {
			c.NoGrad = []int{0, 2}
		}
		cs = append(cs, c)
	}
	return cs
}

// scatterGrad is the gradient of a scatter that replaces (kept, picked) or adds.
func scatterGrad(b *ir.Builder, n *ir.Node, dy *ir.Value, need []bool, kept, picked func() *ir.Value) []*ir.Value {
	dx := make([]*ir.Value, 3)
	switch r := n.Attrs.Str("reduction", "none"); r {
	case "none":
		if need[0] {
			dx[0] = kept()
		}
	case "add":
		dx[0] = dy
	default:
		b.Fail(n.Errorf("has no gradient with reduction %q", r))
		return dx
	}
	if need[2] {
		dx[2] = picked()
	}
	return dx
}

// zeros builds a tensor of zeros.
func zeros(b *ir.Builder, t ir.Type) *ir.Value {
	return b.Op("Fill", ir.Attrs{"shape": []int(t.Shape), "value": tensor.New(t.DType, 1)})
}

// elementsFit checks index against x (input 0) for GatherElements and ScatterElements.
func elementsFit(n *ir.Node, index ir.Type) error {
	x := n.In(0).Type.Shape
	axis, err := axisOf(n.Attrs.Int("axis", 0), len(x))
	if err != nil {
		return err
	}
	fits := index.DType.IsInt() && len(index.Shape) == len(x)
	for i := range x {
		fits = fits && (i == axis || index.Shape[i] <= x[i])
	}
	if !fits {
		return fmt.Errorf("indices %v do not fit %v along axis %d", index, n.In(0).Type, axis)
	}
	return nil
}

// places finds for each run of elements on the small side its first element on the large side.
type places func(index *tensor.Tensor, f func(small, large, n int)) error

// elements are the places of GatherElements and ScatterElements: runs of one element.
func elements(n *ir.Node) places {
	x, s := n.In(0).Type.Shape, n.In(1).Type.Shape
	axis, _ := axisOf(n.Attrs.Int("axis", 0), len(x))
	st := x.Strides()
	return func(index *tensor.Tensor, f func(small, large, n int)) error {
		ix, err := indices(index, x[axis])
		if err != nil {
			return err
		}
		idx := make([]int, len(s))
		for i, k := range ix {
			at := k * st[axis]
			for d, j := range idx {
				if d != axis {
					at += j * st[d]
				}
			}
			f(i, at, 1)
			next(idx, s)
		}
		return nil
	}
}

// sliceShape is the shape of what index tuples (input 1) pick from x (input 0).
func sliceShape(n *ir.Node) (tensor.Shape, error) {
	x, ix := n.In(0).Type, n.In(1).Type
	batch := n.Attrs.Int("batch_dims", 0)
	if !ix.DType.IsInt() || len(ix.Shape) == 0 || batch < 0 || batch >= len(ix.Shape) || batch > len(x.Shape) ||
		!x.Shape[:batch].Equal(ix.Shape[:batch]) || ix.Shape[len(ix.Shape)-1] > len(x.Shape)-batch {
		return nil, fmt.Errorf("indices %v do not fit %v with %d batch axes", ix, x, batch)
	}
	last := len(ix.Shape) - 1
	return slices.Concat(ix.Shape[:last], x.Shape[batch+ix.Shape[last]:]), nil
}

// tupleSlices are the places of GatherND and ScatterND.
func tupleSlices(n *ir.Node) places {
	x, s := n.In(0).Type.Shape, n.In(1).Type.Shape
	batch, k := n.Attrs.Int("batch_dims", 0), s[len(s)-1]
	st := x.Strides()
	run := x[batch+k:].Len()
	perBatch := s[batch : len(s)-1].Len()
	return func(index *tensor.Tensor, f func(small, large, n int)) error {
		ix, err := index.Ints()
		if err != nil {
			return err
		}
		for i := range s[:len(s)-1].Len() {
			at := i / max(1, perBatch) * x[batch:].Len()
			for d, j := range ix[i*k : (i+1)*k] {
				size := x[batch+d]
				if j < -size || j >= size {
					return fmt.Errorf("index %d is outside an axis of size %d", j, size)
				}
				if j < 0 {
					j += size
				}
				at += j * st[batch+d]
			}
			f(i*run, at, run)
		}
		return nil
	}
}

func gatherAt[W word](p places) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := bits[W](in[0]), bits[W](out[0])
		return p(in[1], func(small, large, n int) { copy(y[small:small+n], x[large:large+n]) })
	}
}

func scatterAt[W word](p places) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		u, y := bits[W](in[2]), bits[W](out[0])
		copy(y, bits[W](in[0]))
		return p(in[1], func(small, large, n int) { copy(y[large:large+n], u[small:small+n]) })
	}
}

func scatterJoin[W widest](p places, f func(a, b W) W) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		u, y := widen[W](in[2]), wideOut[W](out[0])
		copy(y, widen[W](in[0]))
		err := p(in[1], func(small, large, n int) {
			for i := range n {
				y[large+i] = f(y[large+i], u[small+i])
			}
		})
		narrow(out[0], y)
		return err
	}
}

func bindScatter(n *ir.Node, p places) (ir.Bound, error) {
	dt := n.In(0).Type.DType
	b := ir.Bound{InPlace: []int{0}}
	joins := map[string]binary{
		"add": {f: sumOf[float64], i: sumOf[int64], u: sumOf[uint64]},
		"mul": {f: prodOf[float64], i: prodOf[int64], u: prodOf[uint64]},
		"max": {f: nanMax, i: func(x, y int64) int64 { return max(x, y) }, u: func(x, y uint64) uint64 { return max(x, y) }},
		"min": {f: nanMin, i: func(x, y int64) int64 { return min(x, y) }, u: func(x, y uint64) uint64 { return min(x, y) }},
	}
	reduction := n.Attrs.Str("reduction", "none")
	if reduction == "none" {
		b.Run = bySize(dt, scatterAt[uint8](p), scatterAt[uint16](p), scatterAt[uint32](p), scatterAt[uint64](p))
		return b, nil
	}
	j, ok := joins[reduction]
	if !ok {
		return b, fmt.Errorf("reduction %q is unknown", reduction)
	}
	switch classOf(dt) {
	case classInt:
		b.Run = scatterJoin(p, j.i)
	case classUint:
		b.Run = scatterJoin(p, j.u)
	default:
		b.Run = scatterJoin(p, j.f)
	}
	return b, nil
}
