package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/rows"
)

// avx2 emits the transposition of up to 8 by 8 values.
func avx2() {
	tail := rows.NewTail("transposeTail")
	TEXT("transposeAVX2", NOSPLIT, "func(dst *float32, off *int, src *float32, ld, rows, cols, width int, acc bool)")
	Pragma("noescape")
	Doc("transposeAVX2 is a transposeKernel of at most 8 columns and a width of at most 8.")
	p := rows.Rows{Count: 8, Base: [3]Register{R8, R9, R10}, Step: R11, Step3: R12}
	dst, off, count, at := RDI, RSI, RCX, RBX
	Load(Param("dst"), dst)
	Load(Param("off"), off)
	p.SetStep(NewParamAddr("ld", 24))
	Load(Param("src"), p.Base[0])
	p.Derive()
	a, b := rows.Ymm[:8], rows.Ymm[8:]
	mask := func(param string, y VecPhysical) {
		Load(Param(param), count)
		tail.Point(count, at)
		VMOVUPS(Mem{Base: at}, y)
	}

	mask("cols", b[0])
	Load(Param("rows"), count)
	for _, y := range a {
		VXORPS(y, y, y)
	}
	for i := range 8 {
		CMPQ(count, Imm(uint64(i)))
		JLE(LabelRef("loaded"))
		VMASKMOVPS(p.At(i), b[0], a[i])
	}
	Label("loaded")

	Comment("Pairs of rows, then of pairs: 4 by 4 blocks across. Then the blocks.")
	for i := 0; i < 8; i += 2 {
		VUNPCKLPS(a[i+1], a[i], b[i])
		VUNPCKHPS(a[i+1], a[i], b[i+1])
	}
	for i := 0; i < 8; i += 4 {
		VUNPCKLPD(b[i+2], b[i], a[i])
		VUNPCKHPD(b[i+2], b[i], a[i+1])
		VUNPCKLPD(b[i+3], b[i+1], a[i+2])
		VUNPCKHPD(b[i+3], b[i+1], a[i+3])
	}
	for i := range 4 {
		VPERM2F128(Imm(0x20), a[4+i], a[i], b[i])
		VPERM2F128(Imm(0x31), a[4+i], a[i], b[4+i])
	}

	store := func(name string, each func(y VecPhysical, m Mem)) {
		Label(name)
		for i, y := range b {
			CMPQ(count, Imm(uint64(i)))
			JLE(LabelRef("done"))
			MOVQ(Mem{Base: off, Disp: 8 * i}, at)
			each(y, Mem{Base: dst, Index: at, Scale: 4})
		}
		JMP(LabelRef("done"))
	}
	Comment("A store under a mask is slow on some processors.")
	mask("width", a[0])
	Load(Param("cols"), count)
	CMPB(NewParamAddr("acc", 56), Imm(0))
	JNE(LabelRef("add"))
	CMPQ(NewParamAddr("width", 48), Imm(8))
	JNE(LabelRef("part"))
	store("whole", func(y VecPhysical, m Mem) { VMOVUPS(y, m) })
	store("part", func(y VecPhysical, m Mem) { VMASKMOVPS(y, a[0], m) })
	Label("add")
	CMPQ(NewParamAddr("width", 48), Imm(8))
	JNE(LabelRef("addPart"))
	store("addWhole", func(y VecPhysical, m Mem) {
		VADDPS(m, y, y)
		VMOVUPS(y, m)
	})
	store("addPart", func(y VecPhysical, m Mem) {
		VMASKMOVPS(m, a[0], a[1])
		VADDPS(a[1], y, y)
		VMASKMOVPS(y, a[0], m)
	})
	Label("done")
	VZEROUPPER()
	RET()
}
