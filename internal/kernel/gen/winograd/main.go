// Command winograd writes the transforms of Winograd's F(4x4, 3x3). The reference
// loops are the comments of winoInput and winoOutput in package kernel.
package main

import (
	"flag"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// isa is a vector width; both levels use the same 16 registers.
type isa struct {
	name  string
	bytes int
	v     []VecPhysical
}

var (
	avx2 = isa{"AVX2", 32, []VecPhysical{
		Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15,
	}}
	avx512 = isa{"AVX512", 64, []VecPhysical{
		Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
	}}
)

func main() {
	arch := flag.String("arch", "amd64", "amd64 or arm64")
	flag.Parse()
	if *arch == "arm64" {
		neonFile()
		return
	}
	ConstraintExpr("!noasm")
	for _, s := range []isa{avx2, avx512} {
		s.input()
		s.outGrad()
		s.filter()
		s.grad()
		s.output()
	}
	Generate()
}

// Offsets of the fields of kernel.winoInput.
const (
	inX       = 0
	inRow     = 24
	inPixel   = 32
	inV       = 40
	inComp    = 64
	inN       = 72
	outM      = 0
	outComp   = 24
	outY      = 32
	outRow    = 56
	outPixel  = 64
	outBias   = 72
	outRes    = 96
	outN      = 120
	outHeight = 128
	outWidth  = 136
	outLo     = 144
	outHi     = 148
	outClip   = 152
)

var (
	args  = RDI
	at    = RSI // bytes of channels done
	end   = RDX
	base  = RAX
	step  = RBX
	step3 = RCX
	step6 = R8
	row   = R9
	width = R11
	resp  = R12
)

func field(off int) Mem { return Mem{Base: args, Disp: off} }

// scaled emits reg = 4*the field.
func scaled(off int, r Register) {
	MOVQ(field(off), r)
	SHLQ(Imm(2), r)
}

// constant emits the broadcast of f.
func constant(f float64, r VecPhysical) {
	MOVL(U32(math.Float32bits(float32(f))), R10L)
	VMOVD(R10L, r.AsX())
	VBROADCASTSS(r.AsX(), r)
}

// input emits the transform of a 6 by 6 patch.
func (s isa) input() {
	s.patch("winoInput", "a patch of inputs", 6, 6, func() {
		for i, f := range []float64{0.5, 2, 2.5, 1 / math.Sqrt2, math.Sqrt2} {
			constant(f, s.v[11+i])
		}
	}, s.bt)
}

// outGrad emits the transform of a 4 by 4 patch.
func (s isa) outGrad() {
	s.patch("winoOutGrad", "a patch of gradients", 4, 6, func() {
		for i, f := range []float64{0.5, 2, 1 / math.Sqrt2, math.Sqrt2} {
			constant(f, s.v[12+i])
		}
	}, s.a)
}

// weightNumbers are the constants of G and G'.
func (s isa) weightNumbers() {
	for i, f := range []float64{-2. / 3, 1. / 3, -2. / 3 / math.Sqrt2, 1. / 6, math.Sqrt2 / 6} {
		constant(f, s.v[11+i])
	}
}

// filter emits the transform of 3 by 3 weights.
func (s isa) filter() { s.patch("winoFilter", "weights", 3, 6, s.weightNumbers, s.g) }

// grad emits the transform of 36 sums to the gradient of 3 by 3 weights.
func (s isa) grad() { s.patch("winoGrad", "sums to gradients of weights", 6, 3, s.weightNumbers, s.gt) }

// patch emits the transform of a patch of size by size to results by results. The transform multiplies
// registers from 0 on by a matrix, with constants that are loaded first.
func (s isa) patch(name, what string, size, results int, constants func(), transform func(out func(i int, r VecPhysical))) {
	name += s.name
	TEXT(name, 0, "func(t *byte)")
	Pragma("noescape")
	Doc(name + " transforms " + what + "; see type winoInput.")
	tmp := AllocLocal(results * size * s.bytes)
	Load(Param("t"), args)
	constants()
	MOVQ(field(inN), end)
	SHLQ(Imm(2), end)
	XORQ(at, at)
	Label("vector")

	Comment("Columns.")
	scaled(inRow, step)
	scaled(inPixel, width)
	MOVQ(field(inX), base)
	ADDQ(at, base)
	for j := range size {
		MOVQ(base, row)
		for i := range size {
			VMOVUPS(Mem{Base: row}, s.v[i])
			if i < size-1 {
				ADDQ(step, row)
			}
		}
		transform(func(i int, r VecPhysical) { VMOVUPS(r, tmp.Offset((i*size+j)*s.bytes)) })
		if j < size-1 {
			ADDQ(width, base)
		}
	}
	Comment("Rows.")
	scaled(inComp, step)
	MOVQ(field(inV), row)
	ADDQ(at, row)
	for i := range results {
		for j := range size {
			VMOVUPS(tmp.Offset((i*size+j)*s.bytes), s.v[j])
		}
		transform(func(j int, r VecPhysical) {
			VMOVUPS(r, Mem{Base: row})
			ADDQ(step, row)
		})
	}
	ADDQ(Imm(uint64(s.bytes)), at)
	CMPQ(at, end)
	JL(LabelRef("vector"))
	VZEROUPPER()
	RET()
}

// bt emits the product of the matrix B' with registers 0 to 5, whose results go
// to out in order.
func (s isa) bt(out func(i int, r VecPhysical)) {
	d, half, two, sum, a, b := s.v, s.v[11], s.v[12], s.v[13], s.v[14], s.v[15]
	t, p, q := s.v[6], s.v[7], s.v[8]
	// d0 - 2.5*d2 + d4
	VADDPS(d[4], d[0], t)
	VFNMADD231PS(d[2], sum, t)
	out(0, t)
	// pair emits (d4 - x*d2) +- y*(d3 - x*d1).
	pair := func(i int, x, y VecPhysical) {
		VMOVAPS(d[4], p)
		VFNMADD231PS(d[2], x, p)
		VMOVAPS(d[3], q)
		VFNMADD231PS(d[1], x, q)
		VMOVAPS(p, t)
		VFMADD231PS(q, y, t)
		out(i, t)
		VFNMADD231PS(q, y, p)
		out(i+1, p)
	}
	pair(1, two, a)
	pair(3, half, b)
	// d1 - 2.5*d3 + d5
	VADDPS(d[1], d[5], d[5])
	VFNMADD231PS(d[3], sum, d[5])
	out(5, d[5])
}

// a emits the product of the matrix A with registers 0 to 3, whose results go to out in order.
func (s isa) a(out func(i int, r VecPhysical)) {
	d, half, two, a, b := s.v, s.v[12], s.v[13], s.v[14], s.v[15]
	t, p, q := s.v[6], s.v[7], s.v[8]
	out(0, d[0])
	// pair emits (d0 + x*d2) +- y*(d1 + x*d3).
	pair := func(i int, x, y VecPhysical) {
		VMOVAPS(d[0], p)
		VFMADD231PS(d[2], x, p)
		VMOVAPS(d[1], q)
		VFMADD231PS(d[3], x, q)
		VMOVAPS(p, t)
		VFMADD231PS(q, y, t)
		out(i, t)
		VFNMADD231PS(q, y, p)
		out(i+1, p)
	}
	pair(1, half, a)
	pair(3, two, b)
	out(5, d[3])
}

// g emits the product of the matrix G with registers 0 to 2, whose results go to out in order.
func (s isa) g(out func(i int, r VecPhysical)) {
	d, twoThirds, third, a, sixth, b := s.v, s.v[11], s.v[12], s.v[13], s.v[14], s.v[15]
	t, p := s.v[6], s.v[7]
	out(0, d[0])
	// pair emits p +- y*d1.
	pair := func(i int, y VecPhysical) {
		VMOVAPS(p, t)
		VFMADD231PS(d[1], y, t)
		out(i, t)
		VFNMADD231PS(d[1], y, p)
		out(i+1, p)
	}
	VMULPS(d[0], twoThirds, p)
	VFNMADD231PS(d[2], third, p)
	pair(1, a)
	VMULPS(d[0], sixth, p)
	VFMADD231PS(d[2], third, p)
	pair(3, b)
	out(5, d[2])
}

// gt emits the product of the matrix G' with registers 0 to 5, whose results go to out in order.
func (s isa) gt(out func(i int, r VecPhysical)) {
	d, twoThirds, third, a, sixth, b := s.v, s.v[11], s.v[12], s.v[13], s.v[14], s.v[15]
	sum1, dif1, sum2, dif2 := s.v[6], s.v[7], s.v[8], s.v[9]
	VADDPS(d[2], d[1], sum1)
	VSUBPS(d[2], d[1], dif1)
	VADDPS(d[4], d[3], sum2)
	VSUBPS(d[4], d[3], dif2)
	VFMADD231PS(sum1, twoThirds, d[0])
	VFMADD231PS(sum2, sixth, d[0])
	out(0, d[0])
	VMULPS(dif1, a, dif1)
	VFMADD231PS(dif2, b, dif1)
	out(1, dif1)
	VSUBPS(sum1, sum2, sum2)
	VFMADD231PS(sum2, third, d[5])
	out(2, d[5])
}

// output emits the transform of 36 values to 4 by 4, with the epilogue.
func (s isa) output() {
	TEXT("winoOutput"+s.name, 0, "func(t *byte)")
	Pragma("noescape")
	Doc("winoOutput" + s.name + " transforms sums to outputs; see type winoOutput.")
	tmp := AllocLocal(24 * s.bytes)
	Load(Param("t"), args)
	for i, f := range []float64{0.5, 2, 1 / math.Sqrt2, math.Sqrt2} {
		constant(f, s.v[12+i])
	}
	MOVQ(field(outN), end)
	SHLQ(Imm(2), end)
	XORQ(at, at)
	Label("vector")
	Comment("Columns: tmp = A' * m.")
	scaled(outComp, step)
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, step3)
	LEAQ(Mem{Base: step3, Index: step3, Scale: 1}, step6) // 6 components are a row
	MOVQ(field(outM), base)
	ADDQ(at, base)
	for j := range 6 {
		MOVQ(base, row)
		for i := range 6 {
			VMOVUPS(Mem{Base: row}, s.v[i])
			if i < 5 {
				ADDQ(step6, row)
			}
		}
		s.at(func(i int, r VecPhysical) { VMOVUPS(r, tmp.Offset((i*6+j)*s.bytes)) })
		if j < 5 {
			ADDQ(step, base)
		}
	}
	Comment("Rows: y = tmp * A, for the rows and columns that exist.")
	bias, lo, hi := s.v[11], s.v[9], s.v[10]
	VXORPS(bias.AsX(), bias.AsX(), bias.AsX())
	CMPQ(field(outBias+8), Imm(0))
	JEQ(LabelRef("biased"))
	MOVQ(field(outBias), row)
	VMOVUPS(Mem{Base: row, Index: at, Scale: 1}, bias)
	Label("biased")
	VBROADCASTSS(field(outLo), lo)
	VBROADCASTSS(field(outHi), hi)
	scaled(outPixel, step)
	scaled(outRow, step3)
	MOVQ(field(outY), base)
	ADDQ(at, base)
	Comment("The residual is reached from y by a constant distance, 0 where it is y.")
	MOVQ(field(outRes), resp)
	SUBQ(field(outY), resp)
	MOVQ(field(outWidth), width)
	for i := range 4 {
		CMPQ(field(outHeight), Imm(uint64(i)))
		JLE(LabelRef("done"))
		for j := range 6 {
			VMOVUPS(tmp.Offset((i*6+j)*s.bytes), s.v[j])
		}
		next := "row" + string(rune('1'+i))
		MOVQ(base, row)
		s.at(func(j int, r VecPhysical) {
			col := next + "col" + string(rune('0'+j))
			if j > 0 {
				CMPQ(width, Imm(uint64(j)))
				JLE(LabelRef(next))
			}
			VADDPS(bias, r, r)
			CMPQ(field(outRes+8), Imm(0))
			JEQ(LabelRef(col))
			VADDPS(Mem{Base: row, Index: resp, Scale: 1}, r, r)
			Label(col)
			CMPB(field(outClip), Imm(0))
			JEQ(LabelRef(col + "store"))
			VMAXPS(r, lo, r)
			VMINPS(r, hi, r)
			Label(col + "store")
			VMOVUPS(r, Mem{Base: row})
			ADDQ(step, row)
		})
		Label(next)
		ADDQ(step3, base)
	}
	Label("done")
	ADDQ(Imm(uint64(s.bytes)), at)
	CMPQ(at, end)
	JL(LabelRef("vector"))
	VZEROUPPER()
	RET()
}

// at emits the product of the matrix A' with registers 0 to 5, whose results go
// to out in order.
func (s isa) at(out func(i int, r VecPhysical)) {
	m, half, two, a, b := s.v, s.v[12], s.v[13], s.v[14], s.v[15]
	t, sum, dif := s.v[6], s.v[7], s.v[8]
	VADDPS(m[2], m[1], sum)
	VSUBPS(m[2], m[1], dif)
	VMULPS(a, dif, dif)
	VADDPS(m[4], m[3], m[1])
	VSUBPS(m[4], m[3], m[2])
	VMULPS(b, m[2], m[2])
	// m0 + (m1+m2) + (m3+m4)
	VADDPS(sum, m[0], t)
	VADDPS(m[1], t, t)
	out(0, t)
	// a*(m1-m2) + b*(m3-m4)
	VADDPS(m[2], dif, t)
	out(1, t)
	// (m1+m2)/2 + 2*(m3+m4)
	VMULPS(half, sum, sum)
	VFMADD231PS(m[1], two, sum)
	out(2, sum)
	// a*(m1-m2)/2 + 2*b*(m3-m4) + m5
	VFMADD231PS(dif, half, m[5])
	VFMADD231PS(m[2], two, m[5])
	out(3, m[5])
}
