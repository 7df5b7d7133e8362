package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// GlobalAveragePool(x) is the mean over the spatial axes, which become 1.
func init() {
	out := func(n *ir.Node) (x, y image, err error) {
		if err = inputs(n, 1, 1); err == nil {
			err = floats(n, 0)
		}
		if err != nil {
			return
		}
		x, err = imageOf(n, n.In(0).Type.Shape)
		y = x
		y.spatial = make(tensor.Shape, len(x.spatial))
		for i := range y.spatial {
			y.spatial[i] = 1
		}
		return
	}
	register(ir.Def{
		Name:   "GlobalAveragePool",
		Traits: ir.Traits{Pools: true, Spatial: []int{0}, Batch: ir.BatchFirst},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			_, y, err := out(n)
			if err != nil {
				return nil, err
			}
			return []ir.Type{{DType: n.In(0).Type.DType, Shape: y.shape()}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			x, _, err := out(n)
			if err != nil {
				b.Fail(err)
				return nil
			}
			g := b.Op("Mul", nil, dy[0], scalar(b, n.In(0).Type.DType, 1/float64(x.size())))
			return []*ir.Value{expandTo(b, g, n.In(0).Type.Shape)}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x, _, err := out(n)
			if err != nil {
				return ir.Bound{}, err
			}
			outer, inner := x.n*x.c, 1
			if x.last {
				outer, inner = x.n, x.c
			}
			run, err := forFloat(n.In(0).Type.DType, func(in, out []*tensor.Tensor, _ []byte) error {
				kernel.Reduce(kernel.ReduceMean, out[0].F32(), in[0].F32(), outer, x.size(), inner)
				return nil
			}, func(in, out []*tensor.Tensor, _ []byte) error {
				p, q := f64(in[0]), f64(out[0])
				for i := range outer {
					for j := range inner {
						var sum float64
						for k := range x.size() {
							sum += p[(i*x.size()+k)*inner+j]
						}
						q[i*inner+j] = sum / float64(x.size())
					}
				}
				return nil
			})
			return ir.Bound{Run: run}, err
		},
		Cost: func(n *ir.Node) ir.Cost {
			return ir.Cost{FLOPs: int64(n.In(0).Type.Shape.Len()), Bytes: bytesMoved(n)}
		},
		ONNX: onnx("GlobalAveragePool", 1),
		Cases: func() []ir.Case {
			return append(bothLayouts("two axes", nil, func(_ ir.Attrs, s func(...int) []int) ir.Case {
				return ir.Case{Inputs: []*tensor.Tensor{random(s(2, 5, 3, 4)...)}}
			}), bothLayouts("one axis", nil, func(_ ir.Attrs, s func(...int) []int) ir.Case {
				return ir.Case{Inputs: []*tensor.Tensor{random(s(2, 3, 4)...)}}
			})...)
		},
	})
}
