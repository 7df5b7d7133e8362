package split

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// The inputs of the operators: images, sequences and rows of examples, which are on axis 0.
var (
	x4 = f(examples, 4, 6, 6)
	x3 = f(examples, 5, 4)
	x2 = f(examples, 6)
	q4 = u8(examples, 4, 6, 6)
	q2 = u8(examples, 6)
)

// usual are the inputs on which operators without a case of their own are tried, in this order.
var usual = [][]given{
	{x3}, {x3, f(examples, 5, 4)}, {truth(examples, 4)}, {truth(examples, 4), truth(examples, 4)},
	{i64(9, examples, 4), i64(3, examples, 4)}, {i64(9, examples, 4)}, {x4},
}

// batchless are operators that no batch goes through, with the reason.
var batchless = map[string]string{
	"AffineGrid":                        "its size input names the batch size",
	"BlackmanWindow":                    "makes a constant",
	"Constant":                          "makes a constant",
	"ConstantOfShape":                   "makes a constant",
	"EyeLike":                           "makes a matrix of a shape",
	"HammingWindow":                     "makes a constant",
	"HannWindow":                        "makes a constant",
	"MelWeightMatrix":                   "makes a constant",
	"Optional":                          "an empty one has a type only",
	"OptionalHasElement":                "answers for the whole",
	"RandomNormal":                      "draws for a shape that the file fixes",
	"RandomUniform":                     "draws for a shape that the file fixes",
	"Range":                             "makes a constant",
	"SequenceEmpty":                     "makes an empty sequence",
	"SequenceLength":                    "counts",
	"Shape":                             "reads shapes only",
	"Size":                              "reads shapes only",
	"TfIdfVectorizer":                   "pools of n-grams are tested in package op",
	"com.microsoft.GroupQueryAttention": "its lengths are inputs of their own; its arithmetic is Attention's",
	"ai.onnx.preview.FlexAttention":     "its arithmetic is Attention's",
}

type attrs = ir.Attrs

// reductions have a case over the examples and one within each.
func reductions() []companyCase {
	return []companyCase{
		{in: []given{x3}, attrs: attrs{"axes": []int{1}}, version: 11},
		{in: []given{x3}, attrs: attrs{"axes": []int{0}}, version: 11, mixes: true},
		{in: []given{x3}, version: 11, mixes: true},
	}
}

// axes have a case along the examples and one along another axis.
func axes(in ...given) []companyCase {
	return []companyCase{{in: in, attrs: attrs{"axis": 1}}, {in: in, attrs: attrs{"axis": 0}, mixes: true}}
}

// one is a single case.
func one(a attrs, in ...given) []companyCase { return []companyCase{{in: in, attrs: a}} }

// old is one at an opset version.
func old(version int, a attrs, in ...given) []companyCase {
	return []companyCase{{in: in, attrs: a, version: version}}
}

// random operators draw other numbers for each place in a batch.
var chance = []companyCase{{in: []given{x3}, mixes: true}}

// recurrent is a case with the gates of an operator on [N,T,4], and a hidden size of 2.
func recurrent(gates int) []companyCase {
	return one(attrs{"hidden_size": 2, "layout": 1}, x3, fixed(f(1, 2*gates, 4)), fixed(f(1, 2*gates, 2)))
}

// quantised is x with a scale and a zero point.
func quantised(x given) []given { return []given{x, num(0.03), zeroPoint(120)} }

func zeroPoint(v uint8) given {
	z := tensor.New(tensor.Uint8)
	z.Bytes[0] = v
	return given{Tensor: z, fixed: true}
}

func join(parts ...[]given) (in []given) {
	for _, p := range parts {
		in = append(in, p...)
	}
	return in
}

var companyCases = map[string][]companyCase{
	"Affine":      old(9, attrs{"alpha": float32(2), "beta": float32(1)}, x4),
	"Acosh":       one(nil, drawn[float32](tensor.Float32, 1, 3, examples, 4)),
	"ArgMax":      axes(x3),
	"ArgMin":      axes(x3),
	"Attention":   old(23, attrs{"q_num_heads": 2, "kv_num_heads": 2}, x3, f(examples, 7, 4), f(examples, 7, 4)),
	"AveragePool": one(attrs{"kernel_shape": []int{2, 2}}, x4),
	"BatchNormalization": {
		{in: []given{x4, fixed(p(4)), fixed(f(4)), fixed(f(4)), fixed(p(4))}},
		{in: []given{x4, fixed(p(4)), fixed(f(4)), fixed(f(4)), fixed(p(4))}, attrs: attrs{"training_mode": 1}, note: "use their running statistics"},
	},
	"Bernoulli":           chance,
	"BitCast":             {{in: []given{x3}, attrs: attrs{"to": 6}, version: 26}},
	"BitShift":            one(attrs{"direction": "LEFT"}, u8(examples, 4), u8(examples, 4)),
	"Cast":                one(attrs{"to": 7}, x3),
	"CausalConvWithState": old(27, nil, f(examples, 4, 6), fixed(f(4, 1, 3))),
	"CenterCropPad":       one(attrs{"axes": []int{2, 3}}, x4, ints(4, 8)),
	"Col2Im":              one(nil, f(examples, 8, 9), ints(4, 4), ints(2, 2)),
	"Compress": {
		{in: []given{x3, fixed(truth(4))}, attrs: attrs{"axis": 2}},
		{in: []given{x3, vector(yes())}, attrs: attrs{"axis": 0}, mixes: true},
	},
	"ConcatFromSequence": sequences,
	"Conv": append(one(nil, x4, fixed(f(5, 4, 3, 3)), fixed(f(5))), // small, large, depthwise, and as a product
		companyCase{in: []given{f(examples, 32, 28, 28), fixed(f(48, 32, 3, 3))}, attrs: attrs{"pads": []int{1, 1, 1, 1}}, tol: tensor.Tolerance{Name: "direct for a small batch, by Winograd for a large one", Rel: 1e-4, Abs: 1e-4}},
		companyCase{in: []given{f(examples, 32, 28, 28), fixed(f(32, 1, 3, 3))}, attrs: attrs{"group": 32}},
		companyCase{in: []given{f(examples, 64, 7, 7), fixed(f(96, 64, 1, 1))}},
	),
	"ConvInteger":      one(nil, q4, fixed(u8(5, 4, 3, 3))),
	"ConvTranspose":    one(nil, x4, fixed(f(4, 5, 3, 3))),
	"Crop":             old(9, attrs{"border": []int{1, 0, 1, 2}}, x4),
	"CumProd":          {{in: []given{x3, ints0(1)}, version: 26}, {in: []given{x3, ints0(0)}, version: 26, mixes: true}},
	"CumSum":           {{in: []given{x3, ints0(1)}}, {in: []given{x3, ints0(0)}, mixes: true}},
	"DFT":              {{in: []given{f(examples, 8, 1)}, attrs: attrs{"axis": 1}, version: 17}, {in: []given{f(examples, 8, 1)}, attrs: attrs{"axis": 0}, version: 17, mixes: true}},
	"DeformConv":       one(attrs{"kernel_shape": []int{2, 2}}, x4, fixed(f(5, 4, 2, 2)), f(examples, 8, 5, 5)),
	"DepthToSpace":     one(attrs{"blocksize": 2}, x4),
	"DequantizeLinear": one(nil, quantised(q2)...),
	"Dropout": {
		{in: []given{x3}},
		{in: []given{x3, num(0.5), yes()}, note: "drop nothing"},
		{in: []given{x3}, version: 6, attrs: attrs{"ratio": float32(0.5)}},
	},
	"DynamicQuantizeLinear": {{in: []given{x3}, note: "one at a time"}},
	"Einsum":                {{in: []given{x3, fixed(f(4, 2))}, attrs: attrs{"equation": "btd,dk->btk"}}, {in: []given{x3}, attrs: attrs{"equation": "btd->td"}, mixes: true}},
	"Expand":                one(nil, f(examples, 5, 1), ints(1, 5, 4)),
	"GRU":                   recurrent(3),
	"Gather":                {{in: []given{fixed(f(7, 4)), i64(6, examples, 5)}}, {in: []given{x3, ints(0, 2)}, attrs: attrs{"axis": 1}}, {in: []given{x3, ints(0)}, mixes: true}},
	"GatherElements":        {{in: []given{x3, i64(4, examples, 5, 4)}, attrs: attrs{"axis": 1}}, {in: []given{x3, fixed(i64(0.5, 1, 5, 4))}, mixes: true}},
	"GatherND":              {{in: []given{x3, i64(4, examples, 2, 1)}, attrs: attrs{"batch_dims": 1}}, {in: []given{x3, fixed(i64(0.5, 2, 1))}, mixes: true}},
	"Gemm":                  {{in: []given{f(examples, 500), fixed(f(500, 100))}}, {in: []given{x2, fixed(f(6, 4)), fixed(f(4))}}, {in: []given{x2, x2}, attrs: attrs{"transA": 1}, mixes: true}},
	"GridSample":            one(nil, x4, f(examples, 3, 3, 2)),
	"GroupNormalization":    one(attrs{"num_groups": 2}, x4, fixed(f(4)), fixed(f(4))),
	"Hardmax":               append(axes(x3), companyCase{in: []given{x3}, version: 11}),
	"If": {{in: []given{x3}, build: func(g *ir.Graph, x *ir.Value) *ir.Value {
		return tested(g, "If", 1, attrs{"then_branch": branch(x, "Relu"), "else_branch": branch(x, "Neg")}, g.NewConst("c", yes().Tensor))[0]
	}}},
	"ImageScaler":           old(9, attrs{"scale": float32(2), "bias": []float32{1, 2, 3, 4}}, x4),
	"InstanceNormalization": one(nil, x4, fixed(f(4)), fixed(f(4))),
	"LRN":                   one(attrs{"size": 3}, x4),
	"LSTM":                  recurrent(4),
	"LayerNormalization":    {{in: []given{f(examples, 70, 200), fixed(f(200)), fixed(f(200))}}, {in: []given{x3, fixed(f(4))}}, {in: []given{x3, fixed(f(examples, 5, 4))}, attrs: attrs{"axis": 0}, refused: true}},
	"LinearAttention":       old(27, attrs{"q_num_heads": 2, "kv_num_heads": 2, "update_rule": "linear"}, x3, f(examples, 5, 4), f(examples, 5, 4)),
	"LogSoftmax":            append(axes(x3), companyCase{in: []given{x3}, version: 11, attrs: attrs{"axis": 0}, mixes: true}),
	"Loop": {{in: []given{x3}, build: func(g *ir.Graph, x *ir.Value) *ir.Value {
		b := ir.New("body")
		b.AddInput("i", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{}})
		goOn := b.AddInput("go", ir.Type{DType: tensor.Bool, Shape: tensor.Shape{}})
		state := b.AddInput("state", ir.Type{DType: tensor.Float32})
		b.Outputs = []*ir.Value{tested(b, "Identity", 1, nil, goOn)[0], tested(b, "Mul", 1, nil, state, x)[0]}
		return tested(g, "Loop", 1, attrs{"body": b}, g.NewConst("n", tensor.Scalar(int64(3))), nil, x)[0]
	}}},
	"LpNormalization": axes(x3),
	"LpPool":          one(attrs{"kernel_shape": []int{2, 2}}, x4),
	"MatMul":          {{in: []given{f(examples, 70, 200), fixed(f(200, 100))}}, {in: []given{f(examples, 33, 200), f(examples, 200, 50)}}, {in: []given{x3, fixed(f(4, 6))}}, {in: []given{x3, f(examples, 4, 6)}}, {in: []given{fixed(f(2, 1)), f(examples, 6)}, refused: true}},
	"MatMulInteger":   one(nil, q2, fixed(u8(6, 4))),
	"MaxPool":         one(attrs{"kernel_shape": []int{2, 2}}, x4),
	"MaxUnpool": {{in: []given{x4}, build: func(g *ir.Graph, x *ir.Value) *ir.Value {
		a := attrs{"kernel_shape": []int{2, 2}, "strides": []int{2, 2}}
		pool := tested(g, "MaxPool", 2, a, x)
		return tested(g, "MaxUnpool", 1, a, pool...)[0]
	}}},
	"MeanVarianceNormalization": {
		{in: []given{x4}, note: "take those of each example"},
		{in: []given{x4}, attrs: attrs{"axes": []int{2, 3}}},
		{in: []given{x3}, attrs: attrs{"axes": []int{0}}, mixes: true},
	},
	"NegativeLogLikelihoodLoss": {{in: []given{x2, i64(5, examples)}, attrs: attrs{"reduction": "none"}}, {in: []given{x2, i64(5, examples)}, mixes: true}},
	"NonMaxSuppression":         {{in: []given{p(examples, 5, 4), p(examples, 2, 5), ints(3)}, refused: true}},
	"NonZero":                   {{in: []given{x3}, refused: true}},
	"OneHot":                    one(nil, i64(4, examples), ints(5), given{tensor.Of([]float32{0, 1}, 2), true}),
	"Pad":                       {{in: []given{x3, ints(0, 1, 0, 0, 1, 2)}}, {in: []given{x3, ints(1, 0, 0, 0, 0, 0)}, mixes: true}},
	"ParametricSoftplus":        old(9, attrs{"alpha": float32(2), "beta": float32(1)}, x4),
	"QLinearConv":               one(nil, join(quantised(q4), quantised(fixed(u8(5, 4, 3, 3))), []given{num(0.5), zeroPoint(100)})...),
	"QLinearMatMul":             one(nil, join(quantised(q2), quantised(fixed(u8(6, 4))), []given{num(0.5), zeroPoint(100)})...),
	"QuantizeLinear":            one(nil, quantised(x3)...),
	"RMSNormalization":          old(23, nil, x3, fixed(f(4))),
	"RNN":                       recurrent(1),
	"RandomNormalLike":          chance,
	"RandomUniformLike":         chance,
	"ReduceL1":                  reductions(),
	"ReduceL2":                  reductions(),
	"ReduceLogSum":              reductions(),
	"ReduceLogSumExp":           reductions(),
	"ReduceMax":                 reductions(),
	"ReduceMean":                reductions(),
	"ReduceMin":                 reductions(),
	"ReduceProd":                reductions(),
	"ReduceSum":                 reductions(),
	"ReduceSumSquare":           reductions(),
	"Reshape":                   {{in: []given{x3, ints(0, 20)}}, {in: []given{x3, ints(-1, 4)}}, {in: []given{x3, ints(1, -1)}, moves: true}},
	"Resize":                    one(nil, x4, absent, given{tensor.Of([]float32{1, 1, 2, 2}, 4), true}),
	"ReverseSequence":           {{in: []given{x3, i64(5, examples)}, attrs: attrs{"batch_axis": 0, "time_axis": 1}, refused: true}},
	"RoiAlign":                  {{in: []given{x4, fixed(given{tensor.Of([]float32{0, 0, 4, 4}, 1, 4), true}), fixed(i64(0.5, 1))}, mixes: true}},
	"RotaryEmbedding":           old(23, nil, f(examples, 2, 5, 4), fixed(f(5, 2)), fixed(f(5, 2)), i64(4, examples, 5)),
	"STFT":                      one(attrs{"onesided": 1}, f(examples, 16, 1), ints0(4), absent, ints0(8)),
	"Scale":                     old(9, attrs{"scale": float32(3)}, x4),
	"ScaledTanh":                old(9, attrs{"alpha": float32(3), "beta": float32(1)}, x4),
	"Scan": {
		{in: []given{x3}, build: scan(1)},
		{in: []given{x3}, build: scan(0), mixes: true},
	},
	"Scatter":                      {{in: []given{x3, i64(4, examples, 2, 4), f(examples, 2, 4)}, attrs: attrs{"axis": 1}, version: 10}, {in: []given{x3, i64(0.5, examples, 2, 4), f(examples, 2, 4)}, version: 10, mixes: true}},
	"ScatterElements":              {{in: []given{x3, i64(4, examples, 2, 4), f(examples, 2, 4)}, attrs: attrs{"axis": 1, "reduction": "add"}, version: 18}, {in: []given{x3, i64(0.5, examples, 2, 4), f(examples, 2, 4)}, version: 18, attrs: attrs{"reduction": "add"}, mixes: true}},
	"ScatterND":                    {{in: []given{x3, fixed(i64(0.5, 1, 1)), fixed(f(1, 5, 4))}, mixes: true}},
	"SequenceAt":                   sequences,
	"SequenceConstruct":            sequences,
	"SequenceErase":                sequences,
	"SequenceInsert":               sequences,
	"SequenceMap":                  sequences,
	"SimplifiedLayerNormalization": one(nil, x3, fixed(f(4))),
	"Slice":                        {{in: []given{x3, ints(1), ints(3), ints(1)}}, {in: []given{x3, ints(0), ints(1), ints(0)}, mixes: true}, {in: []given{x3, ints(-1), ints(-9), ints(0), ints(-1)}, mixes: true}},
	"Softmax":                      append(axes(x3), companyCase{in: []given{x3}, version: 11, attrs: attrs{"axis": 0}, mixes: true}, companyCase{in: []given{x3}, version: 11}),
	"SoftmaxCrossEntropyLoss":      {{in: []given{x2, i64(5, examples)}, attrs: attrs{"reduction": "none"}}, {in: []given{x2, i64(5, examples)}, mixes: true}},
	"SpaceToDepth":                 one(attrs{"blocksize": 2}, x4),
	"Split":                        {{in: []given{x3}, attrs: attrs{"axis": 2, "num_outputs": 2}, outputs: 2}},
	"SplitToSequence":              sequences,
	"Squeeze":                      one(nil, f(examples, 1, 4), ints(1)),
	"SwiGLU":                       old(28, nil, x3, f(examples, 5, 4)),
	"Swish":                        old(24, nil, x3),
	"TensorScatter":                old(24, nil, f(examples, 2, 5, 4), f(examples, 2, 1, 4), i64(4, examples)),
	"Tile":                         {{in: []given{x3, ints(1, 2, 1)}}, {in: []given{x3, ints(2, 1, 1)}, moves: true}},
	"TopK":                         {{in: []given{x3, ints(2)}, outputs: 2}, {in: []given{x3, ints(1)}, attrs: attrs{"axis": 0}, outputs: 2, mixes: true}},
	"Transpose":                    {{in: []given{x3}, attrs: attrs{"perm": []int{0, 2, 1}}}},
	"Trilu":                        one(nil, x3),
	"Unique":                       {{in: []given{x3}, refused: true}},
	"Unsqueeze":                    one(nil, x3, ints(1)),
	"Upsample":                     old(9, nil, x4, given{tensor.Of([]float32{1, 1, 2, 2}, 4), true}),
	"Where":                        one(nil, truth(examples, 5, 4), x3, f(examples, 5, 4)),

	"com.microsoft.Attention":                        one(attrs{"num_heads": 2}, x3, fixed(f(4, 12)), fixed(f(12))),
	"com.microsoft.BiasAdd":                          one(nil, x3, fixed(f(4)), f(examples, 5, 4)),
	"com.microsoft.BiasGelu":                         one(nil, x3, fixed(f(4))),
	"com.microsoft.BiasSplitGelu":                    one(nil, x3, fixed(f(4))),
	"com.microsoft.DequantizeLinear":                 one(nil, quantised(q2)...),
	"com.microsoft.DynamicQuantizeMatMul":            {{in: []given{x2, fixed(u8(6, 4)), num(0.03), zeroPoint(120)}, note: "one at a time"}},
	"com.microsoft.EmbedLayerNormalization":          one(nil, i32(4, examples, 5), i32(1.5, examples, 5), fixed(f(5, 4)), fixed(f(6, 4)), fixed(f(2, 4)), fixed(f(4)), fixed(f(4))),
	"com.microsoft.FastGelu":                         one(nil, x3, fixed(f(4))),
	"com.microsoft.FusedConv":                        one(attrs{"activation": "Relu"}, x4, fixed(f(5, 4, 3, 3)), fixed(f(5))),
	"com.microsoft.FusedGemm":                        one(attrs{"activation": "Relu"}, x2, fixed(f(6, 4)), fixed(f(4))),
	"com.microsoft.FusedMatMul":                      one(nil, x3, fixed(f(4, 6))),
	"com.microsoft.GatherND":                         one(attrs{"batch_dims": 1}, x3, i64(4, examples, 2, 1)),
	"com.microsoft.GemmFastGelu":                     one(nil, x2, fixed(f(6, 4)), fixed(f(4))),
	"com.microsoft.GridSample":                       one(nil, x4, f(examples, 3, 3, 2)),
	"com.microsoft.MatMulIntegerToFloat":             one(nil, q2, fixed(u8(6, 4)), num(0.02), num(0.03), zeroPoint(120), zeroPoint(110)),
	"com.microsoft.MultiHeadAttention":               one(attrs{"num_heads": 2}, x3, f(examples, 7, 4), f(examples, 7, 4)),
	"com.microsoft.Pad":                              one(nil, x3, ints(0, 1, 0, 0, 1, 2)),
	"com.microsoft.QGemm":                            one(nil, join(quantised(q2), quantised(fixed(u8(6, 4))), []given{absent, num(0.3), zeroPoint(125)})...),
	"com.microsoft.QLinearAdd":                       one(nil, join(quantised(q2), quantised(u8(examples, 6)), []given{num(0.05), zeroPoint(125)})...),
	"com.microsoft.QLinearAveragePool":               one(attrs{"kernel_shape": []int{2, 2}}, join(quantised(q4), []given{num(0.03), zeroPoint(125)})...),
	"com.microsoft.QLinearConcat":                    one(attrs{"axis": 1}, num(0.03), zeroPoint(120), q2, num(0.02), zeroPoint(120), u8(examples, 4), num(0.03), zeroPoint(130)),
	"com.microsoft.QLinearGlobalAveragePool":         one(nil, join(quantised(q4), []given{num(0.03), zeroPoint(125)})...),
	"com.microsoft.QLinearLeakyRelu":                 one(attrs{"alpha": float32(0.1)}, join(quantised(q2), []given{num(0.03), zeroPoint(125)})...),
	"com.microsoft.QLinearMul":                       one(nil, join(quantised(q2), quantised(u8(examples, 6)), []given{num(0.05), zeroPoint(125)})...),
	"com.microsoft.QLinearSigmoid":                   one(nil, join(quantised(q2), []given{num(0.004), zeroPoint(0)})...),
	"com.microsoft.QLinearSoftmax":                   one(attrs{"axis": 1, "opset": 13}, join(quantised(q2), []given{num(0.004), zeroPoint(0)})...),
	"com.microsoft.QuantizeLinear":                   one(nil, quantised(x3)...),
	"com.microsoft.QuickGelu":                        one(nil, x3),
	"com.microsoft.RotaryEmbedding":                  one(nil, x3, i64(4, examples, 5), fixed(f(8, 2)), fixed(f(8, 2))),
	"com.microsoft.SimplifiedLayerNormalization":     one(nil, x3, fixed(f(4))),
	"com.microsoft.SkipLayerNormalization":           one(nil, x3, f(examples, 5, 4), fixed(f(4))),
	"com.microsoft.SkipSimplifiedLayerNormalization": one(nil, x3, f(examples, 5, 4), fixed(f(4))),
	"com.microsoft.TransposeMatMul":                  one(nil, x3, fixed(f(4, 6))),
}

// sequences goes through all operators of sequences: parts of an axis, changed one by one, and
// joined again.
var sequences = []companyCase{
	{in: []given{x3}, build: throughSequence(1)},
	{in: []given{x3}, build: throughSequence(0), mixes: true},
}

func throughSequence(axis int) func(g *ir.Graph, x *ir.Value) *ir.Value {
	return func(g *ir.Graph, x *ir.Value) *ir.Value {
		at := g.NewConst("at", tensor.Scalar(int64(0)))
		parts := tested(g, "SplitToSequence", 1, attrs{"axis": axis}, x)[0]
		body := ir.New("body")
		body.Outputs = tested(body, "Relu", 1, nil, body.AddInput("part", ir.Type{DType: tensor.Float32}))
		parts = tested(g, "SequenceMap", 1, attrs{"body": body}, parts)[0]
		first := tested(g, "SequenceAt", 1, nil, parts, at)[0]
		parts = tested(g, "SequenceInsert", 1, nil, tested(g, "SequenceErase", 1, nil, parts, at)[0], first)[0]
		all := tested(g, "ConcatFromSequence", 1, attrs{"axis": axis}, parts)[0]
		pair := tested(g, "SequenceConstruct", 1, nil, all, x)[0]
		return tested(g, "ConcatFromSequence", 1, attrs{"axis": 2}, pair)[0]
	}
}

// scan sums along an axis.
func scan(axis int) func(g *ir.Graph, x *ir.Value) *ir.Value {
	return func(g *ir.Graph, x *ir.Value) *ir.Value {
		b := ir.New("body")
		sum, part := b.AddInput("sum", ir.Type{DType: tensor.Float32}), b.AddInput("part", ir.Type{DType: tensor.Float32})
		next := tested(b, "Add", 1, nil, sum, part)[0]
		b.Outputs = []*ir.Value{next, tested(b, "Identity", 1, nil, next)[0]}
		zero := g.NewConst("zero", tensor.New(tensor.Float32, 1, 4))
		return tested(g, "Scan", 2, attrs{"body": b, "num_scan_inputs": 1, "scan_input_axes": []int{axis}, "scan_output_axes": []int{axis}}, zero, x)[1]
	}
}

// branch is a graph that applies an operator to a value of the graph around it.
func branch(x *ir.Value, op string) *ir.Graph {
	g := ir.New(op)
	g.Outputs = tested(g, op, 1, nil, x)
	return g
}

// tested adds a node and returns its outputs.
func tested(g *ir.Graph, op string, outputs int, a ir.Attrs, in ...*ir.Value) []*ir.Value {
	types := make([]ir.Type, outputs)
	for i := range types {
		types[i].DType = tensor.Float32
	}
	if a == nil {
		a = ir.Attrs{}
	}
	n := &ir.Node{Name: "tested" + op, Op: op, Version: 22, Attrs: a, Inputs: in}
	var names []string
	for i := range outputs {
		names = append(names, fmt.Sprint(op, len(g.Nodes), "_", i))
	}
	return g.AddNode(n, types, names...).Outputs
}

func vector(g given) given {
	g.Tensor = &tensor.Tensor{DType: g.DType, Shape: tensor.Shape{1}, Bytes: g.Bytes}
	return g
}
