package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// GroupNormalization(x, scale, bias) normalises, for each example, groups of neighbouring channels
// over channels and positions, and gives y, mean and 1/sqrt(variance+epsilon), the latter two of
// shape [N, num_groups]. scale and bias have one value a channel. Instance normalisation is one
// channel a group.
//
// GroupNormalizationGrad(x, dy, scale, mean, invstd) gives dx, dscale and dbias.
func init() {
	cases := func(f func(x []int, c, groups int) []*tensor.Tensor) (cs []ir.Case) {
		for _, s := range []struct {
			x      tensor.Shape
			groups int
		}{{tensor.Shape{2, 6, 3, 4}, 3}, {tensor.Shape{2, 4, 5}, 4}, {tensor.Shape{3, 4, 2, 2}, 1}} {
			a := ir.Attrs{"num_groups": s.groups, "epsilon": float32(1e-3)}
			cs = append(cs, bothLayouts(s.x.String(), a, func(_ ir.Attrs, l func(...int) []int) ir.Case {
				return ir.Case{Inputs: f(l(s.x...), s.x[1], s.groups), Range: [2]float64{-1, 2}}
			})...)
		}
		return cs
	}
	register(ir.Def{
		Name:   "GroupNormalization",
		Traits: ir.Traits{Spatial: []int{0}, Batch: ir.BatchKept, Inputs: []ir.Use{ir.UseData, ir.UseScale, ir.UseShift}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			m, err := groupNormOf(n, 3)
			stats := ir.Type{DType: m.x.DType, Shape: tensor.Shape{m.n, m.groups}}
			return []ir.Type{m.x, stats, stats}, err
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			if dy[1] != nil || dy[2] != nil {
				b.Fail(n.Errorf("no gradient through the mean or deviation"))
				return nil
			}
			return wanted(b.Ops("GroupNormalizationGrad", n.Attrs, n.In(0), dy[0], n.In(1), n.Outputs[1], n.Outputs[2]), need)
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			m, err := groupNormOf(n, 3)
			if err != nil {
				return ir.Bound{}, err
			}
			eps := fattr(n.Attrs, "epsilon", 1e-5)
			return m.bind(n, []int{0}, []int{0}, func(in, out [][]float32) {
				k := m.n * m.groups
				kernel.GroupNorm(out[0], in[0], in[1], in[2], orNew(out[1], k), orNew(out[2], k), float32(eps), m.n, m.size(), m.c, m.groups)
			}, func(in, out [][]float64) {
				m.each(func(g int, at, ch []int) {
					var mean, variance float64
					k := float64(len(at))
					for _, i := range at {
						mean += in[0][i] / k
					}
					for _, i := range at {
						variance += (in[0][i] - mean) * (in[0][i] - mean) / k
					}
					r := 1 / math.Sqrt(variance+eps)
					for j, i := range at {
						out[0][i] = (in[0][i]-mean)*r*in[1][ch[j]] + in[2][ch[j]]
					}
					put(out[1], g, mean)
					put(out[2], g, r)
				})
			}, 0)
		},
		Cost: normCost(8),
		ONNX: []ir.Form{
			{Op: "GroupNormalization", Since: 18, Lower: lowerGroupNorm},
			{Op: "InstanceNormalization", Since: 1, Lower: lowerInstanceNorm},
		},
		Cases: func() []ir.Case {
			return eachCase(cases(func(x []int, c, groups int) []*tensor.Tensor {
				return []*tensor.Tensor{random(x...), random(c), random(c)}
			}), func(c *ir.Case) { c.Flow = []int{0} })
		},
	})
	register(ir.Def{
		Name: "GroupNormalizationGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			m, err := groupNormOf(n, 5)
			if err != nil {
				return nil, err
			}
			return []ir.Type{m.x, n.In(2).Type, n.In(2).Type}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			m, err := groupNormOf(n, 5)
			if err != nil {
				return ir.Bound{}, err
			}
			return m.bind(n, []int{0, 1}, []int{0}, func(in, out [][]float32) {
				kernel.GroupNormGrad(out[0], orNew(out[1], m.c), orNew(out[2], m.c), in[1], in[0], in[2], in[3], in[4], m.n, m.size(), m.c, m.groups)
			}, func(in, out [][]float64) {
				clear(out[1])
				clear(out[2])
				m.each(func(g int, at, ch []int) {
					mean, r, k := in[3][g], in[4][g], float64(len(at))
					var sg, sgh float64
					for j, i := range at {
						h := (in[0][i] - mean) * r
						if out[1] != nil {
							out[1][ch[j]] += in[1][i] * h
						}
						if out[2] != nil {
							out[2][ch[j]] += in[1][i]
						}
						sg += in[1][i] * in[2][ch[j]] / k
						sgh += in[1][i] * in[2][ch[j]] * h / k
					}
					for j, i := range at {
						if out[0] != nil {
							out[0][i] = r * (in[1][i]*in[2][ch[j]] - sg - (in[0][i]-mean)*r*sgh)
						}
					}
				})
			}, 1)
		},
		Cost: normCost(12),
		Cases: func() []ir.Case {
			return cases(func(x []int, c, groups int) []*tensor.Tensor {
				return []*tensor.Tensor{random(x...), random(x...), random(c), random(x[0], groups), random(x[0], groups)}
			})
		},
	})
}

// groupNorm is the geometry of a normalisation by groups of channels.
type groupNorm struct {
	channelNorm
	x      ir.Type
	groups int
}

// groupNormOf checks a node with k inputs: 3 for the operator, 5 for its gradient.
func groupNormOf(n *ir.Node, k int) (m groupNorm, err error) {
	if err = inputs(n, k, k); err != nil {
		return m, err
	}
	if err = floats(n, 0, 1, 2, 3, 4); err != nil {
		return m, err
	}
	m.x = n.In(0).Type
	if m.image, err = imageOf(n, m.x.Shape); err != nil {
		return m, err
	}
	m.groups = n.Attrs.Int("num_groups", 0)
	if m.groups < 1 || m.c%m.groups != 0 {
		return m, errorf("num_groups %d does not divide %d channels", m.groups, m.c)
	}
	perChannel, perGroup := tensor.Shape{m.c}, tensor.Shape{m.n, m.groups}
	want := []tensor.Shape{m.x.Shape, perChannel, perChannel}
	if k == 5 {
		want = []tensor.Shape{m.x.Shape, m.x.Shape, perChannel, perGroup, perGroup}
	}
	for i, s := range want {
		if !n.In(i).Type.Shape.Equal(s) {
			return m, errorf("input %d has shape %v, not %v", i, n.In(i).Type.Shape, s)
		}
	}
	return m, nil
}

// each calls f for each group with the indices of its elements and their channels.
func (m groupNorm) each(f func(g int, at, ch []int)) {
	w := m.c / m.groups
	var at, ch []int
	for g := range m.n * m.groups {
		at, ch = at[:0], ch[:0]
		for c := g % m.groups * w; c < (g%m.groups+1)*w; c++ {
			for p := range m.size() {
				at = append(at, m.image.at(g/m.groups, c, p))
				ch = append(ch, c)
			}
		}
		f(g, at, ch)
	}
}

// lowerGroupNorm: until version 20 scale and bias had one value a group.
func lowerGroupNorm(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 3, 3); err != nil {
		return nil, err
	}
	x := n.In(0)
	groups := n.Attrs.Int("num_groups", 0)
	if len(x.Type.Shape) < 2 || groups < 1 {
		return nil, errorf("num_groups %d does not fit input %v", groups, x.Type.Shape)
	}
	c := x.Type.Shape[1]
	perChannel := func(v *ir.Value) *ir.Value {
		v = cast(b, v, x.Type.DType)
		if v == nil || v.Type.Shape.Equal(tensor.Shape{c}) || v.Type.Shape.Len() != groups {
			return v
		}
		v = b.Op("Reshape", ir.Attrs{"shape": []int{groups, 1}}, v)
		v = expandTo(b, v, tensor.Shape{groups, c / groups})
		return b.Op("Reshape", ir.Attrs{"shape": []int{c}}, v)
	}
	a := ir.Attrs{"num_groups": groups, "epsilon": n.Attrs.Float("epsilon", 1e-5)}
	return []*ir.Value{b.Op("GroupNormalization", a, x, perChannel(n.In(1)), perChannel(n.In(2)))}, nil
}

func lowerInstanceNorm(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 3, 3); err != nil {
		return nil, err
	}
	s := n.In(0).Type.Shape
	if len(s) < 3 {
		return nil, errorf("input %v has no spatial axis", s)
	}
	a := ir.Attrs{"num_groups": s[1], "epsilon": n.Attrs.Float("epsilon", 1e-5)}
	return []*ir.Value{b.Op("GroupNormalization", a, n.Inputs...)}, nil
}
