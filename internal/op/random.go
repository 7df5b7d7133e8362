package op

import (
	"fmt"
	"hash/fnv"
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Random returns numbers of the type named by the attribute to, uniform from low to high, or normal
// with mean and scale if the attribute distribution is normal. They depend on the seed, the
// position and the number of earlier runs of this node. The attribute random prevents folding.
func init() {
	register(ir.Def{
		Name:  "Random",
		Attrs: map[string]ir.AttrType{"to": ir.AttrString, "seed": ir.AttrInt},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			dt, err := dtypeNamed(n.Attrs.Str("to", "float32"))
			if err != nil {
				return nil, err
			}
			if !dt.IsFloat() {
				return nil, fmt.Errorf("has no meaning for %v", dt)
			}
			s := tensor.Shape(n.Attrs.Ints("shape"))
			return []ir.Type{{DType: dt, Shape: s}}, checkShape(s)
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			a := n.Attrs
			lo, hi := float64(a.Float("low", 0)), float64(a.Float("high", 1))
			mean, scale := float64(a.Float("mean", 0)), float64(a.Float("scale", 1))
			normal := a.Str("distribution", "uniform") == "normal"
			key := mix(uint64(a.Int("seed", 0)))
			runs := uint64(0)
			return ir.Bound{Stateful: true, Run: func(_, out []*tensor.Tensor, _ []byte) error {
				runs++
				stream := mix(key + runs)
				y := wideOut[float64](out[0])
				kernel.Parallel((len(y)+copyBlock-1)/copyBlock, func(task int) {
					for i := task * copyBlock; i < min((task+1)*copyBlock, len(y)); i++ {
						u := float64(mix(stream+2*uint64(i))>>11) / (1 << 53)
						if normal { // Box and Muller
							v := float64(mix(stream+2*uint64(i)+1)>>11) / (1 << 53)
							y[i] = mean + scale*math.Sqrt(-2*math.Log(1-u))*math.Cos(2*math.Pi*v)
						} else {
							y[i] = lo + (hi-lo)*u
						}
					}
				})
				narrow(out[0], y)
				return nil
			}}, nil
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "uniform", Attrs: ir.Attrs{"shape": []int{3}, "low": float32(2), "high": float32(2)}, Want: []*tensor.Tensor{floats32(2, 2, 2)}},
				{Name: "normal", Attrs: ir.Attrs{"shape": []int{3}, "distribution": "normal", "mean": float32(1), "scale": float32(0)}, Want: []*tensor.Tensor{floats32(1, 1, 1)}},
			}
		},
	})
	like := func(distribution string) func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		return func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			dt, shape := tensor.Float32, tensor.Shape(n.Attrs.Ints("shape"))
			if x := n.In(0); x != nil {
				dt, shape = x.Type.DType, x.Type.Shape
			}
			v, err := randomValues(b, n, distribution, dt, shape)
			return []*ir.Value{v}, err
		}
	}
	ir.RegisterForms(
		ir.Form{Op: "RandomUniform", Since: 1, Lower: like("uniform")},
		ir.Form{Op: "RandomUniformLike", Since: 1, Lower: like("uniform")},
		ir.Form{Op: "RandomNormal", Since: 1, Lower: like("normal")},
		ir.Form{Op: "RandomNormalLike", Since: 1, Lower: like("normal")},
		// Bernoulli is 1 with the probability that its input gives.
		ir.Form{Op: "Bernoulli", Since: 15, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			p := n.In(0)
			dt := p.Type.DType
			if n.Attrs.Has("dtype") {
				var err error
				if dt, err = onnxType(n.Attrs.Int("dtype", 1)); err != nil {
					return nil, err
				}
			}
			m := &ir.Node{Name: n.Name, Attrs: ir.Attrs{}}
			if n.Attrs.Has("seed") {
				m.Attrs["seed"] = n.Attrs["seed"]
			}
			u, err := randomValues(b, m, "uniform", p.Type.DType, p.Type.Shape)
			if err != nil {
				return nil, err
			}
			return []*ir.Value{cast(b, b.Op("Less", nil, u, p), dt)}, b.Err()
		}},
	)
}

// randomValues builds a Random for an ONNX node. Without a seed of its own, its name is the seed.
func randomValues(b *ir.Builder, n *ir.Node, distribution string, dt tensor.DType, shape tensor.Shape) (*ir.Value, error) {
	if n.Attrs.Has("dtype") {
		var err error
		if dt, err = onnxType(n.Attrs.Int("dtype", 1)); err != nil {
			return nil, err
		}
	}
	h := fnv.New64a()
	h.Write([]byte(n.Name))
	seed := int(h.Sum64() >> 1)
	if n.Attrs.Has("seed") {
		seed = int(math.Float32bits(n.Attrs.Float("seed", 0)))
	}
	attrs := ir.Attrs{"to": dt.String(), "shape": []int(shape), "distribution": distribution, "seed": seed, "random": 1}
	for _, k := range []string{"low", "high", "mean", "scale"} {
		if n.Attrs.Has(k) {
			attrs[k] = n.Attrs[k]
		}
	}
	return b.Op("Random", attrs), b.Err()
}
