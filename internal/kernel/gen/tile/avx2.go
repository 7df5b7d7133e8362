package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/rows"
)

// avx2 emits m rows by nv vectors of 8 columns; if masked, n of the last count.
func avx2(m, nv int, masked bool, tail rows.Tail) {
	name := fmt.Sprintf("tileAVX2m%dv%d", m, nv)
	doc := fmt.Sprintf("computes a tile of %d rows by %d vectors", m, nv)
	if masked {
		name += "tail"
		doc += ", n lanes of the last"
	}
	TEXT(name, NOSPLIT, "func(t *byte, n int)")
	Pragma("noescape")
	Doc(name + " " + doc + ".")
	a := arows(m)
	setup(a)
	ymm := rows.Ymm
	sum := func(i, v int) VecPhysical { return ymm[i*nv+v] }
	b := func(v int) VecPhysical { return ymm[12+v] }
	mask, x := ymm[14], ymm[15]
	if masked {
		Load(Param("n"), left)
		tail.Point(left, index)
		VMOVUPS(Mem{Base: index}, mask)
	}
	last := func(v int) bool { return masked && v == nv-1 }
	lane := func(p Mem, v int) Mem { return p.Offset(32 * v) }
	load := func(p Mem, v int, y VecPhysical) {
		if last(v) {
			VMASKMOVPS(lane(p, v), mask, y)
		} else {
			VMOVUPS(lane(p, v), y)
		}
	}
	add := func(p Mem, v int, y VecPhysical) {
		if last(v) {
			VMASKMOVPS(lane(p, v), mask, x)
			VADDPS(x, y, y)
		} else {
			VADDPS(lane(p, v), y, y)
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
		VXORPS(ymm[i], ymm[i], ymm[i])
	}
	Label("begin")
	fetchAhead(m, 32*nv)

	steps(a, 1, func() {
		for v := range nv {
			load(Mem{Base: bp}, v, b(v))
		}
		for i := range m {
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
	VBROADCASTSS(field(fieldLo), b(0))
	VBROADCASTSS(field(fieldHi), b(1))
	for i := range m * nv {
		VMAXPS(ymm[i], b(0), ymm[i])
		VMINPS(ymm[i], b(1), ymm[i])
	}
	Label("store")
	eachRow(m, fieldC, func(i int, p Mem) {
		for v := range nv {
			if last(v) {
				VMASKMOVPS(sum(i, v), mask, lane(p, v))
			} else {
				VMOVUPS(sum(i, v), lane(p, v))
			}
		}
	})
	VZEROUPPER()
	RET()
}
