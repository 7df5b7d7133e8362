package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// An activation is an elementwise function of one floating-point input. Its derivative is a
// function of the input or, if possible, of the output, so that the input can be freed. The
// gradient operator is called <name>Grad and has inputs dy and v, which is the input or output.
type activation struct {
	name  string
	fromY bool // the derivative reads the output
	forms []ir.Form

	f32    func(a ir.Attrs) func(y, x []float32)
	grad32 func(a ir.Attrs) func(dx, dy, v []float32)
	f64    func(a ir.Attrs) func(x float64) float64
	grad64 func(a ir.Attrs) func(v float64) float64

	flops  int64
	traits ir.Traits  // beyond those of every activation
	attrs  []ir.Attrs // attributes of the test cases
	values []float32  // inputs of the test cases; they keep away from kinks
}

// Attributes of ONNX operators are stored as float32; fattr widens one.
func fattr(a ir.Attrs, name string, def float32) float64 { return float64(a.Float(name, def)) }

const (
	seluAlpha = 1.67326319217681884765625
	seluGamma = 1.05070102214813232421875
)

// plain adapts functions without attributes.
func plain[F any](f F) func(ir.Attrs) F { return func(ir.Attrs) F { return f } }

func sigmoid64(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func step(on bool, v float64) float64 {
	if on {
		return v
	}
	return 0
}

var activations = []activation{
	{
		name: "Relu", fromY: true, flops: 1,
		traits: ir.Traits{Cheap: true, NonNegative: always, Identity: ofNonNegative},
		forms:  []ir.Form{{Op: "Relu", Since: 1, Lower: lowerRelu}},
		f32:    plain(kernel.Relu),
		grad32: plain(kernel.ReluGrad),
		f64:    plain(func(x float64) float64 { return max(x, 0) }),
		grad64: plain(func(y float64) float64 { return step(y > 0, 1) }),
	},
	{
		// Clip limits to [min, max]; either bound may be absent.
		name: "Clip", flops: 2,
		traits: ir.Traits{Cheap: true, NonNegative: clipsNegative, Inputs: []ir.Use{ir.UseData, ir.UseSetting, ir.UseSetting}},
		forms:  []ir.Form{{Op: "Clip", Since: 1, Until: 10}, {Op: "Clip", Since: 11, Lower: lowerClip}},
		f32: func(a ir.Attrs) func(y, x []float32) {
			lo, hi := clipBounds(a)
			return func(y, x []float32) { kernel.Clip(y, x, float32(lo), float32(hi)) }
		},
		grad32: func(a ir.Attrs) func(dx, dy, v []float32) {
			lo, hi := clipBounds(a)
			return func(dx, dy, v []float32) { kernel.ClipGrad(dx, dy, v, float32(lo), float32(hi)) }
		},
		f64: func(a ir.Attrs) func(float64) float64 {
			lo, hi := clipBounds(a)
			return func(x float64) float64 { return min(max(x, lo), hi) }
		},
		grad64: func(a ir.Attrs) func(float64) float64 {
			lo, hi := clipBounds(a)
			return func(x float64) float64 { return step(x > lo && x < hi, 1) }
		},
		fromY: true,
		attrs: []ir.Attrs{{"min": float32(0), "max": float32(6)}, {"min": float32(-1)}, {"max": float32(1)}},
	},
	{
		name: "LeakyRelu", flops: 2, forms: onnx("LeakyRelu", 1),
		traits: ir.Traits{Cheap: true},
		f32: func(a ir.Attrs) func(y, x []float32) {
			alpha := a.Float("alpha", 0.01)
			return func(y, x []float32) { kernel.LeakyRelu(y, x, alpha) }
		},
		grad32: func(a ir.Attrs) func(dx, dy, v []float32) {
			alpha := a.Float("alpha", 0.01)
			return func(dx, dy, v []float32) { kernel.LeakyReluGrad(dx, dy, v, alpha) }
		},
		f64: func(a ir.Attrs) func(float64) float64 {
			alpha := fattr(a, "alpha", 0.01)
			return func(x float64) float64 { return max(x, 0) + alpha*min(x, 0) }
		},
		grad64: func(a ir.Attrs) func(float64) float64 {
			alpha := fattr(a, "alpha", 0.01)
			return func(x float64) float64 {
				if x > 0 {
					return 1
				}
				return alpha
			}
		},
		attrs: []ir.Attrs{nil, {"alpha": float32(0.3)}},
	},
	{
		name: "Elu", flops: 10, forms: onnx("Elu", 1),
		f32: func(a ir.Attrs) func(y, x []float32) {
			alpha := a.Float("alpha", 1)
			return func(y, x []float32) { kernel.Elu(y, x, alpha) }
		},
		grad32: func(a ir.Attrs) func(dx, dy, v []float32) {
			alpha := a.Float("alpha", 1)
			return func(dx, dy, v []float32) { kernel.EluGrad(dx, dy, v, alpha) }
		},
		f64: func(a ir.Attrs) func(float64) float64 {
			alpha := fattr(a, "alpha", 1)
			return func(x float64) float64 { return elu64(x, alpha, 1) }
		},
		grad64: func(a ir.Attrs) func(float64) float64 {
			alpha := fattr(a, "alpha", 1)
			return func(x float64) float64 { return eluGrad64(x, alpha, 1) }
		},
		attrs: []ir.Attrs{nil, {"alpha": float32(2)}},
	},
	{
		name: "Selu", flops: 10, forms: onnx("Selu", 1),
		f32: func(a ir.Attrs) func(y, x []float32) {
			alpha, gamma := a.Float("alpha", seluAlpha), a.Float("gamma", seluGamma)
			return func(y, x []float32) { kernel.Selu(y, x, alpha, gamma) }
		},
		grad32: func(a ir.Attrs) func(dx, dy, v []float32) {
			alpha, gamma := a.Float("alpha", seluAlpha), a.Float("gamma", seluGamma)
			return func(dx, dy, v []float32) { kernel.SeluGrad(dx, dy, v, alpha, gamma) }
		},
		f64: func(a ir.Attrs) func(float64) float64 {
			alpha, gamma := fattr(a, "alpha", seluAlpha), fattr(a, "gamma", seluGamma)
			return func(x float64) float64 { return gamma * elu64(x, alpha, 1) }
		},
		grad64: func(a ir.Attrs) func(float64) float64 {
			alpha, gamma := fattr(a, "alpha", seluAlpha), fattr(a, "gamma", seluGamma)
			return func(x float64) float64 { return gamma * eluGrad64(x, alpha, 1) }
		},
		attrs: []ir.Attrs{nil, {"alpha": float32(2), "gamma": float32(3)}},
	},
	{
		name: "Celu", flops: 10, forms: onnx("Celu", 12),
		f32: func(a ir.Attrs) func(y, x []float32) {
			alpha := a.Float("alpha", 1)
			return func(y, x []float32) { kernel.Celu(y, x, alpha) }
		},
		grad32: func(a ir.Attrs) func(dx, dy, v []float32) {
			alpha := a.Float("alpha", 1)
			return func(dx, dy, v []float32) { kernel.CeluGrad(dx, dy, v, alpha) }
		},
		f64: func(a ir.Attrs) func(float64) float64 {
			alpha := fattr(a, "alpha", 1)
			return func(x float64) float64 { return elu64(x, alpha, alpha) }
		},
		grad64: func(a ir.Attrs) func(float64) float64 {
			alpha := fattr(a, "alpha", 1)
			return func(x float64) float64 { return eluGrad64(x, alpha, alpha) }
		},
		attrs: []ir.Attrs{nil, {"alpha": float32(2)}},
	},
	{
		name: "Sigmoid", fromY: true, flops: 12, forms: onnx("Sigmoid", 1),
		traits: ir.Traits{Cheap: true, NonNegative: always, Probabilities: true},
		f32:    plain(kernel.Sigmoid),
		grad32: plain(kernel.SigmoidGrad),
		f64:    plain(sigmoid64),
		grad64: plain(func(y float64) float64 { return y * (1 - y) }),
	},
	{
		name: "Tanh", fromY: true, flops: 12, forms: onnx("Tanh", 1),
		traits: ir.Traits{Cheap: true},
		f32:    plain(kernel.Tanh),
		grad32: plain(kernel.TanhGrad),
		f64:    plain(math.Tanh),
		grad64: plain(func(y float64) float64 { return 1 - y*y }),
	},
	{
		name: "Erf", flops: 15, forms: onnx("Erf", 9),
		f32:    plain(kernel.Erf),
		grad32: plain(kernel.ErfGrad),
		f64:    plain(math.Erf),
		grad64: plain(func(x float64) float64 { return 2 / math.SqrtPi * math.Exp(-x*x) }),
	},
	{
		name: "HardSigmoid", flops: 4, forms: onnx("HardSigmoid", 1),
		traits: ir.Traits{Cheap: true, NonNegative: always},
		f32: func(a ir.Attrs) func(y, x []float32) {
			alpha, beta := a.Float("alpha", 0.2), a.Float("beta", 0.5)
			return func(y, x []float32) { kernel.HardSigmoid(y, x, alpha, beta) }
		},
		grad32: func(a ir.Attrs) func(dx, dy, v []float32) {
			alpha, beta := a.Float("alpha", 0.2), a.Float("beta", 0.5)
			return func(dx, dy, v []float32) { kernel.HardSigmoidGrad(dx, dy, v, alpha, beta) }
		},
		f64: func(a ir.Attrs) func(float64) float64 {
			alpha, beta := fattr(a, "alpha", 0.2), fattr(a, "beta", 0.5)
			return func(x float64) float64 { return min(max(alpha*x+beta, 0), 1) }
		},
		grad64: func(a ir.Attrs) func(float64) float64 {
			alpha, beta := fattr(a, "alpha", 0.2), fattr(a, "beta", 0.5)
			return func(x float64) float64 { return step(alpha*x+beta > 0 && alpha*x+beta < 1, alpha) }
		},
		attrs: []ir.Attrs{nil, {"alpha": float32(1.0 / 6), "beta": float32(0.5)}},
	},
	{
		name: "HardSwish", flops: 5, forms: onnx("HardSwish", 14),
		traits: ir.Traits{Cheap: true},
		f32:    plain(kernel.HardSwish),
		grad32: plain(kernel.HardSwishGrad),
		f64:    plain(func(x float64) float64 { return x * min(max(x/6+0.5, 0), 1) }),
		grad64: plain(func(x float64) float64 {
			if x >= 3 {
				return 1
			}
			return step(x > -3, x/3+0.5)
		}),
	},
	{
		// Silu is x*sigmoid(alpha*x): alpha 1 is also called swish, 1.702 QuickGelu.
		name: "Silu", flops: 14,
		traits: ir.Traits{Cheap: true},
		forms: []ir.Form{
			{Op: "Swish", Since: 24},
			{Domain: "com.microsoft", Op: "QuickGelu", Since: 1, Lower: lowerQuickGelu},
		},
		f32: func(a ir.Attrs) func(y, x []float32) {
			alpha := a.Float("alpha", 1)
			if alpha == 1 {
				return kernel.Silu
			}
			return func(y, x []float32) { // silu(alpha*x)/alpha
				kernel.Scale(y, x, alpha)
				kernel.Silu(y, y)
				kernel.Scale(y, y, 1/alpha)
			}
		},
		grad32: func(a ir.Attrs) func(dx, dy, v []float32) {
			alpha := a.Float("alpha", 1)
			if alpha == 1 {
				return kernel.SiluGrad
			}
			return func(dx, dy, x []float32) {
				t := make([]float32, len(x))
				kernel.Scale(t, x, alpha)
				kernel.SiluGrad(dx, dy, t)
			}
		},
		f64: func(a ir.Attrs) func(float64) float64 {
			alpha := fattr(a, "alpha", 1)
			return func(x float64) float64 { return x * sigmoid64(alpha*x) }
		},
		grad64: func(a ir.Attrs) func(float64) float64 {
			alpha := fattr(a, "alpha", 1)
			return func(x float64) float64 {
				s := sigmoid64(alpha * x)
				return s + alpha*x*s*(1-s)
			}
		},
		attrs: []ir.Attrs{nil, {"alpha": float32(1.702)}},
	},
	{
		// Gelu is x*Phi(x), or its tanh approximation where approximate is "tanh".
		name: "Gelu", flops: 20,
		traits: ir.Traits{Cheap: true},
		forms: []ir.Form{
			{Op: "Gelu", Since: 20},
			{Domain: "com.microsoft", Op: "Gelu", Since: 1},
		},
		f32: func(a ir.Attrs) func(y, x []float32) {
			if a.Str("approximate", "") == "tanh" {
				return kernel.GeluTanh
			}
			return kernel.Gelu
		},
		grad32: func(a ir.Attrs) func(dx, dy, v []float32) {
			if a.Str("approximate", "") == "tanh" {
				return kernel.GeluTanhGrad
			}
			return kernel.GeluGrad
		},
		f64: func(a ir.Attrs) func(float64) float64 {
			if a.Str("approximate", "") == "tanh" {
				return func(x float64) float64 { t, _ := geluTanh64(x); return 0.5 * x * (1 + t) }
			}
			return func(x float64) float64 { return 0.5 * x * math.Erfc(-x/math.Sqrt2) }
		},
		grad64: func(a ir.Attrs) func(float64) float64 {
			if a.Str("approximate", "") == "tanh" {
				return func(x float64) float64 {
					t, dt := geluTanh64(x)
					return 0.5*(1+t) + 0.5*x*(1-t*t)*dt
				}
			}
			return func(x float64) float64 {
				return 0.5*math.Erfc(-x/math.Sqrt2) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
			}
		},
		attrs: []ir.Attrs{nil, {"approximate": "tanh"}},
	},
	{
		name: "Softplus", flops: 20, forms: onnx("Softplus", 1),
		f32:    plain(kernel.Softplus),
		grad32: plain(kernel.SoftplusGrad),
		f64:    plain(softplus64),
		grad64: plain(sigmoid64),
	},
	{
		name: "Softsign", flops: 3, forms: onnx("Softsign", 1),
		f32:    plain(kernel.Softsign),
		grad32: plain(kernel.SoftsignGrad),
		f64:    plain(func(x float64) float64 { return x / (1 + math.Abs(x)) }),
		grad64: plain(func(x float64) float64 { d := 1 + math.Abs(x); return 1 / (d * d) }),
	},
	{
		name: "Mish", flops: 25, forms: onnx("Mish", 18),
		f32:    plain(kernel.Mish),
		grad32: plain(kernel.MishGrad),
		f64:    plain(func(x float64) float64 { return x * math.Tanh(softplus64(x)) }),
		grad64: plain(func(x float64) float64 {
			t := math.Tanh(softplus64(x))
			return t + x*(1-t*t)*sigmoid64(x)
		}),
	},
	{
		name: "ThresholdedRelu", flops: 1, forms: onnx("ThresholdedRelu", 10),
		f32: func(a ir.Attrs) func(y, x []float32) {
			alpha := a.Float("alpha", 1)
			return func(y, x []float32) { kernel.ThresholdedRelu(y, x, alpha) }
		},
		grad32: func(a ir.Attrs) func(dx, dy, v []float32) {
			alpha := a.Float("alpha", 1)
			return func(dx, dy, v []float32) { kernel.ThresholdedReluGrad(dx, dy, v, alpha) }
		},
		f64: func(a ir.Attrs) func(float64) float64 {
			alpha := fattr(a, "alpha", 1)
			return func(x float64) float64 { return step(x > alpha, x) }
		},
		grad64: func(a ir.Attrs) func(float64) float64 {
			alpha := fattr(a, "alpha", 1)
			return func(x float64) float64 { return step(x > alpha, 1) }
		},
		attrs: []ir.Attrs{{"alpha": float32(0.25)}},
	},
	{
		// Shrink moves x toward zero by bias outside [-lambd, lambd] and is zero inside.
		name: "Shrink", flops: 2, forms: onnx("Shrink", 9),
		f64: func(a ir.Attrs) func(float64) float64 {
			lambd, bias := fattr(a, "lambd", 0.5), fattr(a, "bias", 0)
			return func(x float64) float64 {
				if x < -lambd {
					return x + bias
				}
				return step(x > lambd, x-bias)
			}
		},
		grad64: func(a ir.Attrs) func(float64) float64 {
			lambd := fattr(a, "lambd", 0.5)
			return func(x float64) float64 { return step(math.Abs(x) > lambd, 1) }
		},
		attrs: []ir.Attrs{nil, {"lambd": float32(1), "bias": float32(0.4)}},
	},
}

func elu64(x, alpha, scale float64) float64 {
	if x > 0 {
		return x
	}
	return alpha * math.Expm1(x/scale)
}

func eluGrad64(x, alpha, scale float64) float64 {
	if x > 0 {
		return 1
	}
	return alpha / scale * math.Exp(x/scale)
}

func softplus64(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// geluTanh64 is the tanh of the approximation of Gelu and the derivative of its argument.
func geluTanh64(x float64) (t, darg float64) {
	k := math.Sqrt(2 / math.Pi)
	return math.Tanh(k * (x + 0.044715*x*x*x)), k * (1 + 3*0.044715*x*x)
}

// clipBounds reads the bounds of Clip; an absent one is infinite.
func clipBounds(a ir.Attrs) (lo, hi float64) {
	lo, hi = math.Inf(-1), math.Inf(1)
	if a.Has("min") {
		lo = fattr(a, "min", 0)
	}
	if a.Has("max") {
		hi = fattr(a, "max", 0)
	}
	return lo, hi
}

// lowerClip turns constant bounds into attributes. Bounds that depend on data, and those of
// integers, which a float32 attribute might round, become Max and Min.
func lowerClip(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 3); err != nil {
		return nil, err
	}
	x := n.In(0)
	static := x.Type.DType.IsFloat()
	attrs := ir.Attrs{}
	for i, name := range []string{1: "min", 2: "max"} {
		if v := n.In(i); i > 0 && v != nil {
			if !v.IsConst() || v.Data.Len() != 1 {
				static = false
				continue
			}
			attrs[name] = float32(v.Data.Float64s()[0])
		}
	}
	if static {
		return []*ir.Value{b.Op("Clip", attrs, x)}, nil
	}
	if v := n.In(1); v != nil {
		x = b.Op("Max", nil, x, v)
	}
	if v := n.In(2); v != nil {
		x = b.Op("Min", nil, x, v)
	}
	return []*ir.Value{x}, nil
}

// lowerRelu covers integers too, as ONNX does.
func lowerRelu(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	if dt := n.In(0).Type.DType; !dt.IsFloat() {
		return []*ir.Value{b.Op("Max", nil, n.In(0), scalar(b, dt, 0))}, nil
	}
	return []*ir.Value{b.Op("Relu", nil, n.In(0))}, nil
}

func lowerQuickGelu(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	return []*ir.Value{b.Op("Silu", ir.Attrs{"alpha": n.Attrs.Float("alpha", 1.702)}, n.In(0))}, nil
}

// lowerSwiGLU writes a*sigmoid(alpha*a) * b.
func lowerSwiGLU(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 2); err != nil {
		return nil, err
	}
	return []*ir.Value{b.Op("Mul", nil, b.Op("Silu", ir.Attrs{"alpha": n.Attrs.Float("alpha", 1)}, n.In(0)), n.In(1))}, nil
}

// lowerPRelu writes max(x,0) + slope*min(x,0), the slope being broadcast.
func lowerPRelu(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 2); err != nil {
		return nil, err
	}
	x, slope := n.In(0), n.In(1)
	if xs, c := x.Type.Shape, slope.Type.Shape; n.Version < 7 && len(c) == 1 && len(xs) > 2 && c[0] == xs[1] {
		slope = reshape(b, slope, channelShape(nil, len(xs), c[0])) // once it went by channel
	}
	zero := scalar(b, x.Type.DType, 0)
	return []*ir.Value{b.Op("Add", nil, b.Op("Max", nil, x, zero), b.Op("Mul", nil, b.Op("Min", nil, x, zero), slope))}, nil
}

// lowerFastGelu is the contributed operator Gelu(x + bias) by the tanh approximation.
func lowerFastGelu(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	return geluOfSum(b, n, ir.Attrs{"approximate": "tanh"})
}

// lowerBiasGelu is the contributed operator Gelu(x + bias).
func lowerBiasGelu(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) { return geluOfSum(b, n, nil) }

func geluOfSum(b *ir.Builder, n *ir.Node, attrs ir.Attrs) ([]*ir.Value, error) {
	if err := inputs(n, 1, 2); err != nil {
		return nil, err
	}
	x := n.In(0)
	if bias := n.In(1); bias != nil {
		x = b.Op("Add", nil, x, bias)
	}
	return []*ir.Value{b.Op("Gelu", attrs, x)}, nil
}

func init() {
	for _, a := range activations {
		registerActivation(a)
	}
	ir.RegisterForms(
		ir.Form{Op: "PRelu", Since: 1, Lower: lowerPRelu,
			Traits: &ir.Traits{Elementwise: true, Activation: true, Batch: ir.BatchBroadcast, Inputs: []ir.Use{ir.UseData, ir.UseWeight}}},
		ir.Form{Op: "SwiGLU", Since: 28, Lower: lowerSwiGLU},
		ir.Form{Domain: "com.microsoft", Op: "FastGelu", Since: 1, Lower: lowerFastGelu,
			Traits: &ir.Traits{Elementwise: true, Activation: true, Batch: ir.BatchKept, Inputs: []ir.Use{ir.UseData, ir.UseBias}}},
		ir.Form{Domain: "com.microsoft", Op: "BiasGelu", Since: 1, Lower: lowerBiasGelu,
			Traits: &ir.Traits{Elementwise: true, Activation: true, Batch: ir.BatchBroadcast, Inputs: []ir.Use{ir.UseData, ir.UseBias}}},
	)
}

// always is a trait of every node of an operator.
func always(*ir.Node) bool { return true }

// clipsNegative: nothing below 0 passes.
func clipsNegative(n *ir.Node) bool { return n.Attrs.Float("min", -1) >= 0 }

// ofNonNegative: the input is not negative already.
func ofNonNegative(n *ir.Node) bool {
	x := n.In(0)
	if x.Node == nil {
		return false
	}
	nonNegative := x.Node.Traits().NonNegative
	return nonNegative != nil && nonNegative(x.Node)
}

func registerActivation(a activation) {
	if a.attrs == nil {
		a.attrs = []ir.Attrs{nil}
	}
	if a.values == nil {
		a.values = []float32{-20, -4, -2.4, -1.3, -0.7, -0.2, -0.01, 0.01, 0.2, 0.7, 1.3, 2.2, 4, 20}
	}
	cases := func(build func(x *tensor.Tensor, at ir.Attrs) ir.Case) (cs []ir.Case) {
		for _, at := range a.attrs {
			cs = append(cs, build(tensor.Of(a.values, 2, len(a.values)/2), at))
		}
		return cs
	}
	a.traits.Elementwise, a.traits.Activation, a.traits.Batch = true, true, ir.BatchKept
	register(ir.Def{
		Name:   a.name,
		Traits: a.traits,
		Infer:  sameFloat(1),
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			v := n.In(0)
			if a.fromY {
				v = n.Outputs[0]
			}
			return []*ir.Value{b.Op(a.name+"Grad", n.Attrs, dy[0], v)}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			var fast runFunc
			if a.f32 != nil {
				f := a.f32(n.Attrs)
				fast = func(in, out []*tensor.Tensor, _ []byte) error {
					f(out[0].F32(), in[0].F32())
					return nil
				}
			}
			f := a.f64(n.Attrs)
			run, err := forFloat(n.In(0).Type.DType, fast, func(in, out []*tensor.Tensor, _ []byte) error {
				y := f64(out[0])
				for i, v := range f64(in[0]) {
					y[i] = f(v)
				}
				return nil
			})
			return ir.Bound{Run: run, InPlace: []int{0}}, err
		},
		Cost: perElement(a.flops),
		ONNX: a.forms,
		Cases: func() []ir.Case {
			return cases(func(x *tensor.Tensor, at ir.Attrs) ir.Case {
				return ir.Case{Inputs: []*tensor.Tensor{x}, Attrs: at}
			})
		},
	})
	register(ir.Def{
		Name:   a.name + "Grad",
		Traits: ir.Traits{Elementwise: true},
		Infer:  sameFloat(2),
		Bind: func(n *ir.Node) (ir.Bound, error) {
			var fast runFunc
			if a.grad32 != nil {
				f := a.grad32(n.Attrs)
				fast = func(in, out []*tensor.Tensor, _ []byte) error {
					f(out[0].F32(), in[0].F32(), in[1].F32())
					return nil
				}
			}
			f := a.grad64(n.Attrs)
			run, err := forFloat(n.In(0).Type.DType, fast, func(in, out []*tensor.Tensor, _ []byte) error {
				dx, dy := f64(out[0]), f64(in[0])
				for i, v := range f64(in[1]) {
					dx[i] = dy[i] * f(v)
				}
				return nil
			})
			return ir.Bound{Run: run, InPlace: []int{0, 1}}, err
		},
		Cost: perElement(a.flops + 1),
		Cases: func() []ir.Case {
			return cases(func(x *tensor.Tensor, at ir.Attrs) ir.Case {
				return ir.Case{Inputs: []*tensor.Tensor{random(x.Shape...), x}, Attrs: at, NoGrad: []int{0, 1}}
			})
		},
	})
}
