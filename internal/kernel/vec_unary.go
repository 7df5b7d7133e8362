package kernel

import "math"

// Exp is y = e**x.
func Exp(y, x []float32) { unary(y, x, vec.exp) }

// Erf is y = erf(x).
func Erf(y, x []float32) { unary(y, x, vec.erf) }

// ErfGrad is dx = dy*2/sqrt(pi)*exp(-x*x).
func ErfGrad(dx, dy, x []float32) {
	map2(dx, dy, x, func(v float32) float32 { return 2 / math.SqrtPi * exp32(-v*v) })
}

// Sqrt is y = sqrt(x).
func Sqrt(y, x []float32) { unary(y, x, vec.sqrt) }

// SqrtGrad is dx = dy/(2*y), from the output y.
func SqrtGrad(dx, dy, y []float32) {
	map2(dx, dy, y, func(v float32) float32 { return 0.5 / v })
}

// Rsqrt is y = 1/sqrt(x).
func Rsqrt(y, x []float32) { map1(y, x, func(v float32) float32 { return 1 / sqrt32(v) }) }

// RsqrtGrad is dx = -dy/2*y**3, from the output y.
func RsqrtGrad(dx, dy, y []float32) {
	map2(dx, dy, y, func(v float32) float32 { return -0.5 * v * v * v })
}

// Reciprocal is y = 1/x.
func Reciprocal(y, x []float32) { unary(y, x, vec.reciprocal) }

// ReciprocalGrad is dx = -dy*y*y, from the output y.
func ReciprocalGrad(dx, dy, y []float32) {
	map2(dx, dy, y, func(v float32) float32 { return -v * v })
}

// Square is y = x*x.
func Square(y, x []float32) { binary(y, x, x, vec.mul) }

// Abs is y = |x|.
func Abs(y, x []float32) { map1(y, x, abs32) }

// AbsGrad is dx = dy*sign(x).
func AbsGrad(dx, dy, x []float32) { map2(dx, dy, x, sign32) }

// Neg is y = -x.
func Neg(y, x []float32) { scaleBy(y, x, -1) }

// Sign is y = -1, 0 or 1; NaN stays NaN.
func Sign(y, x []float32) { map1(y, x, sign32) }

func sign32(v float32) float32 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return v
}

// via64 makes a float32 function of a float64 one.
func via64(f func(float64) float64) func(float32) float32 {
	return func(v float32) float32 { return float32(f(float64(v))) }
}

// Log is y = ln(x).
func Log(y, x []float32) { map1(y, x, log32) }

// LogGrad is dx = dy/x.
func LogGrad(dx, dy, x []float32) { binary(dx, dy, x, vec.div) }

// Floor is y = the greatest integer <= x.
func Floor(y, x []float32) { map1(y, x, via64(math.Floor)) }

// Ceil is y = the least integer >= x.
func Ceil(y, x []float32) { map1(y, x, via64(math.Ceil)) }

// Round is y = the nearest integer, halves to even.
func Round(y, x []float32) { map1(y, x, via64(math.RoundToEven)) }

// Sin is y = sin(x).
func Sin(y, x []float32) { map1(y, x, via64(math.Sin)) }

// SinGrad is dx = dy*cos(x).
func SinGrad(dx, dy, x []float32) { map2(dx, dy, x, via64(math.Cos)) }

// Cos is y = cos(x).
func Cos(y, x []float32) { map1(y, x, via64(math.Cos)) }

// CosGrad is dx = -dy*sin(x).
func CosGrad(dx, dy, x []float32) {
	map2(dx, dy, x, func(v float32) float32 { return -float32(math.Sin(float64(v))) })
}

// Tan is y = tan(x).
func Tan(y, x []float32) { map1(y, x, via64(math.Tan)) }

// TanGrad is dx = dy*(1+y*y), from the output y.
func TanGrad(dx, dy, y []float32) {
	map2(dx, dy, y, func(v float32) float32 { return 1 + v*v })
}

// Asin is y = asin(x).
func Asin(y, x []float32) { map1(y, x, via64(math.Asin)) }

// Acos is y = acos(x).
func Acos(y, x []float32) { map1(y, x, via64(math.Acos)) }

// Atan is y = atan(x).
func Atan(y, x []float32) { map1(y, x, via64(math.Atan)) }

// Sinh is y = sinh(x).
func Sinh(y, x []float32) { map1(y, x, via64(math.Sinh)) }

// Cosh is y = cosh(x).
func Cosh(y, x []float32) { map1(y, x, via64(math.Cosh)) }

// Asinh is y = asinh(x).
func Asinh(y, x []float32) { map1(y, x, via64(math.Asinh)) }

// Acosh is y = acosh(x).
func Acosh(y, x []float32) { map1(y, x, via64(math.Acosh)) }

// Atanh is y = atanh(x).
func Atanh(y, x []float32) { map1(y, x, via64(math.Atanh)) }
