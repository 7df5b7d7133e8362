package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// BatchNormAct(x, scale, bias, residual) is batch normalisation in training that ends in a sum and
// an activation: act(BatchNormTrain(x, scale, bias) + residual). Channels are the last axis. It
// gives y and the batch's mean, biased variance and 1/sqrt(variance+epsilon). Attribute act is one
// of those that NormFusable accepts, with act_min and act_max for clip; relu, clip and none take
// the optional residual.
//
// BatchNormActGrad(x, dy, y, scale, bias, mean, invstd) gives the gradients of x, scale, bias and
// residual. It reads y only for relu and clip: the input of other activations is computed again, so
// that nothing between x and y is kept.
func init() {
	register(ir.Def{
		Name:   "BatchNormAct",
		Traits: ir.Traits{Cheap: true},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := checkNormAct(n, 3, 4, 1, 2); err != nil {
				return nil, err
			}
			x, c := n.In(0).Type, n.In(1).Type
			if r := n.In(3); r != nil && !r.Type.Equal(x) {
				return nil, errorf("residual is %v, x is %v", r.Type, x)
			}
			if n.In(3) != nil && !NormTakesResidual(n.Attrs) {
				return nil, errorf("%s takes no residual", n.Attrs.Str("act", ""))
			}
			return []ir.Type{x, c, c, c}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			if dy[1] != nil || dy[2] != nil || dy[3] != nil {
				b.Fail(n.Errorf("no gradient through the statistics of the batch"))
				return nil
			}
			var y *ir.Value
			if normAct(n.Attrs).FromOutput() {
				y = n.Outputs[0]
			}
			attrs := n.Attrs
			residual := len(need) > 3 && need[3]
			if residual {
				attrs = attrs.With("residual", 1)
			}
			dx := b.Ops("BatchNormActGrad", attrs, n.In(0), dy[0], y, n.In(1), n.In(2), n.Outputs[1], n.Outputs[3])
			if b.Err() != nil {
				return nil
			}
			if !residual {
				dx = dx[:3]
			}
			return wanted(dx, need)
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			eps, act := fattr(n.Attrs, "epsilon", 1e-5), normAct(n.Attrs)
			c := n.In(1).Type.Shape.Len()
			run, err := forFloat(n.In(0).Type.DType, func(in, out []*tensor.Tensor, _ []byte) error {
				x := in[0].F32()
				kernel.BatchNormAct(out[0].F32(), x, in[1].F32(), in[2].F32(), orNew(f32(out[1]), c), orNew(f32(out[2]), c), orNew(f32(out[3]), c),
					float32(eps), len(x)/c, f32(at(in, 3)), act)
				return nil
			}, func(in, out []*tensor.Tensor, _ []byte) error {
				x, y, f := f64(in[0]), f64(out[0]), normAct64(n.Attrs)
				for j := range c {
					mean, variance := columnMoments(x, j, c)
					r := 1 / math.Sqrt(variance+eps)
					for i := j; i < len(x); i += c {
						z := (x[i]-mean)*r*f64(in[1])[j] + f64(in[2])[j]
						if res := at(in, 3); res != nil {
							z += f64(res)[i]
						}
						y[i] = f(z)
					}
					for k, v := range []float64{1: mean, 2: variance, 3: r} {
						if k > 0 && out[k] != nil {
							f64(out[k])[j] = v
						}
					}
				}
				return nil
			})
			reuse := []int{0}
			if n.In(3) != nil {
				reuse = append(reuse, 3)
			}
			return ir.Bound{Run: run, InPlace: reuse}, err
		},
		Cost: normCost(8),
		Cases: func() []ir.Case {
			return normActCases(func(attrs ir.Attrs, residual bool) ir.Case {
				c := ir.Case{Attrs: attrs, Inputs: []*tensor.Tensor{random(2, 3, 2, 5), random(5), random(5)}, Flow: []int{0}}
				if residual {
					c.Inputs = append(c.Inputs, random(2, 3, 2, 5))
				}
				return c
			})
		},
	})
	register(ir.Def{
		Name: "BatchNormActGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := checkNormAct(n, 2, 7, 3, 4, 5, 6); err != nil {
				return nil, err
			}
			if normAct(n.Attrs).FromOutput() && n.In(2) == nil {
				return nil, errorf("input 2 (y) is missing")
			}
			x, c := n.In(0).Type, n.In(3).Type
			out := []ir.Type{x, c, c, {}}
			if n.Attrs.Bool("residual") {
				out[3] = x
			}
			return out, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			act := normAct(n.Attrs)
			c := n.In(3).Type.Shape.Len()
			run, err := forFloat(n.In(0).Type.DType, func(in, out []*tensor.Tensor, _ []byte) error {
				x := in[0].F32()
				kernel.BatchNormActGrad(f32(out[0]), f32(at(out, 3)), orNew(f32(out[1]), c), orNew(f32(out[2]), c), in[1].F32(), f32(in[2]), x,
					in[3].F32(), in[4].F32(), in[5].F32(), in[6].F32(), len(x)/c, act)
				return nil
			}, func(in, out []*tensor.Tensor, _ []byte) error {
				normActGrad64(n.Attrs, in, out, c)
				return nil
			})
			return ir.Bound{Run: run}, err
		},
		Cost: normCost(12),
		Cases: func() []ir.Case {
			return normActCases(func(attrs ir.Attrs, residual bool) ir.Case {
				if residual {
					attrs = attrs.With("residual", 1)
				}
				s := []int{2, 3, 2, 5}
				return ir.Case{Attrs: attrs, Inputs: []*tensor.Tensor{random(s...), random(s...), random(s...), random(5), random(5), random(5), random(5)},
					NoGrad: []int{0, 1, 2, 3, 4, 5, 6}}
			})
		},
	})
}

// NormFusable gives the attributes that make a BatchNormAct end in the activation n, false where n
// is none that can be fused.
func NormFusable(n *ir.Node) (ir.Attrs, bool) {
	a, ok := FuseAct(n)
	if !ok {
		return nil, false
	}
	switch a.Str("act", "") {
	case "relu", "clip", "silu", "hardswish", "gelu":
		return a, true
	}
	return nil, false
}

// NormTakesResidual reports whether a BatchNormAct with these attributes may add a residual.
func NormTakesResidual(a ir.Attrs) bool {
	act := normAct(a)
	return act.FromOutput() || act.Act == kernel.ActNone
}

func normAct(a ir.Attrs) kernel.NormAct {
	act := kernel.NormAct{Act: fusable[a.Str("act", "")].code}
	if act.Act == kernel.ActClip {
		act.Lo, act.Hi = a.Float("act_min", float32(math.Inf(-1))), a.Float("act_max", float32(math.Inf(1)))
	}
	return act
}

func normAct64(a ir.Attrs) func(float64) float64 {
	if f := act64(a); f != nil {
		return f
	}
	return func(x float64) float64 { return x }
}

// checkNormAct checks a node whose first wide inputs have x's shape and whose inputs cs have one
// value a channel.
func checkNormAct(n *ir.Node, need, most int, cs ...int) error {
	if err := inputs(n, 1, most); err != nil {
		return err
	}
	if err := checkAct(n.Attrs); err != nil {
		return err
	}
	x := n.In(0).Type
	if len(x.Shape) < 2 {
		return errorf("x is %v, want rows of channels", x)
	}
	c := x.Shape[len(x.Shape)-1]
	for _, i := range cs {
		if v := n.In(i); v == nil || v.Type.DType != x.DType || v.Type.Shape.Len() != c {
			return errorf("input %d has not one value for each of %d channels", i, c)
		}
	}
	for i := 1; i < need && cs[0] > 1; i++ {
		if v := n.In(i); v == nil || !v.Type.Equal(x) {
			return errorf("input %d has not the type %v of x", i, x)
		}
	}
	return floats(n, 0)
}

// columnMoments are mean and biased variance of column j of rows of c.
func columnMoments(x []float64, j, c int) (mean, variance float64) {
	n := float64(len(x) / c)
	for i := j; i < len(x); i += c {
		mean += x[i] / n
	}
	for i := j; i < len(x); i += c {
		variance += (x[i] - mean) * (x[i] - mean) / n
	}
	return mean, variance
}

// normActGrad64 is BatchNormActGrad in float64.
func normActGrad64(a ir.Attrs, in, out []*tensor.Tensor, c int) {
	x, dy, scale, bias, mean, invstd := f64(in[0]), f64(in[1]), f64(in[3]), f64(in[4]), f64(in[5]), f64(in[6])
	derivative := activationDerivative(a)
	rows := float64(len(x) / c)
	for j := range c {
		r := invstd[j]
		g := make([]float64, 0, len(x)/c)
		var db, ds float64
		for i := j; i < len(x); i += c {
			v := (x[i]-mean[j])*r*scale[j] + bias[j]
			if in[2] != nil && normAct(a).FromOutput() {
				v = f64(in[2])[i]
			}
			gi := dy[i] * derivative(v)
			g = append(g, gi)
			db += gi
			ds += gi * (x[i] - mean[j]) * r
		}
		for k, i := 0, j; i < len(x); k, i = k+1, i+c {
			if out[0] != nil {
				f64(out[0])[i] = scale[j] * r * (g[k] - db/rows - (x[i]-mean[j])*r*ds/rows)
			}
			if t := at(out, 3); t != nil {
				f64(t)[i] = g[k]
			}
		}
		if out[1] != nil {
			f64(out[1])[j] = ds
		}
		if out[2] != nil {
			f64(out[2])[j] = db
		}
	}
}

// activationDerivative is the derivative of the fused activation, as a function of its output for
// relu and clip and of its input for the others.
func activationDerivative(a ir.Attrs) func(float64) float64 {
	name := a.Str("act", "")
	if name == "" {
		return func(float64) float64 { return 1 }
	}
	attr := fusable[name].attr
	if name == "clip" {
		attr = ir.Attrs{"min": a.Float("act_min", float32(math.Inf(-1))), "max": a.Float("act_max", float32(math.Inf(1)))}
	}
	for _, act := range activations {
		if act.name == fusable[name].op {
			return act.grad64(attr)
		}
	}
	panic("op: no activation " + name)
}

func normActCases(make func(attrs ir.Attrs, residual bool) ir.Case) []ir.Case {
	var out []ir.Case
	for _, act := range []struct {
		name     string
		attrs    ir.Attrs
		residual bool
	}{
		{"none", nil, true}, {"relu", ir.Attrs{"act": "relu"}, true}, {"relu alone", ir.Attrs{"act": "relu"}, false},
		{"clip", ir.Attrs{"act": "clip", "act_min": float32(-0.5), "act_max": float32(0.6)}, true},
		{"silu", ir.Attrs{"act": "silu"}, false}, {"hardswish", ir.Attrs{"act": "hardswish"}, false}, {"gelu", ir.Attrs{"act": "gelu"}, false},
	} {
		c := make(act.attrs, act.residual)
		c.Name = act.name
		out = append(out, c)
	}
	return out
}
