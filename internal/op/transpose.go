package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Transpose permutes the axes: axis i of the output is axis perm[i] of the input. If perm is
// absent, the order is reversed.
func init() {
	register(ir.Def{
		Name:   "Transpose",
		Traits: ir.Traits{HandsOn: true, Cheap: true, Rows: rowsAlways},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x := n.In(0).Type
			perm := permOf(n)
			if got, err := axesOf(perm, len(x.Shape)); err != nil || len(got) != len(x.Shape) {
				return nil, fmt.Errorf("perm %v is no order of %d axes", perm, len(x.Shape))
			}
			return []ir.Type{{DType: x.DType, Shape: permuted(x.Shape, perm)}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{transpose(b, dy[0], inverse(permOf(n))...)}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x := n.In(0).Type
			p := newPermutation(x.Shape, permOf(n))
			if p.inner {
				if c := p.copy; len(c.dims) == 1 && c.dst[0] == 1 && c.src[0] == 1 {
					return ir.Bound{View: true}, nil
				}
			}
			return ir.Bound{Run: bySize(x.DType, permute[uint8](p), permute[uint16](p), permute[uint32](p), permute[uint64](p))}, nil
		},
		ONNX: onnx("Transpose", 1),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "reverse", Inputs: []*tensor.Tensor{random(2, 3, 4)}},
				{Name: "NCHW to NHWC", Attrs: ir.Attrs{"perm": []int{0, 2, 3, 1}}, Inputs: []*tensor.Tensor{random(2, 3, 4, 5)}},
				{Name: "NHWC to NCHW", Attrs: ir.Attrs{"perm": []int{0, 3, 1, 2}}, Inputs: []*tensor.Tensor{random(2, 4, 5, 33)}},
				{Name: "heads", Attrs: ir.Attrs{"perm": []int{0, 2, 1, 3}}, Inputs: []*tensor.Tensor{random(2, 5, 3, 4)}},
				{Name: "keys", Attrs: ir.Attrs{"perm": []int{0, 2, 3, 1}}, Inputs: []*tensor.Tensor{random(2, 40, 3, 35)}},
				{Name: "view", Attrs: ir.Attrs{"perm": []int{0, 2, 1, 3}}, Inputs: []*tensor.Tensor{random(2, 1, 3, 4)}},
				{Name: "bool", Inputs: []*tensor.Tensor{tensor.Of([]bool{true, false, false, true, false, false}, 2, 3)},
					Want: []*tensor.Tensor{tensor.Of([]bool{true, true, false, false, false, false}, 3, 2)}},
			}
		},
	})
}

// transpose builds v with its axes in another order.
func transpose(b *ir.Builder, v *ir.Value, perm ...int) *ir.Value {
	if v == nil {
		return nil
	}
	return b.Op("Transpose", ir.Attrs{"perm": perm}, v)
}

// permOf is the node's order of axes, resolved.
func permOf(n *ir.Node) []int {
	rank := len(n.In(0).Type.Shape)
	perm := slices.Clone(n.Attrs.Ints("perm"))
	if !n.Attrs.Has("perm") {
		for i := range rank {
			perm = append(perm, rank-1-i)
		}
	}
	for i, p := range perm {
		if p < 0 {
			perm[i] = p + rank
		}
	}
	if perm == nil {
		perm = []int{}
	}
	return perm
}

func permuted(s tensor.Shape, perm []int) tensor.Shape {
	out := make(tensor.Shape, len(perm))
	for i, p := range perm {
		out[i] = s[p]
	}
	return out
}

func inverse(perm []int) []int {
	inv := make([]int, len(perm))
	for i, p := range perm {
		inv[p] = i
	}
	return inv
}

// permutation is a planned transpose. Where the last axis stays last, runs are copied (inner). Else
// the output's last axis and the one that is dense in the input make planes of rows x cols,
// transposed tile by tile so that both sides stay in the cache.
type permutation struct {
	inner      bool
	copy       strided // inner: everything; else the axes outside the plane
	rows, cols int
	rowStride  int // of the output between rows; columns lie rowStep apart in the input
	colStride  int
}

func newPermutation(shape tensor.Shape, perm []int) permutation {
	in := shape.Strides()
	s := strided{dims: permuted(shape, perm), src: permuted(in, perm)}
	s.dst = tensor.Shape(s.dims).Strides()
	s = s.merged()
	last := len(s.dims) - 1
	if s.src[last] == 1 || tensor.Shape(s.dims).Len() == 0 {
		return permutation{inner: true, copy: s}
	}
	k := slices.Index(s.src, 1)
	p := permutation{rows: s.dims[k], cols: s.dims[last], rowStride: s.dst[k], colStride: s.src[last]}
	for i := range s.dims {
		if i != k && i != last {
			p.copy.dims = append(p.copy.dims, s.dims[i])
			p.copy.dst = append(p.copy.dst, s.dst[i])
			p.copy.src = append(p.copy.src, s.src[i])
		}
	}
	return p
}

// planeRows is the number of rows of a plane that one task transposes, planeTile the side of a
// tile.
const (
	planeRows = 256
	planeTile = 32
)

func permute[W word](p permutation) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		permuteInto(bits[W](out[0]), bits[W](in[0]), p)
		return nil
	}
}

func permuteInto[W word](dst, src []W, p permutation) {
	if p.inner {
		copyStrided(dst, src, p.copy)
		return
	}
	outer := tensor.Shape(p.copy.dims)
	bands := (p.rows + planeRows - 1) / planeRows
	kernel.Parallel(outer.Len()*bands, func(task int) {
		o, band := task/bands, task%bands
		d, s := 0, 0
		for k := len(outer) - 1; k >= 0; k-- {
			d += o % outer[k] * p.copy.dst[k]
			s += o % outer[k] * p.copy.src[k]
			o /= outer[k]
		}
		for r0 := band * planeRows; r0 < min((band+1)*planeRows, p.rows); r0 += planeTile {
			rows := min(planeTile, p.rows-r0)
			for c0 := 0; c0 < p.cols; c0 += planeTile {
				cols := min(planeTile, p.cols-c0)
				transposeTile(dst[d+r0*p.rowStride+c0:], src[s+r0+c0*p.colStride:], rows, cols, p.rowStride, p.colStride)
			}
		}
	})
}

// transposeTile is dst[r*rowStride + c] = src[r + c*colStride].
func transposeTile[W word](dst, src []W, rows, cols, rowStride, colStride int) {
	c := 0
	for ; c+4 <= cols; c += 4 {
		a := src[c*colStride:][:rows]
		b := src[(c+1)*colStride:][:rows]
		e := src[(c+2)*colStride:][:rows]
		f := src[(c+3)*colStride:][:rows]
		at := c
		for r := range a {
			q := dst[at : at+4 : at+4]
			q[0], q[1], q[2], q[3] = a[r], b[r], e[r], f[r]
			at += rowStride
		}
	}
	if c+3 == cols { // as the colours of a picture
		a := src[c*colStride:][:rows]
		b := src[(c+1)*colStride:][:rows]
		e := src[(c+2)*colStride:][:rows]
		at := c
		for r := range a {
			q := dst[at : at+3 : at+3]
			q[0], q[1], q[2] = a[r], b[r], e[r]
			at += rowStride
		}
		return
	}
	for ; c < cols; c++ {
		at := c
		for _, v := range src[c*colStride:][:rows] {
			dst[at] = v
			at += rowStride
		}
	}
}
