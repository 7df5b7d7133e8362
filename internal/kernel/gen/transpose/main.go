// Command transpose writes the kernel that packs matrices across their rows.
// The reference loop is the comment of transposeKernel in package kernel.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/rows"
)

func main() {
	arch := flag.String("arch", "amd64", "amd64 or arm64")
	flag.Parse()
	if *arch == "arm64" {
		neon()
		return
	}
	ConstraintExpr("!noasm")
	avx2()
	avx512()
	Generate()
}

var zmm = []VecPhysical{
	Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
	Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
}

// avx512 emits the transposition of up to 16 by 16 values.
func avx512() {
	TEXT("transposeAVX512", NOSPLIT, "func(dst *float32, off *[16]int, src *float32, ld, rows, cols, width int, acc bool)")
	Pragma("noescape")
	Doc("transposeAVX512 is a transposeKernel.")
	p := rows.Rows{Count: 15, Base: [3]Register{R8, R9, R10}, Step: R11, Step3: R12}
	dst, off, count, at := RDI, RSI, RCX, RBX
	Load(Param("dst"), dst)
	Load(Param("off"), off)
	p.SetStep(NewParamAddr("ld", 24))
	Load(Param("src"), p.Base[0])
	p.Derive()

	Comment("K1 covers the columns read, K2 the values written.")
	mask := func(param string, k Register) {
		Load(Param(param), count)
		MOVL(U32(0xffff), EAX)
		BZHIL(count.(GPPhysical).As32(), EAX, EAX)
		KMOVW(EAX, k)
	}
	mask("cols", K1)
	mask("width", K2)

	Load(Param("rows"), count)
	for i := range 16 {
		VPXORD(zmm[i], zmm[i], zmm[i])
	}
	for i := range 16 {
		CMPQ(count, Imm(uint64(i)))
		JLE(LabelRef("loaded"))
		if i < 15 {
			VMOVUPS_Z(p.At(i), K1, zmm[i])
		} else {
			ADDQ(p.Step, p.Base[2])
			VMOVUPS_Z(Mem{Base: p.Base[2], Index: p.Step, Scale: 4}, K1, zmm[i])
		}
	}
	Label("loaded")

	Comment("Pairs of rows, then of pairs: 4 by 4 blocks across.")
	a, b := zmm[:16], zmm[16:]
	for i := 0; i < 16; i += 2 {
		VUNPCKLPS(a[i+1], a[i], b[i])
		VUNPCKHPS(a[i+1], a[i], b[i+1])
	}
	for i := 0; i < 16; i += 4 {
		VUNPCKLPD(b[i+2], b[i], a[i])
		VUNPCKHPD(b[i+2], b[i], a[i+1])
		VUNPCKLPD(b[i+3], b[i+1], a[i+2])
		VUNPCKHPD(b[i+3], b[i+1], a[i+3])
	}
	Comment("Then the blocks: column 4*q+i is in quarter q of a[i], a[4+i], a[8+i], a[12+i].")
	for i := range 4 {
		VSHUFF32X4(Imm(0x88), a[4+i], a[i], b[i])
		VSHUFF32X4(Imm(0xdd), a[4+i], a[i], b[4+i])
		VSHUFF32X4(Imm(0x88), a[12+i], a[8+i], b[8+i])
		VSHUFF32X4(Imm(0xdd), a[12+i], a[8+i], b[12+i])
	}
	for i := range 4 {
		VSHUFF32X4(Imm(0x88), b[8+i], b[i], a[i])
		VSHUFF32X4(Imm(0xdd), b[8+i], b[i], a[8+i])
		VSHUFF32X4(Imm(0x88), b[12+i], b[4+i], a[4+i])
		VSHUFF32X4(Imm(0xdd), b[12+i], b[4+i], a[12+i])
	}

	Load(Param("cols"), count)
	CMPB(NewParamAddr("acc", 56), Imm(0))
	JNE(LabelRef("add"))
	column := func(i int) Mem {
		MOVQ(Mem{Base: off, Disp: 8 * i}, at)
		return Mem{Base: dst, Index: at, Scale: 4}
	}
	for i := range 16 {
		CMPQ(count, Imm(uint64(i)))
		JLE(LabelRef("done"))
		VMOVUPS(a[i], K2, column(i))
	}
	JMP(LabelRef("done"))
	Label("add")
	for i := range 16 {
		CMPQ(count, Imm(uint64(i)))
		JLE(LabelRef("done"))
		m := column(i)
		VADDPS(m, a[i], K2, a[i])
		VMOVUPS(a[i], K2, m)
	}
	Label("done")
	VZEROUPPER()
	RET()
}
