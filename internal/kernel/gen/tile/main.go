// Command tile writes the tile kernels of products and convolutions. The
// reference loop is the comment of type tile in package kernel.
package main

import (
	"flag"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/rows"
)

// Offsets of the fields of kernel.tile.
const (
	fieldA      = 0
	fieldB      = 24
	fieldC      = 48
	fieldBias   = 72
	fieldRes    = 96
	fieldOffs   = 120
	fieldRunLen = 144
	fieldArs    = 152
	fieldAcs    = 160
	fieldBks    = 168
	fieldCrow   = 176
	fieldLo     = fieldCrow + 14*8
	fieldHi     = fieldLo + 4
	fieldAcc    = fieldHi + 4
	fieldClip   = fieldAcc + 1
	fieldSoon   = fieldAcc + 8
)

// General registers. BP and the stack are left alone.
var (
	args  = RDI
	offp  = RSI // next run
	runs  = RCX // runs left
	left  = RDX // steps of the run left
	acs   = R13
	bp    = RAX
	bks   = RBX
	bias  = R8
	index = R9  // of a result row, after the sum
	soon  = R14 // to prefetch in the next step
	line  = R15 // step of soon
)

// arows are the first m rows of a.
func arows(m int) rows.Rows {
	return rows.Rows{Count: m, Base: [3]Register{R8, R9, R10}, Step: R11, Step3: R12}
}

func main() {
	arch := flag.String("arch", "amd64", "amd64 or arm64")
	flag.Parse()
	if *arch == "arm64" {
		neonFile()
		return
	}
	ConstraintExpr("!noasm")
	for nv := 1; nv <= 2; nv++ {
		for m := 1; m <= 14; m++ {
			avx512(m, nv)
		}
	}
	tail := rows.NewTail("tileTail")
	for m := 1; m <= 6; m++ {
		avx2(m, 1, true, tail)
		avx2(m, 2, true, tail)
		avx2(m, 2, false, tail)
	}
	Generate()
}

func field(off int) Mem { return Mem{Base: args, Disp: off} }

// setup loads the strides, in bytes.
func setup(a rows.Rows) {
	Load(Param("t"), args)
	a.SetStep(field(fieldArs))
	MOVQ(field(fieldAcs), acs)
	SHLQ(Imm(2), acs)
	MOVQ(field(fieldBks), bks)
	SHLQ(Imm(2), bks)
	MOVQ(field(fieldB), bp)
	MOVQ(field(fieldOffs), offp)
	MOVQ(field(fieldOffs+8), runs)
}

// fetchRows emits prefetches of m rows of bytes in the matrix of a field: they are in the first cache
// by the end of the sum.
func fetchRows(m, matrix, bytes int) {
	MOVQ(field(matrix), soon)
	for i := range m {
		MOVQ(field(fieldCrow+8*i), line)
		for at := 0; at < bytes; at += 64 {
			PREFETCHT0(Mem{Base: soon, Index: line, Scale: 4, Disp: at})
		}
	}
}

// fetches says whether a tile of m rows prefetches: few rows take so few steps that it costs more
// than it saves.
func fetches(m int) bool { return m >= 4 }

// fetchAhead emits the prefetches before the sum.
func fetchAhead(m, bytes int) {
	if !fetches(m) {
		return
	}
	fetchRows(m, fieldC, bytes)
	CMPQ(field(fieldRes+8), Imm(0))
	JEQ(LabelRef("fetched"))
	fetchRows(m, fieldRes, bytes)
	Label("fetched")
}

// steps emits the loops around the body of a step: with prefetches, where there is something to
// prefetch, and without. A step prefetches so many lines.
func steps(a rows.Rows, lines int, body func()) {
	TESTQ(runs, runs)
	JZ(LabelRef("summed"))
	if fetches(a.Count) {
		CMPQ(field(fieldSoon+8), Imm(0))
		JEQ(LabelRef("run"))
		MOVQ(field(fieldSoon), soon)
		loop(a, "fetch", func() {
			body()
			for at := range lines {
				PREFETCHT1(Mem{Base: soon, Disp: 64 * at})
			}
			ADDQ(Imm(uint64(64*lines)), soon)
		})
		JMP(LabelRef("summed"))
	}
	loop(a, "", body)
	Label("summed")
}

// loop emits the two loops of a sum around body.
func loop(a rows.Rows, name string, body func()) {
	Label(name + "run")
	MOVQ(Mem{Base: offp}, left)
	ADDQ(Imm(8), offp)
	MOVQ(field(fieldA), a.Base[0])
	LEAQ(Mem{Base: a.Base[0], Index: left, Scale: 4}, a.Base[0])
	a.Derive()
	MOVQ(field(fieldRunLen), left)
	TESTQ(left, left)
	JZ(LabelRef(name + "ran"))
	Label(name + "step")
	body()
	a.Advance(acs)
	ADDQ(bks, bp)
	DECQ(left)
	JNZ(LabelRef(name + "step"))
	Label(name + "ran")
	DECQ(runs)
	JNZ(LabelRef(name + "run"))
}

// eachRow computes the address of every result row in the matrix of a field and calls f with it.
func eachRow(m, matrix int, f func(i int, p Mem)) {
	MOVQ(field(matrix), bp)
	for i := range m {
		MOVQ(field(fieldCrow+8*i), index)
		f(i, Mem{Base: bp, Index: index, Scale: 4})
	}
}

// avx512 emits m rows by nv vectors of 16 columns, the last under a mask. It keeps the whole tile
// in registers: m*nv sums, nv vectors of b and two broadcasts.
func avx512(m, nv int) {
	TEXT(fmt.Sprintf("tileAVX512m%dv%d", m, nv), NOSPLIT, "func(t *byte, mask uint16)")
	Pragma("noescape")
	Doc(fmt.Sprintf("tileAVX512m%dv%d computes a tile of %d rows by %d vectors, the last under mask.", m, nv, m, nv))
	a := arows(m)
	setup(a)
	mask := K1
	{
		w := GP32()
		Load(Param("mask"), w.As16())
		KMOVW(w, mask)
	}
	sum := func(i, v int) VecPhysical { return zmm[i*nv+v] }
	b := func(v int) VecPhysical { return zmm[28+v] }
	lane := func(p Mem, v int) Mem { return p.Offset(64 * v) }
	load := func(p Mem, v int, z VecPhysical) {
		if v == nv-1 {
			VMOVUPS_Z(lane(p, v), mask, z)
		} else {
			VMOVUPS(lane(p, v), z)
		}
	}
	add := func(p Mem, v int, z VecPhysical) {
		if v == nv-1 {
			VADDPS(lane(p, v), z, mask, z)
		} else {
			VADDPS(lane(p, v), z, z)
		}
	}

	CMPQ(field(fieldBias+8), Imm(0))
	JEQ(LabelRef("zero"))
	MOVQ(field(fieldBias), bias)
	for v := range nv {
		load(Mem{Base: bias}, v, sum(0, v))
		for i := 1; i < m; i++ {
			VMOVAPS(sum(0, v), sum(i, v))
		}
	}
	JMP(LabelRef("begin"))
	Label("zero")
	for i := range m * nv {
		VPXORD(zmm[i], zmm[i], zmm[i])
	}
	Label("begin")
	fetchAhead(m, 64*nv)

	steps(a, nv, func() {
		for v := range nv {
			load(Mem{Base: bp}, v, b(v))
		}
		for i := range m {
			if nv == 1 {
				VFMADD231PS_BCST(a.At(i), b(0), sum(i, 0))
				continue
			}
			x := zmm[30+i%2]
			VBROADCASTSS(a.At(i), x)
			for v := range nv {
				VFMADD231PS(x, b(v), sum(i, v))
			}
		}
	})

	CMPB(field(fieldAcc), Imm(0))
	JEQ(LabelRef("added"))
	eachRow(m, fieldC, func(i int, p Mem) {
		for v := range nv {
			add(p, v, sum(i, v))
		}
	})
	Label("added")
	CMPQ(field(fieldRes+8), Imm(0))
	JEQ(LabelRef("whole"))
	eachRow(m, fieldRes, func(i int, p Mem) {
		for v := range nv {
			add(p, v, sum(i, v))
		}
	})
	Label("whole")
	CMPB(field(fieldClip), Imm(0))
	JEQ(LabelRef("store"))
	Comment("The bound comes first: of two operands one of which is NaN, the second is the result.")
	VBROADCASTSS(field(fieldLo), zmm[30])
	VBROADCASTSS(field(fieldHi), zmm[31])
	for i := range m * nv {
		VMAXPS(zmm[i], zmm[30], zmm[i])
		VMINPS(zmm[i], zmm[31], zmm[i])
	}
	Label("store")
	eachRow(m, fieldC, func(i int, p Mem) {
		for v := range nv {
			if v == nv-1 {
				VMOVUPS(sum(i, v), mask, lane(p, v))
			} else {
				VMOVUPS(sum(i, v), lane(p, v))
			}
		}
	})
	VZEROUPPER()
	RET()
}

var zmm = []VecPhysical{
	Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
	Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
}
