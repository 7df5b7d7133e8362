package compile

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// sketch builds specialised graphs for tests.
type sketch struct {
	*ir.Builder
	r *rand.Rand
}

func newSketch() *sketch {
	return &sketch{ir.NewBuilder(ir.New("g"), ""), rand.New(rand.NewPCG(1, 1))}
}

func (s *sketch) input(name string, shape ...int) *ir.Value {
	return s.Graph.AddInput(name, ir.Type{DType: tensor.Float32, Shape: shape})
}

func (s *sketch) tokens(shape ...int) *ir.Value {
	return s.Graph.AddInput("tokens", ir.Type{DType: tensor.Int64, Shape: shape})
}

// indices are from 0 to 8.
func (s *sketch) indices(shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.Int64, shape...)
	for i, d := 0, t.I64(); i < len(d); i++ {
		d[i] = s.r.Int64N(9)
	}
	return t
}

func (s *sketch) random(shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.Float32, shape...)
	for i, d := 0, t.F32(); i < len(d); i++ {
		d[i] = float32(s.r.NormFloat64())
	}
	return t
}

func (s *sketch) constant(name string, shape ...int) *ir.Value {
	return s.Graph.NewConst(name, s.random(shape...))
}

func (s *sketch) param(name string, shape ...int) *ir.Value {
	return s.Graph.NewParam(name, s.random(shape...))
}

func (s *sketch) batchNorm(x *ir.Value, c int, kind func(string, ...int) *ir.Value) *ir.Value {
	v := kind("var", c)
	for i, d := 0, v.Data.F32(); i < len(d); i++ {
		d[i] = 0.5 + d[i]*d[i]
	}
	return s.Op("BatchNormalization", nil, x, kind("scale", c), kind("bias", c), kind("mean", c), v)
}

func (s *sketch) layerNorm(x *ir.Value, f int) *ir.Value {
	axes := ir.Attrs{"axes": []int{-1}, "keepdims": 1}
	d := s.Op("Sub", nil, x, s.Op("ReduceMean", axes, x))
	v := s.Op("ReduceMean", axes, s.Op("Pow", nil, d, s.Float(2)))
	n := s.Op("Div", nil, d, s.Op("Sqrt", nil, s.Op("Add", nil, v, s.Float(1e-5))))
	return s.Op("Add", nil, s.Op("Mul", nil, n, s.param("ln.weight", f)), s.param("ln.bias", f))
}

// Each pass is shown by the text of a small graph before and after, and must not change what the
// graph computes.
func TestPasses(t *testing.T) {
	conv := ir.Attrs{"pads": []int{1, 1, 1, 1}}
	nhwc := ir.Attrs{"layout": "NHWC"}
	depthwise := ir.Attrs{"layout": "NHWC", "group": 48, "pads": []int{1, 1, 1, 1}}
	for _, c := range []struct {
		name  string
		pass  func(*ir.Graph) error
		build func(s *sketch) *ir.Value
		want  string // operators of the result in order, with what matters of their attributes
	}{
		{"fold what constants determine", foldAlone, func(s *sketch) *ir.Value {
			return s.Op("Add", nil, s.input("x", 2, 3), s.Op("Mul", nil, s.constant("a", 3), s.constant("b", 3)))
		}, "Add"},
		{"weights are not folded", foldAlone, func(s *sketch) *ir.Value {
			return s.Op("Add", nil, s.input("x", 2, 3), s.Op("Mul", nil, s.param("a", 3), s.constant("b", 3)))
		}, "Mul Add"},
		{"frozen batch norm into frozen convolution", foldBatchNorms, func(s *sketch) *ir.Value {
			return s.batchNorm(s.Op("Conv", conv, s.input("x", 2, 3, 4, 4), s.constant("w", 5, 3, 3, 3)), 5, s.constant)
		}, "Conv"},
		{"thawed convolution keeps its batch norm", foldBatchNorms, func(s *sketch) *ir.Value {
			return s.batchNorm(s.Op("Conv", conv, s.input("x", 2, 3, 4, 4), s.param("w", 5, 3, 3, 3)), 5, s.constant)
		}, "Conv BatchNormalization"},
		{"a convolution with two readers keeps its batch norm", foldBatchNorms, func(s *sketch) *ir.Value {
			y := s.Op("Conv", conv, s.input("x", 2, 3, 4, 4), s.constant("w", 5, 3, 3, 3))
			return s.Op("Add", nil, s.batchNorm(y, 5, s.constant), y)
		}, "Conv BatchNormalization Add"},
		{"layer norm", fuseNorms, func(s *sketch) *ir.Value { return s.layerNorm(s.input("x", 2, 3, 6), 6) }, "LayerNormalization"},
		{"rms norm", fuseNorms, func(s *sketch) *ir.Value {
			x := s.input("x", 2, 3, 6)
			v := s.Op("ReduceMean", ir.Attrs{"axes": []int{-1}, "keepdims": 1}, s.Op("Mul", nil, x, x))
			inv := s.Op("Div", nil, s.Float(1), s.Op("Sqrt", nil, s.Op("Add", nil, v, s.Float(1e-5))))
			return s.Op("Mul", nil, s.Op("Mul", nil, x, inv), s.param("w", 6))
		}, "RMSNormalization"},
		{"a norm over another axis stays", fuseNorms, func(s *sketch) *ir.Value {
			x := s.input("x", 2, 6, 6)
			v := s.Op("ReduceMean", ir.Attrs{"axes": []int{1}, "keepdims": 1}, s.Op("Mul", nil, x, x))
			inv := s.Op("Div", nil, s.Float(1), s.Op("Sqrt", nil, s.Op("Add", nil, v, s.Float(1e-5))))
			return s.Op("Mul", nil, s.Op("Mul", nil, x, inv), s.param("w", 6))
		}, "Mul ReduceMean Add Sqrt Div Mul Mul"},
		{"gelu", fuseActivations, func(s *sketch) *ir.Value {
			x := s.input("x", 2, 5)
			e := s.Op("Add", nil, s.Op("Erf", nil, s.Op("Div", nil, x, s.Float(math.Sqrt2))), s.Float(1))
			return s.Op("Mul", nil, s.Op("Mul", nil, x, e), s.Float(0.5))
		}, "Gelu"},
		{"gelu, half first", fuseActivations, func(s *sketch) *ir.Value {
			x := s.input("x", 2, 5)
			e := s.Op("Add", nil, s.Float(1), s.Op("Erf", nil, s.Op("Mul", nil, x, s.Float(1/math.Sqrt2))))
			return s.Op("Mul", nil, s.Op("Mul", nil, x, s.Float(0.5)), e)
		}, "Gelu"},
		{"silu", fuseActivations, func(s *sketch) *ir.Value {
			x := s.input("x", 2, 5)
			return s.Op("Mul", nil, x, s.Op("Sigmoid", nil, x))
		}, "Silu"},
		{"hard swish, divided last", fuseActivations, func(s *sketch) *ir.Value {
			x := s.input("x", 2, 5)
			gate := s.Op("Clip", ir.Attrs{"min": float32(0), "max": float32(6)}, s.Op("Add", nil, x, s.Float(3)))
			return s.Op("Div", nil, s.Op("Mul", nil, x, gate), s.Float(6))
		}, "HardSwish"},
		{"hard swish, gate times a sixth", fuseActivations, func(s *sketch) *ir.Value {
			x := s.input("x", 2, 5)
			gate := s.Op("Clip", ir.Attrs{"min": float32(0), "max": float32(6)}, s.Op("Add", nil, s.Float(3), x))
			return s.Op("Mul", nil, s.Op("Mul", nil, gate, s.Float(1.0/6)), x)
		}, "HardSwish"},
		{"a sixth twice is a sixth of a hard swish", fuseActivations, func(s *sketch) *ir.Value {
			x := s.input("x", 2, 5)
			gate := s.Op("Clip", ir.Attrs{"min": float32(0), "max": float32(6)}, s.Op("Add", nil, s.Float(3), x))
			return s.Op("Div", nil, s.Op("Mul", nil, s.Op("Mul", nil, gate, s.Float(1.0/6)), x), s.Float(6))
		}, "HardSwish Div"},
		{"not divided it is no hard swish", fuseActivations, func(s *sketch) *ir.Value {
			x := s.input("x", 2, 5)
			gate := s.Op("Clip", ir.Attrs{"min": float32(0), "max": float32(6)}, s.Op("Add", nil, x, s.Float(3)))
			return s.Op("Mul", nil, x, gate)
		}, "Add Clip Mul"},
		{"gating by another value is no silu", fuseActivations, func(s *sketch) *ir.Value {
			return s.Op("Mul", nil, s.input("x", 2, 5), s.Op("Sigmoid", nil, s.input("z", 2, 5)))
		}, "Sigmoid Mul"},
		{"padding into convolution", fusePads, func(s *sketch) *ir.Value {
			p := s.Op("Pad", ir.Attrs{"pads": []int{0, 0, 0, 0, 0, 0, 1, 1}}, s.input("x", 2, 3, 4, 4))
			return s.Op("Conv", ir.Attrs{"strides": []int{2, 2}}, p, s.param("w", 5, 3, 3, 3))
		}, "Conv"},
		{"padding of channels stays", fusePads, func(s *sketch) *ir.Value {
			p := s.Op("Pad", ir.Attrs{"pads": []int{0, 1, 0, 0, 0, 1, 0, 0}}, s.input("x", 2, 3, 4, 4))
			return s.Op("Conv", nil, p, s.param("w", 5, 5, 3, 3))
		}, "Pad Conv"},
		{"relu of a relu, and an identity", dropIdentities, func(s *sketch) *ir.Value {
			return s.Op("Relu", nil, s.Op("Identity", nil, s.Op("Relu", nil, s.input("x", 2, 5))))
		}, "Relu"},
		{"equal expressions", common, func(s *sketch) *ir.Value {
			x := s.input("x", 2, 5)
			return s.Op("Add", nil, s.Op("Exp", nil, x), s.Op("Exp", nil, x))
		}, "Exp Add"},
		{"bias, residual and activation end the product", fuseEpilogues, func(s *sketch) *ir.Value {
			y := s.Op("MatMul", nil, s.input("x", 2, 5), s.param("w", 5, 4))
			y = s.Op("Add", nil, s.param("b", 4), y)
			return s.Op("Gelu", nil, s.Op("Add", nil, y, s.input("r", 2, 4)))
		}, "MatMul"},
		{"another gradient of an input ends its convolution", fuseEpilogues, func(s *sketch) *ir.Value {
			y := s.Op("ConvGradInput", conv.With("spatial", []int{4, 4}), s.input("dy", 2, 5, 4, 4), s.param("w", 5, 3, 3, 3))
			return s.Op("Add", nil, s.input("r", 2, 3, 4, 4), y)
		}, "ConvGradInput"},
		{"clip after relu after convolution", fuseEpilogues, func(s *sketch) *ir.Value {
			y := s.Op("Relu", nil, s.Op("Conv", conv, s.input("x", 2, 3, 4, 4), s.param("w", 5, 3, 3, 3)))
			return s.Op("Clip", ir.Attrs{"min": float32(0), "max": float32(6)}, y)
		}, "Conv"},
		{"what backward reads is not fused away", fuseEpilogues, func(s *sketch) *ir.Value {
			y := s.Op("Conv", conv, s.input("x", 2, 3, 4, 4), s.param("w", 5, 3, 3, 3))
			return s.Op("Mul", nil, s.Op("Relu", nil, y), y)
		}, "Conv Relu Mul"},
		{"inverted residual", fuseChains, func(s *sketch) *ir.Value {
			x := s.input("x", 1, 64, 64, 8)
			y := s.Op("Conv", nhwc, x, s.constant("e", 48, 8, 1, 1), s.constant("eb", 48))
			y = s.Op("Conv", depthwise, y, s.constant("d", 48, 1, 3, 3), s.constant("db", 48))
			return s.Op("Conv", nhwc, y, s.constant("p", 8, 48, 1, 1), s.constant("pb", 8), x)
		}, "ConvChain"},
		{"a squeeze ends the chain", fuseChains, func(s *sketch) *ir.Value {
			y := s.Op("Conv", nhwc, s.input("x", 1, 64, 64, 8), s.constant("e", 48, 8, 1, 1))
			y = s.Op("Conv", depthwise, y, s.constant("d", 48, 1, 3, 3))
			y = s.Op("Mul", nil, y, s.Op("GlobalAveragePool", nhwc, y))
			return s.Op("Conv", nhwc, y, s.constant("p", 8, 48, 1, 1))
		}, "ConvChain GlobalAveragePool Mul Conv"},
		{"a product of a table's rows, steps first", new(Constants).foldTables, func(s *sketch) *ir.Value {
			rows := s.Op("Gather", nil, s.constant("table", 9, 4), s.tokens(2, 3))
			return s.Op("MatMul", ir.Attrs{"transB": 1, "act": "relu"}, s.Op("Transpose", ir.Attrs{"perm": []int{1, 0, 2}}, rows), s.constant("w", 5, 4), s.constant("b", 5))
		}, "Transpose Gather"},
		{"a table that training changes", new(Constants).foldTables, func(s *sketch) *ir.Value {
			rows := s.Op("Gather", nil, s.param("table", 9, 4), s.tokens(2, 3))
			return s.Op("MatMul", nil, rows, s.constant("w", 4, 5))
		}, "Gather MatMul"},
		{"a table of more rows than some runs read", new(Constants).foldTables, func(s *sketch) *ir.Value {
			rows := s.Op("Gather", nil, s.constant("table", 25, 4), s.tokens(2, 3))
			return s.Op("MatMul", nil, rows, s.constant("w", 4, 5))
		}, "Gather MatMul"},
		{"squeeze and excite", fuseSqueezes, func(s *sketch) *ir.Value {
			y := s.Op("Conv", depthwise, s.input("x", 2, 12, 12, 48), s.constant("d", 48, 1, 3, 3))
			y = s.Op("Mul", nil, s.Op("Sigmoid", nil, s.Op("GlobalAveragePool", nhwc, y)), y)
			return s.Op("Conv", nhwc, y, s.constant("p", 8, 48, 1, 1), s.constant("pb", 8))
		}, "ConvChain Sigmoid ConvScaled"},
		{"a product that backward reads is no scale", fuseSqueezes, func(s *sketch) *ir.Value {
			y := s.Op("Mul", nil, s.input("x", 2, 12, 12, 8), s.input("s", 2, 1, 1, 8))
			return s.Op("Add", nil, y, s.Op("Conv", nhwc, y, s.constant("p", 8, 8, 1, 1)))
		}, "Mul Conv Add"},
		{"a product of whole images is no scale", fuseSqueezes, func(s *sketch) *ir.Value {
			y := s.Op("Mul", nil, s.input("x", 2, 12, 12, 8), s.input("s", 2, 12, 12, 8))
			return s.Op("Conv", nhwc, y, s.constant("p", 8, 8, 1, 1))
		}, "Mul Conv"},
		{"thawed weights, and what backward reads, are in no chain", fuseChains, func(s *sketch) *ir.Value {
			y := s.Op("Conv", nhwc, s.input("x", 1, 64, 64, 8), s.param("e", 48, 8, 1, 1))
			y = s.Op("Conv", depthwise, y, s.constant("d", 48, 1, 3, 3))
			return s.Op("Conv", nhwc, s.Op("Add", nil, y, s.Op("Relu", nil, y)), s.constant("p", 8, 48, 1, 1))
		}, "Conv Conv Relu Add Conv"},
		{"what stays in the cache is in no chain", fuseChains, func(s *sketch) *ir.Value {
			y := s.Op("Conv", nhwc, s.input("x", 1, 16, 16, 8), s.constant("e", 48, 8, 1, 1))
			return s.Op("Conv", depthwise, y, s.constant("d", 48, 1, 3, 3))
		}, "Conv Conv"},
		{"attention with heads, scale and mask", fuseAttention, func(s *sketch) *ir.Value {
			q, k, v := s.input("q", 2, 3, 5, 8), s.input("k", 2, 3, 6, 8), s.input("v", 2, 3, 6, 4)
			z := s.Op("MatMul", nil, s.Op("Mul", nil, q, s.Float(0.5)), s.Op("Transpose", ir.Attrs{"perm": []int{0, 1, 3, 2}}, k))
			z = s.Op("Add", nil, s.Op("Div", nil, z, s.Float(3)), s.input("mask", 2, 1, 1, 6))
			return s.Op("MatMul", nil, s.Op("Softmax", ir.Attrs{"axis": -1}, z), v)
		}, "Attention"},
		{"attention, sequence first", fuseAttention, func(s *sketch) *ir.Value {
			q, k, v := s.input("q", 4, 5, 8), s.input("k", 6, 4, 8), s.input("v", 4, 6, 8)
			z := s.Op("MatMul", nil, q, s.Op("Transpose", ir.Attrs{"perm": []int{1, 2, 0}}, k))
			return s.Op("MatMul", nil, s.Op("Softmax", ir.Attrs{"axis": -1}, z), v)
		}, "Transpose Reshape Reshape Reshape Attention Reshape"},
		{"a mask that trains keeps its gradient", fuseAttention, func(s *sketch) *ir.Value {
			q, k, v := s.input("q", 2, 3, 5, 8), s.input("k", 2, 3, 6, 8), s.input("v", 2, 3, 6, 4)
			z := s.Op("MatMul", ir.Attrs{"transB": 1}, q, k)
			z = s.Op("Add", nil, z, s.param("bias", 3, 5, 6))
			return s.Op("MatMul", nil, s.Op("Softmax", ir.Attrs{"axis": -1}, z), v)
		}, "MatMul Add Softmax MatMul"},
		{"heads are read and written in place", placeHeads, func(s *sketch) *ir.Value {
			heads := func(x *ir.Value) *ir.Value {
				x = s.Op("Reshape", ir.Attrs{"shape": []int{2, 5, 3, 4}}, x)
				return s.Op("Transpose", ir.Attrs{"perm": []int{0, 2, 1, 3}}, x)
			}
			y := s.Op("Attention", nil, heads(s.input("q", 2, 5, 12)), heads(s.input("k", 2, 5, 12)), heads(s.input("v", 2, 5, 12)), s.input("mask", 2, 1, 1, 5))
			return s.Op("Reshape", ir.Attrs{"shape": []int{2, 5, 12}}, s.Op("Transpose", ir.Attrs{"perm": []int{0, 2, 1, 3}}, y))
		}, "Attention"},
		{"queries, keys and values side by side, positions first", placeHeads, func(s *sketch) *ir.Value {
			swap := ir.Attrs{"perm": []int{1, 0, 2}}
			x := s.Op("MatMul", nil, s.Op("Transpose", swap, s.input("x", 2, 5, 6)), s.constant("w", 6, 36), s.constant("b", 36))
			var part [3]*ir.Value
			for i := range part { // [5,2,12] to [2*3,1,5,4]
				p := s.Op("Slice", ir.Attrs{"axes": []int{-1}, "starts": []int{12 * i}, "ends": []int{12*i + 12}}, x)
				p = s.Op("Transpose", swap, s.Op("Reshape", ir.Attrs{"shape": []int{5, 6, 4}}, p))
				part[i] = s.Op("Reshape", ir.Attrs{"shape": []int{6, 1, 5, 4}}, p)
			}
			y := s.Op("Reshape", ir.Attrs{"shape": []int{6, 5, 4}}, s.Op("Attention", nil, part[0], part[1], part[2], nil))
			y = s.Op("Reshape", ir.Attrs{"shape": []int{10, 12}}, s.Op("Transpose", swap, y))
			y = s.Op("MatMul", ir.Attrs{"transB": 1}, y, s.constant("o", 6, 12), s.constant("p", 6))
			return s.Op("Transpose", swap, s.Op("Reshape", ir.Attrs{"shape": []int{5, 2, 6}}, y))
		}, "MatMul Attention MatMul"},
		{"groups of queries share heads that a slice leaves", placeHeads, func(s *sketch) *ir.Value {
			x := s.Op("Reshape", ir.Attrs{"shape": []int{2, 5, 8, 4}}, s.input("x", 2, 5, 32))
			x = s.Op("Transpose", ir.Attrs{"perm": []int{0, 2, 1, 3}}, x)
			part := func(from, to int) *ir.Value {
				return s.Op("Slice", ir.Attrs{"axes": []int{1}, "starts": []int{from}, "ends": []int{to}}, x)
			}
			return s.Op("Attention", ir.Attrs{"is_causal": 1}, part(0, 4), part(4, 6), part(-2, 99), nil)
		}, "Attention"},
		{"heads whose values are not neighbours are copied", placeHeads, func(s *sketch) *ir.Value {
			q := s.Op("Transpose", ir.Attrs{"perm": []int{0, 1, 3, 2}}, s.input("q", 2, 3, 4, 5))
			return s.Op("Attention", nil, q, s.input("k", 2, 3, 5, 4), s.input("v", 2, 3, 5, 4), nil)
		}, "Transpose Attention"},
		{"who else reads the result gets it as it was", placeHeads, func(s *sketch) *ir.Value {
			q := s.input("q", 2, 3, 5, 4)
			y := s.Op("Attention", nil, q, q, q, nil)
			return s.Op("Add", nil, s.Op("Transpose", ir.Attrs{"perm": []int{0, 2, 1, 3}}, y), s.Op("Reshape", ir.Attrs{"shape": []int{2, 5, 3, 4}}, y))
		}, "Attention Transpose Reshape Add"},
		{"transposes merge and move into products", fuseTransposes, func(s *sketch) *ir.Value {
			x := s.Op("Transpose", ir.Attrs{"perm": []int{1, 0, 2}}, s.Op("Transpose", ir.Attrs{"perm": []int{1, 0, 2}}, s.input("x", 2, 3, 4)))
			return s.Op("MatMul", nil, x, s.Op("Transpose", ir.Attrs{"perm": []int{1, 0}}, s.param("w", 5, 4)))
		}, "Reshape MatMul"},
		{"training norm, residual and relu", fuseTrainNorms, func(s *sketch) *ir.Value {
			y := s.Op("BatchNormTrain", ir.Attrs{"layout": "NHWC"}, s.input("x", 2, 4, 4, 5), s.param("scale", 5), s.param("bias", 5))
			return s.Op("Relu", nil, s.Op("Add", nil, s.Op("Neg", nil, s.input("r", 2, 4, 4, 5)), y))
		}, "Neg BatchNormAct"},
		{"training norm and silu take no residual", fuseTrainNorms, func(s *sketch) *ir.Value {
			y := s.Op("BatchNormTrain", ir.Attrs{"layout": "NHWC"}, s.input("x", 2, 4, 4, 5), s.param("scale", 5), s.param("bias", 5))
			return s.Op("Silu", nil, s.Op("Add", nil, s.input("r", 2, 4, 4, 5), y))
		}, "BatchNormAct Silu"},
		{"channels last", new(Constants).channelsLast, func(s *sketch) *ir.Value {
			x := s.Op("Conv", conv, s.input("x", 2, 3, 4, 4), s.param("w", 5, 3, 3, 3))
			y := s.Op("Mul", nil, s.Op("Relu", nil, s.batchNorm(x, 5, s.param)), s.constant("layer_scale", 5, 1, 1))
			y = s.Op("Concat", ir.Attrs{"axis": 1}, y, x)
			return s.Op("ReduceMean", ir.Attrs{"axes": []int{2, 3}, "keepdims": 0}, y)
		}, "Transpose Conv BatchNormalization Relu Mul Concat ReduceMean"},
		{"permutations to channels last and back cost nothing", new(Constants).channelsLast, func(s *sketch) *ir.Value {
			x := s.Op("Conv", conv, s.input("x", 2, 3, 4, 4), s.param("w", 6, 3, 3, 3))
			y := s.Op("LayerNormalization", ir.Attrs{"axis": -1}, s.Op("Transpose", ir.Attrs{"perm": []int{0, 2, 3, 1}}, x), s.param("g", 6), s.param("b", 6))
			y = s.Op("Conv", conv, s.Op("Transpose", ir.Attrs{"perm": []int{0, 3, 1, 2}}, y), s.param("v", 6, 6, 3, 3))
			return s.Op("GlobalAveragePool", nil, y)
		}, "Transpose Conv LayerNormalization Conv GlobalAveragePool Reshape"},
		{"resizing and quantising follow the layout", new(Constants).channelsLast, func(s *sketch) *ir.Value {
			x := s.Op("Conv", conv, s.input("x", 2, 3, 4, 4), s.param("w", 5, 3, 3, 3))
			x = s.Op("Gather", ir.Attrs{"axis": 3}, x, s.Ints(0, 0, 1, 2, 2, 3))
			x = s.Op("Resample", ir.Attrs{"axis": 2, "mode": "linear", "size": 6, "scale": float32(1.5)}, x)
			x = s.Op("FakeQuantize", ir.Attrs{"to": "int8", "scale": float32(0.01), "zero": 0}, x)
			return s.Op("Conv", conv, x, s.param("v", 5, 5, 3, 3))
		}, "Transpose Conv Gather Resample FakeQuantize Conv Transpose"},
		{"what knows no layout gets channels first", new(Constants).channelsLast, func(s *sketch) *ir.Value {
			x := s.Op("Conv", conv, s.input("x", 2, 3, 4, 4), s.param("w", 5, 3, 3, 3))
			return s.Op("Reshape", ir.Attrs{"shape": []int{2, 80}}, x)
		}, "Transpose Conv Transpose Reshape"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if g := rewritten(t, c.build, c.pass); operators(g) != c.want {
				t.Errorf("operators %s, want %s\n%s", operators(g), c.want, g)
			}
		})
	}
}

// rewritten is a graph after a pass, which must leave it whole and what it computes the same.
func rewritten(t *testing.T, build func(s *sketch) *ir.Value, pass func(*ir.Graph) error) *ir.Graph {
	t.Helper()
	s := newSketch()
	y := build(s)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	g := s.Graph
	g.Outputs = []*ir.Value{y}
	plain, _ := ir.Clone(g)
	if err := pass(g); err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(g); err != nil {
		t.Fatalf("%v\nbefore:\n%s\nafter:\n%s", err, plain, g)
	}
	same(t, s, plain, g)
	return g
}

func operators(g *ir.Graph) string {
	var ops []string
	for _, n := range g.Nodes {
		ops = append(ops, n.Op)
	}
	return strings.Join(ops, " ")
}

// same runs both graphs, bound as they are, on the same inputs.
func same(t *testing.T, s *sketch, a, b *ir.Graph) {
	t.Helper()
	var inputs []*tensor.Tensor
	for _, v := range a.Inputs {
		if v.Type.DType == tensor.Int64 {
			inputs = append(inputs, s.indices(v.Type.Shape...))
		} else {
			inputs = append(inputs, s.random(v.Type.Shape...))
		}
	}
	run := func(g *ir.Graph) *tensor.Tensor {
		p, err := planMemory(g, map[*ir.Node]ir.Bound{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.program(g, nil).Run(context.Background(), inputs...)
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	if err := tensor.Close(run(b), run(a), tensor.Tolerance{Name: "pass", Rel: 1e-4, Abs: 1e-5}); err != nil {
		t.Error(err)
	}
}

func TestGraphText(t *testing.T) {
	s := newSketch()
	y := s.Op("MatMul", ir.Attrs{"transB": 1}, s.input("x", 2, 5), s.param("w", 4, 5))
	s.Scope = "/act"
	y = s.Op("Add", nil, y, s.Float(0.5))
	s.Graph.Outputs = []*ir.Value{y}
	want := `graph g(x float32[2,5])
  %0 = MatMul(x, w) {transB=1}  float32[2,4]  # MatMul
  %1 = Add(%0, 0.5)  float32[2,4]  # /act
  return %1
`
	if got := s.Graph.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Blocks whose lifetimes overlap never share a byte, and those that do not may.
func TestMemoryLayout(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		var blocks []*block
		for range 1 + r.IntN(40) {
			from := r.IntN(30)
			blocks = append(blocks, &block{size: r.IntN(5000), from: from, to: from + r.IntN(8)})
		}
		total := layout(blocks)
		sum := 0
		for i, a := range blocks {
			sum += align(a.size)
			if a.offset%tensor.Align != 0 || a.offset+a.size > total {
				t.Fatalf("block at %d of size %d in an arena of %d", a.offset, a.size, total)
			}
			for _, b := range blocks[:i] {
				if a.from <= b.to && b.from <= a.to && a.offset < b.offset+b.size && b.offset < a.offset+a.size {
					t.Fatalf("blocks [%d,%d) and [%d,%d) live together", a.offset, a.offset+a.size, b.offset, b.offset+b.size)
				}
			}
		}
		if total > sum {
			t.Fatalf("arena of %d for %d bytes", total, sum)
		}
	}
	chain := []*block{{size: 640, from: 0, to: 1}, {size: 640, from: 1, to: 2}, {size: 640, from: 2, to: 3}}
	if total := layout(chain); total != 1280 {
		t.Errorf("a chain takes %d bytes, want two buffers", total)
	}
}

// A program may be run again and again, with views, in-place results and outputs that are inputs.
func TestProgramRuns(t *testing.T) {
	s := newSketch()
	x := s.input("x", 2, 6)
	v := s.Op("Reshape", ir.Attrs{"shape": []int{3, 4}}, x)
	a := s.Op("Relu", nil, v)
	b := s.Op("Add", nil, a, s.Float(1))
	c := s.Op("Mul", nil, b, b)
	s.Graph.Outputs = []*ir.Value{c, x, v, a}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := Region(s.Graph, Memory{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		in := s.random(2, 6)
		out, err := p.Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		for i, xv := range in.F32() {
			r := max(xv, 0)
			if out[0].F32()[i] != (r+1)*(r+1) || out[1].F32()[i] != xv || out[2].F32()[i] != xv || out[3].F32()[i] != r {
				t.Fatalf("element %d: %g %g %g %g from %g", i, out[0].F32()[i], out[1].F32()[i], out[2].F32()[i], out[3].F32()[i], xv)
			}
		}
	}
	if _, err := p.Run(context.Background(), tensor.New(tensor.Float32, 3, 6)); err == nil || !strings.Contains(err.Error(), `input "x"`) {
		t.Errorf("an input of another shape: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Run(ctx, s.random(2, 6)); err == nil {
		t.Error("a cancelled run went on")
	}
	bad := s.random(2, 6)
	bad.F32()[3] = float32(math.NaN())
	if where, err := p.FirstNonFinite(context.Background(), bad); err != nil || where != `the input "x"` {
		t.Errorf("first non-finite: %s (%v)", where, err)
	}
}
