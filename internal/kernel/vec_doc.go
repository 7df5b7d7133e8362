package kernel

// The elementwise, normalising, pooling, reducing and optimising kernels. All work
// on float32 slices of the stated sizes, in parallel, and may be given the same
// slice as input and output (y = x, dx = dy) unless they say otherwise. Gradients
// overwrite their results. "From y" means that the last argument is the output.
//
// Activations, f(y, x) and fGrad(dx, dy, x)
//
//	Relu Relu6 Sigmoid* Tanh* Silu Gelu GeluTanh HardSwish Mish Softplus Softsign
//	Clip(y, x, lo, hi)              LeakyRelu(y, x, alpha)   HardSigmoid(y, x, alpha, beta)
//	Elu(y, x, alpha)  Celu(y, x, alpha)  Selu(y, x, alpha, gamma)  ThresholdedRelu(y, x, alpha)
//	* gradient from y; Relu, Relu6 and Clip take either
//
// Functions, f(y, x) and, where there is one, fGrad
//
//	Exp Erf Log Sqrt* Rsqrt* Reciprocal* Square Abs Neg Sign Floor Ceil Round
//	Sin Cos Tan* Asin Acos Atan Sinh Cosh Asinh Acosh Atanh
//
// Arithmetic
//
//	Add(y, a, b)  AddInto(y, x)                 equal lengths
//	Axpy(y, x, a)  Scale(y, x, a)
//	NewBroadcast(shape, in...)                  plan, then
//	Binary(OpAdd..OpPow, y, a, b, plan)         float32
//	Map1 Map2 Where Expand                      any element type
//	SumTo(y, x, plan)                           gradient of a broadcast
//
// Reductions over the middle of [outer, axis, inner]
//
//	Reduce(ReduceSum..ReduceLogSumExp, y, x, outer, axis, inner)
//	ArgMax ArgMin (y []int64, x, outer, axis, inner, last)
//	ColSum(y, x, rows)  SumAll(x)  SumSquares(x)
//
// Normalisation; maps are NHWC, rows = N*H*W
//
//	ScaleShift(y, x, s, t, rows, res, relu)     batch norm with fixed statistics
//	BatchNormTrain(y, x, scale, bias, mean, variance, invstd, eps, rows, res, relu)
//	BatchNormGrad(dx, dres, dscale, dbias, dy, y, x, scale, mean, invstd, rows)
//	BatchNormStats(mean, variance, x, rows)  InvStd(r, variance, eps)
//	LayerNorm(y, x, scale, bias, mean, invstd, eps, rows, c)  LayerNormGrad
//	RMSNorm(y, x, scale, invrms, eps, rows, c)  RMSNormGrad
//	GroupNorm(y, x, scale, bias, mean, invstd, eps, n, hw, c, groups)  GroupNormGrad
//
// Pooling in NHWC, of the shape Pool2D
//
//	MaxPool(y, x, p)  MaxPoolGrad(dx, dy, x, y, p)  AvgPool(y, x, p)  AvgPoolGrad(dx, dy, p)
//	GlobalAvgPool(y, x, n, hw, c)  GlobalAvgPoolGrad(dx, dy, n, hw, c)
//	GlobalMaxPool(y, x, n, hw, c)  GlobalMaxPoolGrad(dx, dy, x, y, n, hw, c)
//
// Softmax and loss over rows of width c
//
//	Softmax(y, x, rows, c)     SoftmaxGrad(dx, dy, y, rows, c)         from y
//	LogSoftmax(y, x, rows, c)  LogSoftmaxGrad(dx, dy, y, rows, c)      from y
//	CrossEntropy{Smoothing, Weights, Ignore}.Loss, .Grad, .GradRows, .Weight
//
// Attention{...}.Forward(y, lse, q, k, v)  .Backward(dq, dk, dv, dy, q, k, v, y, lse)
//
// Optimisers
//
//	SGD{...}.Step(w, g, buf, first, mask)  AdamW{...}.Step(w, g, m, v, t, mask)
//	GlobalNorm(grads...)  ClipScale(norm, limit)
