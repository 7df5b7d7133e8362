package op

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// LayerNormalization(x, scale, bias) normalises over the axes from attribute axis (default -1) on:
//
//	y = (x-mean)*invstd*scale + bias,  invstd = 1/sqrt(variance+epsilon)
//
// and gives y, mean and invstd. scale and the optional bias have the shape of the axes normalised
// over. RMSNormalization(x, scale) is y = x*invrms*scale, invrms = 1/sqrt(mean(x*x)+epsilon), and
// gives y and invrms.
//
// LayerNormalizationGrad(x, dy, scale, mean, invstd) gives dx, dscale, dbias and
// RMSNormalizationGrad(x, dy, scale, invrms) dx, dscale.
func init() {
	shapes := []struct {
		x    tensor.Shape
		axis int
	}{{tensor.Shape{3, 8}, -1}, {tensor.Shape{2, 3, 4}, 1}, {tensor.Shape{2, 2, 5}, -1}, {tensor.Shape{2, 3}, 0}}
	cases := func(f func(x, norm, rows tensor.Shape) []*tensor.Tensor) (cs []ir.Case) {
		for _, s := range shapes {
			axis, _ := axisOf(s.axis, len(s.x))
			cs = append(cs, ir.Case{
				Name: s.x.String(), Attrs: ir.Attrs{"axis": s.axis, "epsilon": float32(1e-3)}, Range: [2]float64{-1, 2},
				Inputs: f(s.x, s.x[axis:], rowShape(s.x, axis)),
			})
		}
		return cs
	}
	register(ir.Def{
		Name:   "LayerNormalization",
		Traits: ir.Traits{Cheap: true, Batch: ir.BatchKept, Inputs: []ir.Use{ir.UseData, ir.UseScale, ir.UseShift}, Rows: rowsBefore("axis", -1)},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			m, err := rowNormOf(n, 2, 3)
			return []ir.Type{m.x, m.stats, m.stats}, err
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			if dy[1] != nil || dy[2] != nil {
				b.Fail(n.Errorf("no gradient through the mean or deviation"))
				return nil
			}
			dx := b.Ops("LayerNormalizationGrad", n.Attrs, n.In(0), dy[0], n.In(1), n.Outputs[1], n.Outputs[2])
			return wanted(dx, append(slices.Clip(need), false))[:min(len(dx), len(n.Inputs))]
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			m, err := rowNormOf(n, 2, 3)
			if err != nil {
				return ir.Bound{}, err
			}
			eps := fattr(n.Attrs, "epsilon", 1e-5)
			return m.bind(n, func(in, out [][]float32) {
				kernel.LayerNorm(out[0], in[0], in[1], third(in), out[1], out[2], float32(eps), m.rows, m.width)
			}, func(in, out [][]float64) {
				bias := third(in)
				for r := range m.rows {
					x, y := in[0][r*m.width:][:m.width], out[0][r*m.width:][:m.width]
					var mean, variance float64
					for _, v := range x {
						mean += v / float64(m.width)
					}
					for _, v := range x {
						variance += (v - mean) * (v - mean) / float64(m.width)
					}
					inv := 1 / math.Sqrt(variance+eps)
					for i, v := range x {
						y[i] = (v - mean) * inv * in[1][i]
						if bias != nil {
							y[i] += bias[i]
						}
					}
					put(out[1], r, mean)
					put(out[2], r, inv)
				}
			}, 0)
		},
		Cost: normCost(8),
		ONNX: []ir.Form{
			{Op: "LayerNormalization", Since: 1, Lower: lowerLayerNorm("LayerNormalization")},
			{Domain: "com.microsoft", Op: "SkipLayerNormalization", Since: 1, Lower: lowerSkipLayerNorm("LayerNormalization"),
				Traits: &ir.Traits{Inputs: []ir.Use{ir.UseData, ir.UseData, ir.UseScale, ir.UseShift, ir.UseBias}}},
		},
		Cases: func() []ir.Case {
			return append(eachCase(cases(func(x, norm, _ tensor.Shape) []*tensor.Tensor {
				return []*tensor.Tensor{random(x...), random(norm...), random(norm...)}
			}), func(c *ir.Case) { c.Flow = []int{0} }), ir.Case{
				Name: "without bias", Flow: []int{0}, Inputs: []*tensor.Tensor{random(3, 8), random(8)},
			}, ir.Case{
				Name: "by hand", Attrs: ir.Attrs{"epsilon": float32(0)}, Flow: []int{0}, NoGrad: []int{0},
				Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 3, -2, 2}, 2, 2), tensor.Of([]float32{2, 1}), tensor.Of([]float32{0.5, 0})},
				Want: []*tensor.Tensor{tensor.Of([]float32{-1.5, 1, -1.5, 1}, 2, 2),
					tensor.Of([]float32{2, 0}, 2, 1), tensor.Of([]float32{1, 0.5}, 2, 1)},
			})
		},
	})
	register(ir.Def{
		Name: "LayerNormalizationGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			m, err := rowNormOf(n, 5, 5)
			return []ir.Type{m.x, m.scale, m.scale}, err
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			m, err := rowNormOf(n, 5, 5)
			if err != nil {
				return ir.Bound{}, err
			}
			return m.bind(n, func(in, out [][]float32) {
				kernel.LayerNormGrad(out[0], out[1], out[2], in[1], in[0], in[2], in[3], in[4], m.rows, m.width)
			}, func(in, out [][]float64) {
				m.grad64(in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2])
			}, 1)
		},
		Cost: normCost(11),
		Cases: func() []ir.Case {
			return cases(func(x, norm, rows tensor.Shape) []*tensor.Tensor {
				return []*tensor.Tensor{random(x...), random(x...), random(norm...), random(rows...), random(rows...)}
			})
		},
	})
	register(ir.Def{
		Name:   "RMSNormalization",
		Traits: ir.Traits{Cheap: true, Batch: ir.BatchKept, Inputs: []ir.Use{ir.UseData, ir.UseScale}, Rows: rowsBefore("axis", -1)},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			m, err := rowNormOf(n, 2, 2)
			return []ir.Type{m.x, m.stats}, err
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			if dy[1] != nil {
				b.Fail(n.Errorf("no gradient through the deviation"))
				return nil
			}
			return wanted(b.Ops("RMSNormalizationGrad", n.Attrs, n.In(0), dy[0], n.In(1), n.Outputs[1]), need)
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			m, err := rowNormOf(n, 2, 2)
			if err != nil {
				return ir.Bound{}, err
			}
			eps := fattr(n.Attrs, "epsilon", 1e-5)
			return m.bind(n, func(in, out [][]float32) {
				kernel.RMSNorm(out[0], in[0], in[1], out[1], float32(eps), m.rows, m.width)
			}, func(in, out [][]float64) {
				for r := range m.rows {
					x, y := in[0][r*m.width:][:m.width], out[0][r*m.width:][:m.width]
					var square float64
					for _, v := range x {
						square += v * v / float64(m.width)
					}
					inv := 1 / math.Sqrt(square+eps)
					for i, v := range x {
						y[i] = v * inv * in[1][i]
					}
					put(out[1], r, inv)
				}
			}, 0)
		},
		Cost: normCost(4),
		ONNX: []ir.Form{
			{Op: "RMSNormalization", Since: 23, Lower: lowerLayerNorm("RMSNormalization")},
			{Op: "SimplifiedLayerNormalization", Since: 1, Lower: lowerLayerNorm("RMSNormalization")},
			{Domain: "com.microsoft", Op: "SimplifiedLayerNormalization", Since: 1, Lower: lowerLayerNorm("RMSNormalization")},
			{Domain: "com.microsoft", Op: "SkipSimplifiedLayerNormalization", Since: 1, Lower: lowerSkipLayerNorm("RMSNormalization"),
				Traits: &ir.Traits{Inputs: []ir.Use{ir.UseData, ir.UseData, ir.UseScale, ir.UseBias}}},
		},
		Cases: func() []ir.Case {
			return append(eachCase(cases(func(x, norm, _ tensor.Shape) []*tensor.Tensor {
				return []*tensor.Tensor{random(x...), random(norm...)}
			}), func(c *ir.Case) { c.Flow = []int{0} }), ir.Case{
				Name: "by hand", Attrs: ir.Attrs{"epsilon": float32(0)}, Flow: []int{0}, NoGrad: []int{0},
				Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 7}, 1, 2), tensor.Of([]float32{5, 10})},
				Want:   []*tensor.Tensor{tensor.Of([]float32{1, 14}, 1, 2), tensor.Of([]float32{0.2}, 1, 1)},
			})
		},
	})
	register(ir.Def{
		Name: "RMSNormalizationGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			m, err := rowNormOf(n, 4, 4)
			return []ir.Type{m.x, m.scale}, err
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			m, err := rowNormOf(n, 4, 4)
			if err != nil {
				return ir.Bound{}, err
			}
			return m.bind(n, func(in, out [][]float32) {
				kernel.RMSNormGrad(out[0], out[1], in[1], in[0], in[2], in[3], m.rows, m.width)
			}, func(in, out [][]float64) {
				m.grad64(in[0], in[1], in[2], nil, in[3], out[0], out[1], nil)
			}, 1)
		},
		Cost: normCost(8),
		Cases: func() []ir.Case {
			return cases(func(x, norm, rows tensor.Shape) []*tensor.Tensor {
				return []*tensor.Tensor{random(x...), random(x...), random(norm...), random(rows...)}
			})
		},
	})
}

// third returns input 2, nil if it is absent.
func third[T any](in [][]T) []T {
	if len(in) > 2 {
		return in[2]
	}
	return nil
}

// put stores v where dst is wanted.
func put(dst []float64, i int, v float64) {
	if dst != nil {
		dst[i] = v
	}
}

// rowNorm is the geometry of a normalisation over the last axes.
type rowNorm struct {
	x, scale, stats ir.Type
	rows, width     int
}

// rowShape is x's shape with the axes from axis on set to 1: that of the statistics.
func rowShape(x tensor.Shape, axis int) tensor.Shape {
	s := x.Clone()
	for i := axis; i < len(s); i++ {
		s[i] = 1
	}
	return s
}

// rowNormOf checks a node of the family that has lo to hi inputs.
func rowNormOf(n *ir.Node, lo, hi int) (m rowNorm, err error) {
	if err = inputs(n, lo, hi); err != nil {
		return m, err
	}
	scale, vectors := 1, 2 // position of the scale; inputs from it on that have its shape
	if lo > 2 {
		scale, vectors = 2, 1
		if !n.In(1).Type.Equal(n.In(0).Type) {
			return m, errorf("x is %v, dy %v", n.In(0).Type, n.In(1).Type)
		}
	}
	if err = floats(n, 0, scale); err != nil {
		return m, err
	}
	m.x, m.scale = n.In(0).Type, n.In(scale).Type
	axis, err := axisOf(n.Attrs.Int("axis", -1), len(m.x.Shape))
	if err != nil {
		return m, err
	}
	for i := scale; i < scale+vectors; i++ {
		if v := n.In(i); v != nil && !v.Type.Equal(ir.Type{DType: m.x.DType, Shape: m.x.Shape[axis:]}) {
			return m, errorf("input %d is %v, not %v%v", i, v.Type, m.x.DType, m.x.Shape[axis:])
		}
	}
	m.rows, m.width = m.x.Shape[:axis].Len(), m.x.Shape[axis:].Len()
	m.stats = ir.Type{DType: m.x.DType, Shape: rowShape(m.x.Shape, axis)}
	for i := scale + vectors; i < len(n.Inputs) && lo > 2; i++ {
		if !n.In(i).Type.Equal(m.stats) {
			return m, errorf("input %d is %v, not %v", i, n.In(i).Type, m.stats)
		}
	}
	return m, nil
}

func (m rowNorm) bind(n *ir.Node, fast func(in, out [][]float32), slow func(in, out [][]float64), inPlace int) (ir.Bound, error) {
	im := images{last: true, in: make([]*image, len(n.Inputs)), out: make([]*image, len(n.Outputs))}
	return bindImages(n, im, fast, slow, inPlace)
}

// grad64 is the gradient in float64: of layer normalisation, or with a nil mean of RMS
// normalisation. The results may be nil.
func (m rowNorm) grad64(x, dy, scale, mean, inv, dx, dscale, dbias []float64) {
	clear(dscale)
	clear(dbias)
	for r := range m.rows {
		var mu, sg, sgh float64
		if mean != nil {
			mu = mean[r]
		}
		at := r * m.width
		for i := range m.width {
			h := (x[at+i] - mu) * inv[r]
			g := dy[at+i]
			if dscale != nil {
				dscale[i] += g * h
			}
			if dbias != nil {
				dbias[i] += g
			}
			sg += g * scale[i] / float64(m.width)
			sgh += g * scale[i] * h / float64(m.width)
		}
		if mean == nil {
			sg = 0
		}
		for i := range m.width {
			if dx != nil {
				dx[at+i] = inv[r] * (dy[at+i]*scale[i] - sg - (x[at+i]-mu)*inv[r]*sgh)
			}
		}
	}
}

// lowerLayerNorm brings scale and bias, which ONNX broadcasts, to the shape normalised over.
func lowerLayerNorm(op string) func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	return func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 2, 3); err != nil {
			return nil, err
		}
		x := n.In(0)
		axis, err := axisOf(n.Attrs.Int("axis", -1), len(x.Type.Shape))
		if err != nil {
			return nil, err
		}
		a := ir.Attrs{"axis": axis, "epsilon": n.Attrs.Float("epsilon", 1e-5)}
		ins := []*ir.Value{x, fitVector(b, n.In(1), x, axis)}
		if bias := n.In(2); bias != nil {
			ins = append(ins, fitVector(b, bias, x, axis))
		}
		return b.Ops(op, a, ins...), nil
	}
}

// fitVector gives v the shape of x's axes from axis on, and x's type.
func fitVector(b *ir.Builder, v, x *ir.Value, axis int) *ir.Value {
	shape := x.Type.Shape[axis:]
	v = cast(b, v, x.Type.DType)
	if v != nil && !v.Type.Shape.Equal(shape) {
		if v.Type.Shape.Len() == shape.Len() {
			return b.Op("Reshape", ir.Attrs{"shape": []int(shape)}, v)
		}
		return expandTo(b, v, shape)
	}
	return v
}

// lowerSkipLayerNorm is the contributed operator norm(input + skip + bias): its inputs are input,
// skip, gamma, beta (not for RMS) and bias, its outputs the result and, as number 3, the sum.
func lowerSkipLayerNorm(op string) func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	return func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 3, 5); err != nil {
			return nil, err
		}
		sum := b.Op("Add", nil, n.In(0), n.In(1))
		beta, bias := n.In(3), n.In(4)
		if op == "RMSNormalization" {
			beta, bias = nil, n.In(3)
		}
		if bias != nil {
			sum = b.Op("Add", nil, sum, bias)
		}
		ins := []*ir.Value{sum, n.In(2)}
		if beta != nil {
			ins = append(ins, beta)
		}
		out := b.Ops(op, ir.Attrs{"epsilon": n.Attrs.Float("epsilon", 1e-12)}, ins...)
		if out == nil {
			return nil, b.Err()
		}
		return []*ir.Value{out[0], nil, nil, sum}, nil
	}
}
