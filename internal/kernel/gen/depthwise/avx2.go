package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/rows"
)

// channels2 emits the loop over vectors of 8 channels around body, which is
// emitted a second time for the rest, with the address of its mask in maskp.
func channels2(tail rows.Tail, body func(masked bool, label func(string) string)) {
	Load(Param("t"), args)
	Load(Param("n"), left)
	XORQ(at, at)
	CMPQ(left, Imm(8))
	JL(LabelRef("rest"))
	Label("vector")
	body(false, func(s string) string { return s })
	ADDQ(Imm(32), at)
	SUBQ(Imm(8), left)
	CMPQ(left, Imm(8))
	JGE(LabelRef("vector"))
	Label("rest")
	TESTQ(left, left)
	JZ(LabelRef("end"))
	tail.Point(left, index)
	MOVQ(index, maskp)
	body(true, func(s string) string { return "rest_" + s })
	Label("end")
	VZEROUPPER()
	RET()
}

var maskp = RDX // the channels left are not needed any more

var ymm = rows.Ymm

// load emits a load; masked, through the register itself, for want of another.
func load(masked bool, m Mem, y VecPhysical) {
	if !masked {
		VMOVUPS(m, y)
		return
	}
	VMOVUPS(Mem{Base: maskp}, y)
	VMASKMOVPS(m, y, y)
}

// eachTap2 is eachTap without masks of pixels.
func eachTap2(p rows.Rows, fieldTaps, fieldXs int, label func(string) string, body func(w Mem)) {
	p.SetStep(field(fieldXs))
	MOVQ(field(fieldTaps), tap)
	MOVQ(field(fieldTaps+8), taps)
	MOVQ(field(fieldX), xp)
	ADDQ(at, xp)
	MOVQ(field(fieldW), wp)
	ADDQ(at, wp)
	TESTQ(taps, taps)
	JZ(LabelRef(label("summed")))
	Label(label("tap"))
	MOVQ(Mem{Base: tap, Disp: tapX}, index)
	LEAQ(Mem{Base: xp, Index: index, Scale: 4}, p.Base[0])
	p.Derive()
	MOVQ(Mem{Base: tap, Disp: tapW}, index)
	body(Mem{Base: wp, Index: index, Scale: 4})
	ADDQ(Imm(tapSize), tap)
	DECQ(taps)
	JNZ(LabelRef(label("tap")))
	Label(label("summed"))
}

// forward2 emits m pixels for AVX2.
func forward2(m int, tail rows.Tail) {
	name := fmt.Sprintf("depthwiseAVX2m%d", m)
	TEXT(name, NOSPLIT, "func(t *byte, n int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes %d pixels of n channels.", name, m))
	p := pixels(m)
	w, x := ymm[14], ymm[15]
	channels2(tail, func(masked bool, label func(string) string) {
		CMPQ(field(fieldBias+8), Imm(0))
		JEQ(LabelRef(label("zero")))
		MOVQ(field(fieldBias), wp)
		load(masked, Mem{Base: wp, Index: at, Scale: 1}, ymm[0])
		for i := 1; i < m; i++ {
			VMOVAPS(ymm[0], ymm[i])
		}
		JMP(LabelRef(label("begin")))
		Label(label("zero"))
		for i := range m {
			VXORPS(ymm[i], ymm[i], ymm[i])
		}
		Label(label("begin"))
		eachTap2(p, fieldTaps, fieldXs, label, func(at Mem) {
			load(masked, at, w)
			for i := range m {
				if masked {
					load(masked, p.At(i), x)
					VFMADD231PS(x, w, ymm[i])
				} else {
					VFMADD231PS(p.At(i), w, ymm[i])
				}
			}
		})
		p.SetStep(field(fieldYs))
		CMPQ(field(fieldRes+8), Imm(0))
		JEQ(LabelRef(label("whole")))
		base(fieldRes, p)
		for i := range m {
			load(masked, p.At(i), x)
			VADDPS(x, ymm[i], ymm[i])
		}
		Label(label("whole"))
		CMPB(field(fieldClip), Imm(0))
		JEQ(LabelRef(label("store")))
		VBROADCASTSS(field(fieldLo), w)
		VBROADCASTSS(field(fieldHi), x)
		for i := range m {
			VMAXPS(ymm[i], w, ymm[i])
			VMINPS(ymm[i], x, ymm[i])
		}
		Label(label("store"))
		base(fieldY, p)
		if masked {
			VMOVUPS(Mem{Base: maskp}, w)
		}
		for i := range m {
			if masked {
				VMASKMOVPS(ymm[i], w, p.At(i))
			} else {
				VMOVUPS(ymm[i], p.At(i))
			}
		}
	})
}

// gradient2 emits m pixels of the weight gradient for AVX2.
func gradient2(m int, tail rows.Tail) {
	name := fmt.Sprintf("depthwiseGradAVX2m%d", m)
	TEXT(name, NOSPLIT, "func(t *byte, n int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s adds %d pixels of n channels to the weight gradient.", name, m))
	p := pixels(m)
	sum, x := ymm[14], ymm[15]
	channels2(tail, func(masked bool, label func(string) string) {
		p.SetStep(field(gradYs))
		base(fieldY, p)
		for i := range m {
			load(masked, p.At(i), ymm[i])
		}
		eachTap2(p, gradTaps, gradXs, label, func(at Mem) {
			load(masked, at, sum)
			for i := range m {
				if masked {
					load(masked, p.At(i), x)
					VFMADD231PS(x, ymm[i], sum)
				} else {
					VFMADD231PS(p.At(i), ymm[i], sum)
				}
			}
			if masked {
				VMOVUPS(Mem{Base: maskp}, x)
				VMASKMOVPS(sum, x, at)
			} else {
				VMOVUPS(sum, at)
			}
		})
	})
}
