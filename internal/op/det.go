package op

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Det is the determinant of each matrix (last two axes); Inverse is its inverse. d det(A) =
// det(A) * A^-T.
func init() {
	matrices := func(n *ir.Node) (tensor.Shape, error) {
		if err := inputs(n, 1, 1); err != nil {
			return nil, err
		}
		s := n.In(0).Type.Shape
		if len(s) < 2 || s[len(s)-1] != s[len(s)-2] {
			return nil, fmt.Errorf("%v holds no square matrices", s)
		}
		return s, floats(n, 0)
	}
	example := tensor.Of([]float32{2, 1, 0.5, -1, 3, 1, 1, -2, 4}, 3, 3)
	register(ir.Def{
		Name: "Det",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			s, err := matrices(n)
			if err != nil {
				return nil, err
			}
			return []ir.Type{{DType: n.In(0).Type.DType, Shape: s[:len(s)-2]}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			y := b.Op("Mul", nil, dy[0], n.Outputs[0])
			s := n.In(0).Type.Shape
			perm, _ := axesOf(nil, len(s))
			perm[len(s)-1], perm[len(s)-2] = perm[len(s)-2], perm[len(s)-1]
			inv := transpose(b, b.Op("Inverse", nil, n.In(0)), perm...)
			return []*ir.Value{b.Op("Mul", nil, inv, reshape(b, y, append(s[:len(s)-2].Clone(), 1, 1)))}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			s := n.In(0).Type.Shape
			k := s[len(s)-1]
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				x, y := in[0].Float64s(), wideOut[float64](out[0])
				for i := range y {
					y[i] = eliminate(x[i*k*k:(i+1)*k*k], nil, k)
				}
				narrow(out[0], y)
				return nil
			}}, nil
		},
		ONNX: onnx("Det", 11),
		Cases: func() []ir.Case {
			return []ir.Case{{Inputs: []*tensor.Tensor{example}, Want: []*tensor.Tensor{tensor.Scalar(float32(32.5))}}}
		},
	})
	register(ir.Def{
		Name: "Inverse",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			_, err := matrices(n)
			return []ir.Type{n.In(0).Type}, err
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			s := n.In(0).Type.Shape
			k := s[len(s)-1]
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				x, y := in[0].Float64s(), make([]float64, in[0].Len())
				for at := 0; at < len(x); at += k * k {
					if eliminate(x[at:at+k*k], y[at:at+k*k], k) == 0 {
						return fmt.Errorf("a matrix is singular")
					}
				}
				narrow(out[0], y)
				return nil
			}}, nil
		},
		Cases: func() []ir.Case {
			return []ir.Case{{Inputs: []*tensor.Tensor{tensor.Of([]float32{2, 1, 0, 4}, 2, 2)}, Want: []*tensor.Tensor{tensor.Of([]float32{0.5, -0.125, 0, 0.25}, 2, 2)}}}
		},
	})
}

// eliminate brings the k x k matrix a to the identity by Gauss and Jordan's rule with pivots,
// writes its inverse to inv unless that is nil, and returns its determinant. It destroys a.
func eliminate(a, inv []float64, k int) float64 {
	if inv == nil {
		inv = make([]float64, k*k)
	}
	clear(inv)
	for i := range k {
		inv[i*k+i] = 1
	}
	det := 1.0
	for c := range k {
		pivot := c
		for r := c + 1; r < k; r++ {
			if math.Abs(a[r*k+c]) > math.Abs(a[pivot*k+c]) {
				pivot = r
			}
		}
		p := a[pivot*k+c]
		if p == 0 {
			return 0
		}
		if pivot != c {
			det = -det
			for _, m := range [][]float64{a, inv} {
				row := slices.Clone(m[c*k : (c+1)*k])
				copy(m[c*k:(c+1)*k], m[pivot*k:(pivot+1)*k])
				copy(m[pivot*k:(pivot+1)*k], row)
			}
		}
		det *= p
		for j := range k {
			a[c*k+j] /= p
			inv[c*k+j] /= p
		}
		for r := range k {
			if f := a[r*k+c]; r != c && f != 0 {
				for j := range k {
					a[r*k+j] -= f * a[c*k+j]
					inv[r*k+j] -= f * inv[c*k+j]
				}
			}
		}
	}
	return det
}
