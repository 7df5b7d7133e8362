package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// BatchNormalization(x, scale, bias, mean, variance) normalises by given statistics:
//
//	y = (x-mean)/sqrt(variance+epsilon)*scale + bias
//
// BatchNormalizationGrad(x, dy, scale, mean, variance) gives dx, dscale and dbias. x may be absent
// where dx alone is wanted.
//
// BatchNormTrain(x, scale, bias) normalises by the statistics of x itself and gives y, their mean,
// biased variance and 1/sqrt(variance+epsilon), all by channel.
//
// BatchNormTrainGrad(x, dy, scale, mean, invstd) gives dx, through the statistics too, dscale and
// dbias.
func init() {
	cases := func(f func(x []int, c int) []*tensor.Tensor) (cs []ir.Case) {
		for _, s := range []tensor.Shape{{3, 4, 3, 5}, {4, 3, 2}, {6, 5}} {
			cs = append(cs, bothLayouts(s.String(), ir.Attrs{"epsilon": float32(1e-3)}, func(_ ir.Attrs, l func(...int) []int) ir.Case {
				return ir.Case{Inputs: f(l(s...), s[1]), Range: [2]float64{0.5, 2}}
			})...)
		}
		return cs
	}
	register(ir.Def{
		Name: "BatchNormalization",
		Traits: ir.Traits{Cheap: true, Spatial: []int{0}, Batch: ir.BatchKept,
			Inputs: []ir.Use{ir.UseData, ir.UseScale, ir.UseShift, ir.UseMean, ir.UseVariance}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			_, err := batchNormOf(n, 5, 0, 1, 2, 3, 4)
			return []ir.Type{n.In(0).Type}, err
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			x := n.In(0)
			if !need[1] && !need[2] {
				x = nil
			}
			dx := b.Ops("BatchNormalizationGrad", n.Attrs, x, dy[0], n.In(1), n.In(3), n.In(4))
			return append(wanted(dx, need), nil, nil)
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			m, err := batchNormOf(n, 5, 0, 1, 2, 3, 4)
			if err != nil {
				return ir.Bound{}, err
			}
			eps := fattr(n.Attrs, "epsilon", 1e-5)
			return m.bind(n, []int{0}, []int{0}, func(in, out [][]float32) {
				s, t := make([]float32, m.c), make([]float32, m.c)
				r := make([]float32, len(s))
				kernel.InvStd(r, in[4], float32(eps))
				kernel.NormScaleShift(s, t, in[1], in[2], in[3], r)
				kernel.ScaleShift(out[0], in[0], s, t, m.n*m.size(), nil, false)
			}, func(in, out [][]float64) {
				m.channels(func(c int, at []int) {
					a := in[1][c] / math.Sqrt(in[4][c]+eps)
					for _, i := range at {
						out[0][i] = (in[0][i]-in[3][c])*a + in[2][c]
					}
				})
			}, 0)
		},
		Cost: normCost(2),
		ONNX: []ir.Form{{Op: "BatchNormalization", Since: 1, Attrs: map[string]ir.AttrType{"spatial": ir.AttrInt}, Lower: lowerBatchNorm}},
		// The statistics are no parameters: they have no gradient.
		Cases: func() []ir.Case {
			return eachCase(cases(func(x []int, c int) []*tensor.Tensor {
				return []*tensor.Tensor{random(x...), random(c), random(c), random(c), random(c)}
			}), func(c *ir.Case) { c.NoGrad = []int{3, 4} })
		},
	})
	register(ir.Def{
		Name: "BatchNormalizationGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			_, err := batchNormOf(n, 5, 1, 2, 3, 4)
			if err != nil {
				return nil, err
			}
			if n.In(0) == nil {
				return []ir.Type{n.In(1).Type, {}, {}}, nil
			}
			return []ir.Type{n.In(1).Type, n.In(2).Type, n.In(2).Type}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			m, err := batchNormOf(n, 5, 1, 2, 3, 4)
			if err != nil {
				return ir.Bound{}, err
			}
			eps := fattr(n.Attrs, "epsilon", 1e-5)
			rows := m.n * m.size()
			return m.bind(n, []int{0, 1}, []int{0}, func(in, out [][]float32) {
				r := make([]float32, m.c)
				kernel.InvStd(r, in[4], float32(eps))
				if out[1] != nil || out[2] != nil {
					kernel.BatchNormGrad(nil, nil, orNew(out[1], m.c), orNew(out[2], m.c), in[1], nil, in[0], in[2], in[3], r, rows)
				}
				if out[0] != nil {
					for c := range r {
						r[c] *= in[2][c]
					}
					kernel.ScaleShift(out[0], in[1], r, make([]float32, m.c), rows, nil, false)
				}
			}, func(in, out [][]float64) {
				m.channels(func(c int, at []int) {
					r := 1 / math.Sqrt(in[4][c]+eps)
					var ds, db float64
					for _, i := range at {
						if in[0] != nil {
							ds += in[1][i] * (in[0][i] - in[3][c]) * r
						}
						db += in[1][i]
						if out[0] != nil {
							out[0][i] = in[1][i] * in[2][c] * r
						}
					}
					if out[1] != nil {
						out[1][c] = ds
					}
					if out[2] != nil {
						out[2][c] = db
					}
				})
			}, 1)
		},
		Cost: normCost(5),
		Cases: func() []ir.Case {
			return append(cases(func(x []int, c int) []*tensor.Tensor {
				return []*tensor.Tensor{random(x...), random(x...), random(c), random(c), random(c)}
			}), ir.Case{Name: "without x", Range: [2]float64{0.5, 2}, Inputs: []*tensor.Tensor{nil, random(2, 3, 4, 4), random(3), random(3), random(3)}})
		},
	})
	register(ir.Def{
		Name:   "BatchNormTrain",
		Traits: ir.Traits{Cheap: true},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			_, err := batchNormOf(n, 3, 0, 1, 2)
			if err != nil {
				return nil, err
			}
			c := n.In(1).Type
			return []ir.Type{n.In(0).Type, c, c, c}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			if dy[1] != nil || dy[2] != nil || dy[3] != nil {
				b.Fail(n.Errorf("no gradient through the statistics of the batch"))
				return nil
			}
			dx := b.Ops("BatchNormTrainGrad", layoutAttr(n.Attrs), n.In(0), dy[0], n.In(1), n.Outputs[1], n.Outputs[3])
			return wanted(dx, need)
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			m, err := batchNormOf(n, 3, 0, 1, 2)
			if err != nil {
				return ir.Bound{}, err
			}
			eps := fattr(n.Attrs, "epsilon", 1e-5)
			return m.bind(n, []int{0}, []int{0}, func(in, out [][]float32) {
				kernel.BatchNormTrain(out[0], in[0], in[1], in[2], orNew(out[1], m.c), orNew(out[2], m.c), orNew(out[3], m.c), float32(eps), m.n*m.size(), nil, false)
			}, func(in, out [][]float64) {
				m.channels(func(c int, at []int) {
					var mean, variance float64
					for _, i := range at {
						mean += in[0][i] / float64(len(at))
					}
					for _, i := range at {
						d := in[0][i] - mean
						variance += d * d / float64(len(at))
					}
					r := 1 / math.Sqrt(variance+eps)
					for _, i := range at {
						out[0][i] = (in[0][i]-mean)*r*in[1][c] + in[2][c]
					}
					for k, v := range []float64{1: mean, 2: variance, 3: r} {
						if k > 0 && out[k] != nil {
							out[k][c] = v
						}
					}
				})
			}, 0)
		},
		Cost: normCost(6),
		Cases: func() []ir.Case {
			return eachCase(cases(func(x []int, c int) []*tensor.Tensor {
				return []*tensor.Tensor{random(x...), random(c), random(c)}
			}), func(c *ir.Case) { c.Flow = []int{0} })
		},
	})
	register(ir.Def{
		Name: "BatchNormTrainGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			_, err := batchNormOf(n, 5, 0, 1, 2, 3, 4)
			if err != nil {
				return nil, err
			}
			return []ir.Type{n.In(0).Type, n.In(2).Type, n.In(2).Type}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			m, err := batchNormOf(n, 5, 0, 1, 2, 3, 4)
			if err != nil {
				return ir.Bound{}, err
			}
			return m.bind(n, []int{0, 1}, []int{0}, func(in, out [][]float32) {
				kernel.BatchNormGrad(out[0], nil, orNew(out[1], m.c), orNew(out[2], m.c), in[1], nil, in[0], in[2], in[3], in[4], m.n*m.size())
			}, func(in, out [][]float64) {
				m.channels(func(c int, at []int) {
					r := in[4][c]
					var ds, db float64
					for _, i := range at {
						ds += in[1][i] * (in[0][i] - in[3][c]) * r
						db += in[1][i]
					}
					k := float64(len(at))
					for _, i := range at {
						if out[0] != nil {
							out[0][i] = in[2][c] * r * (in[1][i] - db/k - (in[0][i]-in[3][c])*r*ds/k)
						}
					}
					if out[1] != nil {
						out[1][c] = ds
					}
					if out[2] != nil {
						out[2][c] = db
					}
				})
			}, 1)
		},
		Cost: normCost(9),
		Cases: func() []ir.Case {
			return cases(func(x []int, c int) []*tensor.Tensor {
				return []*tensor.Tensor{random(x...), random(x...), random(c), random(c), random(c)}
			})
		},
	})
}

// eachCase changes each of the cases.
func eachCase(cs []ir.Case, f func(c *ir.Case)) []ir.Case {
	for i := range cs {
		f(&cs[i])
	}
	return cs
}

// channelNorm is the geometry of a normalisation by channel.
type channelNorm struct{ image }

// batchNormOf checks a node of the family with the given number of inputs. The listed inputs must
// be present: up to two with x's shape, the others with one value per channel.
func batchNormOf(n *ir.Node, k int, present ...int) (m channelNorm, err error) {
	if err = inputs(n, 0, k); err != nil {
		return m, err
	}
	for _, i := range present {
		if n.In(i) == nil {
			return m, errorf("input %d is missing", i)
		}
	}
	if err = floats(n, 0, 1, 2, 3, 4); err != nil {
		return m, err
	}
	wide := 1 // inputs of x's shape
	x := n.In(0)
	if n.Op == "BatchNormalizationGrad" || n.Op == "BatchNormTrainGrad" {
		wide = 2
		if x == nil {
			x = n.In(1)
		} else if !x.Type.Equal(n.In(1).Type) {
			return m, errorf("x is %v, dy %v", x.Type, n.In(1).Type)
		}
	}
	if m.image, err = imageOf(n, x.Type.Shape); err != nil {
		return m, err
	}
	for i := wide; i < len(n.Inputs); i++ {
		if v := n.In(i); v != nil && !v.Type.Shape.Equal(tensor.Shape{m.c}) {
			return m, errorf("input %d has shape %v, not [%d]", i, v.Type.Shape, m.c)
		}
	}
	return m, nil
}

// channels calls f for each channel with the indices of its elements.
func (m channelNorm) channels(f func(c int, at []int)) {
	at := make([]int, 0, m.n*m.size())
	for c := range m.c {
		at = at[:0]
		for b := range m.n {
			for p := range m.size() {
				at = append(at, m.at(b, c, p))
			}
		}
		f(c, at)
	}
}

// bind picks fast or, for types other than float32, slow. wide lists the inputs and outputs that
// are images, inPlace the input that output 0 may overwrite in channels-last layout.
func (m channelNorm) bind(n *ir.Node, wideIn, wideOut []int, fast func(in, out [][]float32), slow func(in, out [][]float64), inPlace int) (ir.Bound, error) {
	im := images{last: m.last, in: make([]*image, len(n.Inputs)), out: make([]*image, len(n.Outputs))}
	for _, i := range wideIn {
		if n.In(i) != nil {
			im.in[i] = &m.image
		}
	}
	for _, i := range wideOut {
		if n.Outputs[i] != nil {
			im.out[i] = &m.image
		}
	}
	return bindImages(n, im, fast, slow, inPlace)
}

// bindImages binds fast for float32 and slow for other floating-point types. Output 0 may overwrite
// the input inPlace.
func bindImages(n *ir.Node, im images, fast func(in, out [][]float32), slow func(in, out [][]float64), inPlace int) (ir.Bound, error) {
	dt := n.In(inPlace).Type.DType
	var b ir.Bound
	if dt == tensor.Float32 {
		b = im.bind(func(in, out [][]float32) error {
			fast(in, out)
			return nil
		})
	} else {
		var err error
		if b.Run, err = forFloat(dt, nil, slow64(slow)); err != nil {
			return b, err
		}
	}
	if n.Outputs[0] != nil {
		b.InPlace = []int{inPlace}
	}
	return b, nil
}

// slow64 adapts code on float64 slices, nil for absent tensors.
func slow64(f func(in, out [][]float64)) runFunc {
	views := func(ts []*tensor.Tensor) [][]float64 {
		vs := make([][]float64, len(ts))
		for i, t := range ts {
			if t != nil && t.DType == tensor.Float64 {
				vs[i] = f64(t)
			}
		}
		return vs
	}
	return func(in, out []*tensor.Tensor, _ []byte) error {
		f(views(in), views(out))
		return nil
	}
}

// orNew is v, or working memory where v is absent.
func orNew(v []float32, n int) []float32 {
	if v == nil {
		return make([]float32, n)
	}
	return v
}

// wanted drops the outputs of a new node that are not needed.
func wanted(out []*ir.Value, need []bool) []*ir.Value {
	for i, v := range out {
		if v != nil && !need[i] {
			v.Node.Outputs[i] = nil
			out[i] = nil
		}
	}
	return out
}

// normCost is the cost of an operator that takes flops operations an element of its largest input.
func normCost(flops int64) func(n *ir.Node) ir.Cost {
	return func(n *ir.Node) ir.Cost {
		size := 0
		for _, v := range n.Inputs {
			if v != nil {
				size = max(size, v.Type.Shape.Len())
			}
		}
		return ir.Cost{FLOPs: flops * int64(size), Bytes: bytesMoved(n)}
	}
}

// lowerBatchNorm covers all versions. In training mode the running statistics move by momentum,
// with the biased variance, as ONNX says.
func lowerBatchNorm(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 5, 5); err != nil {
		return nil, err
	}
	if n.Attrs.Int("spatial", 1) == 0 {
		return nil, errorf("statistics by position (spatial 0) are not supported")
	}
	a := ir.Attrs{"epsilon": n.Attrs.Float("epsilon", 1e-5)}
	x, scale, bias, mean, variance := n.In(0), n.In(1), n.In(2), n.In(3), n.In(4)
	dt := x.Type.DType
	like := func(v *ir.Value) *ir.Value { return cast(b, v, dt) }
	if n.Version < 14 || !n.Attrs.Bool("training_mode") {
		y := b.Op("BatchNormalization", a, x, like(scale), like(bias), like(mean), like(variance))
		return []*ir.Value{y, mean, variance, mean, variance}, nil
	}
	out := b.Ops("BatchNormTrain", a, x, like(scale), like(bias))
	if out == nil {
		return nil, b.Err()
	}
	momentum := fattr(n.Attrs, "momentum", 0.9)
	move := func(running, batch *ir.Value) *ir.Value {
		return b.Op("Add", nil,
			b.Op("Mul", nil, like(running), scalar(b, dt, momentum)),
			b.Op("Mul", nil, batch, scalar(b, dt, 1-momentum)))
	}
	return []*ir.Value{out[0], move(mean, out[1]), move(variance, out[2])}, nil
}
