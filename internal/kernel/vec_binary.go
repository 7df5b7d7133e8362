package kernel

import "math"

// Add is y = a + b, all of equal length.
func Add(y, a, b []float32) { binary(y, a, b, vec.add) }

// Mul is y = a * b, all of equal length.
func Mul(y, a, b []float32) { binary(y, a, b, vec.mul) }

func powGo(y, a, b []float32) {
	for i, v := range a {
		y[i] = pow32(v, b[i])
	}
}

func pow32(a, b float32) float32 {
	switch b {
	case 1:
		return a
	case 2:
		return a * a
	case 3:
		return a * a * a
	}
	return float32(math.Pow(float64(a), float64(b)))
}

// AddInto is y += x.
func AddInto(y, x []float32) { binary(y, y, x, vec.add) }

// Axpy is y += a*x.
func Axpy(y, x []float32, a float32) {
	unary(y, x, func(y, x []float32) { vec.axpy(y, x, a) })
}

// Scale is y = a*x.
func Scale(y, x []float32, a float32) { scaleBy(y, x, a) }

func scaleBy(y, x []float32, a float32) {
	unary(y, x, func(y, x []float32) { scaleSpan(y, x, a) })
}

func scaleSpan(y, x []float32, a float32) { vec.affine(y, x, a, negZero) }

// negZero is the neutral element of addition: x + -0 is x for every x, 0 included.
var negZero = float32(math.Copysign(0, -1))

func fill(y []float32, v float32) {
	for i := range y {
		y[i] = v
	}
}
