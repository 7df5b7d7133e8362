package tensor

import "math"

// smallFloat describes a floating-point type of a byte or less: sign, exp exponent bits with bias,
// man mantissa bits. Last is the code of the greatest number; nan and inf are codes, -1 where there
// is none.
type smallFloat struct {
	exp, man, bias int
	last           int
	nan, inf       int
	unsignedZero   bool // the code of -0 means NaN (the types called UZ)
}

var smallFloats = map[DType]smallFloat{
	Float8E4M3FN:   {exp: 4, man: 3, bias: 7, last: 0x7e, nan: 0x7f, inf: -1},
	Float8E4M3FNUZ: {exp: 4, man: 3, bias: 8, last: 0x7f, nan: 0x80, inf: -1, unsignedZero: true},
	Float8E5M2:     {exp: 5, man: 2, bias: 15, last: 0x7b, nan: 0x7f, inf: 0x7c},
	Float8E5M2FNUZ: {exp: 5, man: 2, bias: 16, last: 0x7f, nan: 0x80, inf: -1, unsignedZero: true},
	Float4E2M1:     {exp: 2, man: 1, bias: 1, last: 0x7, nan: -1, inf: -1},
}

// SmallToFloat64 is the value of an element of a floating-point type of a byte or less, given by
// its bits.
func SmallToFloat64(dt DType, b uint8) float64 {
	if dt == Float8E8M0 { // a power of two, no sign
		if b == 0xff {
			return math.NaN()
		}
		return math.Ldexp(1, int(b)-127)
	}
	f := smallFloats[dt]
	sign := 1 << (f.exp + f.man)
	code := int(b)
	if code == f.nan {
		return math.NaN()
	}
	neg := code&sign != 0
	code &^= sign
	var v float64
	switch e, m := code>>f.man, code&(1<<f.man-1); {
	case code == f.inf:
		v = math.Inf(1)
	case code > f.last:
		v = math.NaN()
	case e == 0:
		v = math.Ldexp(float64(m), 1-f.bias-f.man)
	default:
		v = math.Ldexp(float64(m+1<<f.man), e-f.bias-f.man)
	}
	if neg {
		return -v
	}
	return v
}

// Float64ToSmall rounds to the nearest number of a floating-point type of a byte or less, ties to
// even, and returns its bits. What is too large becomes the greatest number with saturate or where
// the type has nothing else, else infinity or NaN; NaN becomes -0 where a type has none. Float8E8M0
// rounds up to a power of two.
func Float64ToSmall(dt DType, x float64, saturate bool) uint8 {
	if dt == Float8E8M0 {
		return Float64ToScale(x, saturate, "up")
	}
	f := smallFloats[dt]
	sign := 0
	if math.Signbit(x) {
		sign = 1 << (f.exp + f.man)
	}
	a := math.Abs(x)
	if a != a {
		if f.nan < 0 {
			return 1 << (f.exp + f.man) // -0
		}
		if f.unsignedZero {
			return uint8(f.nan)
		}
		return uint8(f.nan | sign)
	}
	code := f.last + 1
	if a == 0 {
		code = 0
	} else if !math.IsInf(a, 0) {
		_, e := math.Frexp(a)
		e = max(e-1, 1-f.bias) // subnormal numbers share the least exponent
		r := math.RoundToEven(math.Ldexp(a, f.man-e))
		code = int(r) + (e+f.bias-1)<<f.man // a carry goes on into the exponent
	}
	if code > f.last {
		switch {
		case saturate || f.nan < 0:
			code = f.last
		case f.inf >= 0:
			code = f.inf
		case f.unsignedZero:
			return uint8(f.nan)
		default:
			code = f.nan
		}
	}
	if code == 0 && f.unsignedZero {
		return 0
	}
	return uint8(code | sign)
}

// Float64ToScale rounds |x| to a power of two, the bits of a Float8E8M0: up, down or nearest.
func Float64ToScale(x float64, saturate bool, round string) uint8 {
	x = math.Abs(x)
	switch {
	case x != x:
		return 0xff
	case math.IsInf(x, 0):
		if saturate {
			return 0xfe
		}
		return 0xff
	case x == 0:
		return 0
	}
	m, e := math.Frexp(x) // m in [0.5, 1)
	e--
	if round == "up" && m > 0.5 || round == "nearest" && m >= 0.75 {
		e++
	}
	switch {
	case e < -127:
		return 0
	case e > 127:
		if saturate {
			return 0xfe
		}
		return 0xff
	}
	return uint8(e + 127)
}
