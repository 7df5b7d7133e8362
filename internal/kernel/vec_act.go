package kernel

// Relu is y = max(x, 0). NaN stays NaN.
func Relu(y, x []float32) { unary(y, x, vec.relu) }

// ReluGrad is dx = dy where v > 0, else 0; v may be the input or the output.
func ReluGrad(dx, dy, v []float32) { binary(dx, dy, v, vec.reluGrad) }

// Relu6 is y = min(max(x, 0), 6).
func Relu6(y, x []float32) { Clip(y, x, 0, 6) }

// Relu6Grad is dx = dy where 0 < v < 6, else 0; v may be the input or the output.
func Relu6Grad(dx, dy, v []float32) { ClipGrad(dx, dy, v, 0, 6) }

// Clip is y = min(max(x, lo), hi). NaN stays NaN.
func Clip(y, x []float32, lo, hi float32) {
	unary(y, x, func(y, x []float32) { vec.clip(y, x, lo, hi) })
}

// ClipGrad is dx = dy where lo < v < hi, else 0; v may be the input or the output.
func ClipGrad(dx, dy, v []float32, lo, hi float32) {
	binary(dx, dy, v, func(dx, dy, v []float32) { vec.clipGrad(dx, dy, v, lo, hi) })
}

// LeakyRelu is y = x where x >= 0, else alpha*x.
func LeakyRelu(y, x []float32, alpha float32) {
	unary(y, x, func(y, x []float32) { vec.leaky(y, x, alpha) })
}

// LeakyReluGrad is dx = dy where x > 0, else alpha*dy.
func LeakyReluGrad(dx, dy, x []float32, alpha float32) {
	binary(dx, dy, x, func(dx, dy, x []float32) { vec.leakyGrad(dx, dy, x, alpha) })
}

// Sigmoid is y = 1/(1+exp(-x)).
func Sigmoid(y, x []float32) { unary(y, x, vec.sigmoid) }

// SigmoidGrad is dx = dy*y*(1-y), from the output y.
func SigmoidGrad(dx, dy, y []float32) { binary(dx, dy, y, vec.sigmoidGrad) }

// Tanh is y = tanh(x).
func Tanh(y, x []float32) { unary(y, x, vec.tanh) }

// TanhGrad is dx = dy*(1-y*y), from the output y.
func TanhGrad(dx, dy, y []float32) { binary(dx, dy, y, vec.tanhGrad) }

// Silu (swish) is y = x*sigmoid(x).
func Silu(y, x []float32) { unary(y, x, vec.silu) }

// SiluGrad is dx = dy*(s + x*s*(1-s)) with s = sigmoid(x), from the input x.
func SiluGrad(dx, dy, x []float32) { binary(dx, dy, x, vec.siluGrad) }

// Gelu is y = x/2*(1+erf(x/sqrt 2)).
func Gelu(y, x []float32) { unary(y, x, vec.gelu) }

// GeluGrad is dx = dy*(Phi(x) + x*phi(x)), from the input x.
func GeluGrad(dx, dy, x []float32) { binary(dx, dy, x, vec.geluGrad) }

// GeluTanh is y = x/2*(1+tanh(sqrt(2/pi)*(x+0.044715*x**3))).
func GeluTanh(y, x []float32) { unary(y, x, vec.geluTanh) }

// GeluTanhGrad is the gradient of GeluTanh from the input x.
func GeluTanhGrad(dx, dy, x []float32) { binary(dx, dy, x, vec.geluTanhGrad) }

// HardSigmoid is y = min(max(alpha*x+beta, 0), 1).
func HardSigmoid(y, x []float32, alpha, beta float32) {
	unary(y, x, func(y, x []float32) { vec.hardSigmoid(y, x, alpha, beta) })
}

// HardSigmoidGrad is dx = alpha*dy where 0 < alpha*x+beta < 1, else 0.
func HardSigmoidGrad(dx, dy, x []float32, alpha, beta float32) {
	binary(dx, dy, x, func(dx, dy, x []float32) { vec.hardSigmoidGrad(dx, dy, x, alpha, beta) })
}

// HardSwish is y = x*min(max(x/6+1/2, 0), 1).
func HardSwish(y, x []float32) { unary(y, x, vec.hardSwish) }

// HardSwishGrad is dx = dy*(0 below -3, 1 above 3, x/3+1/2 between).
func HardSwishGrad(dx, dy, x []float32) { binary(dx, dy, x, vec.hardSwishGrad) }

// Elu is y = x where x > 0, else alpha*(exp(x)-1).
func Elu(y, x []float32, alpha float32) {
	unary(y, x, func(y, x []float32) { vec.elu(y, x, alpha, 1) })
}

// EluGrad is dx = dy where x > 0, else dy*alpha*exp(x), from the input x.
func EluGrad(dx, dy, x []float32, alpha float32) {
	map2(dx, dy, x, func(v float32) float32 {
		if v > 0 {
			return 1
		}
		return alpha * exp32(v)
	})
}

// Selu is y = gamma*x where x > 0, else gamma*alpha*(exp(x)-1).
func Selu(y, x []float32, alpha, gamma float32) {
	unary(y, x, func(y, x []float32) {
		vec.elu(y, x, alpha, 1)
		scaleSpan(y, y, gamma)
	})
}

// SeluGrad is dx = dy*gamma where x > 0, else dy*gamma*alpha*exp(x).
func SeluGrad(dx, dy, x []float32, alpha, gamma float32) {
	map2(dx, dy, x, func(v float32) float32 {
		if v > 0 {
			return gamma
		}
		return gamma * alpha * exp32(v)
	})
}

// Celu is y = x where x > 0, else alpha*(exp(x/alpha)-1).
func Celu(y, x []float32, alpha float32) {
	unary(y, x, func(y, x []float32) { vec.elu(y, x, alpha, 1/alpha) })
}

// CeluGrad is dx = dy where x > 0, else dy*exp(x/alpha).
func CeluGrad(dx, dy, x []float32, alpha float32) {
	map2(dx, dy, x, func(v float32) float32 {
		if v > 0 {
			return 1
		}
		return exp32(v / alpha)
	})
}

// Softplus is y = log(1+exp(x)).
func Softplus(y, x []float32) { map1(y, x, softplus32) }

// SoftplusGrad is dx = dy*sigmoid(x).
func SoftplusGrad(dx, dy, x []float32) { map2(dx, dy, x, sigmoid32) }

// Softsign is y = x/(1+|x|).
func Softsign(y, x []float32) {
	map1(y, x, func(v float32) float32 { return v / (1 + abs32(v)) })
}

// SoftsignGrad is dx = dy/(1+|x|)**2.
func SoftsignGrad(dx, dy, x []float32) {
	map2(dx, dy, x, func(v float32) float32 {
		d := 1 + abs32(v)
		return 1 / (d * d)
	})
}

// Mish is y = x*tanh(softplus(x)).
func Mish(y, x []float32) { unary(y, x, vec.mish) }

// MishGrad is the gradient of Mish from the input x.
func MishGrad(dx, dy, x []float32) { binary(dx, dy, x, vec.mishGrad) }

// ThresholdedRelu is y = x where x > alpha, else 0.
func ThresholdedRelu(y, x []float32, alpha float32) {
	map1(y, x, func(v float32) float32 {
		if v <= alpha {
			return 0
		}
		return v
	})
}

// ThresholdedReluGrad is dx = dy where x > alpha, else 0.
func ThresholdedReluGrad(dx, dy, x []float32, alpha float32) {
	map2(dx, dy, x, func(v float32) float32 {
		if v > alpha {
			return 1
		}
		return 0
	})
}
