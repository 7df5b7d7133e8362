package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Fields after those of the plain tiles.
const (
	fieldWs = 176
	gradWs  = 112
)

// inputs emits the walk over the positions of an input row that m outputs of a
// window of s columns see: each is loaded once into x, then used.
func inputs(m, s, stride int, x []VecPhysical, use func(i int, x VecPhysical)) {
	count := (m-1)*stride + s
	MOVQ(Mem{Base: tap, Disp: tapX}, index)
	LEAQ(Mem{Base: xp, Index: index, Scale: 4}, R8)
	for i := range count {
		v := x[i%len(x)]
		VMOVUPS_Z(Mem{Base: R8}, pixelMask(i, count), v)
		if i < count-1 {
			ADDQ(R11, R8)
		}
		use(i, v)
	}
}

// windowRows emits the loop over window rows around body, with R9 at the
// row's weights and R12 their step from column to column.
func windowRows(m, s, stride, fieldTaps, fieldXs, fieldWs int, body func()) {
	MOVQ(field(fieldXs), R11)
	SHLQ(Imm(2), R11)
	MOVQ(field(fieldWs), R12)
	SHLQ(Imm(2), R12)
	MOVQ(field(fieldTaps), tap)
	MOVQ(field(fieldTaps+8), taps)
	MOVQ(field(fieldX), xp)
	ADDQ(at, xp)
	MOVQ(field(fieldW), wp)
	ADDQ(at, wp)
	TESTQ(taps, taps)
	JZ(LabelRef("summed"))
	count := (m-1)*stride + s
	for e, k := range edge {
		for i := range count {
			if pixelMask(i, count) == k {
				KMOVW(Mem{Base: tap, Disp: tapEdge + 2*e}, k)
				KANDW(mask, k, k)
				break
			}
		}
	}
	Label("row")
	MOVQ(Mem{Base: tap, Disp: tapW}, index)
	LEAQ(Mem{Base: wp, Index: index, Scale: 4}, R9)
	body()
	ADDQ(Imm(tapSize), tap)
	DECQ(taps)
	JNZ(LabelRef("row"))
	Label("summed")
}

// eachOutput calls f for the outputs p that position i is seen by, at column c.
func eachOutput(i, m, s, stride int, f func(p, c int)) {
	for c := range s {
		if p := i - c; p >= 0 && p%stride == 0 && p/stride < m {
			f(p/stride, c)
		}
	}
}

// slide emits m pixels of a window of s columns side by side.
func slide(m, s, stride int) {
	name := fmt.Sprintf("slideAVX512s%dd%dm%d", s, stride, m)
	TEXT(name, NOSPLIT, "func(t *byte, n int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes %d pixels of n channels of windows %d wide with stride %d.", name, m, s, stride))
	w := zmm[14 : 14+s]
	x := zmm[20:24]
	channels(func() {
		startSums(m)
		windowRows(m, s, stride, fieldTaps, fieldXs, fieldWs, func() {
			for c := range s {
				VMOVUPS_Z(Mem{Base: R9}, mask, w[c])
				if c < s-1 {
					ADDQ(R12, R9)
				}
			}
			inputs(m, s, stride, x, func(i int, x VecPhysical) {
				eachOutput(i, m, s, stride, func(p, c int) { VFMADD231PS(x, w[c], zmm[p]) })
			})
		})
		storeSums(m, zmm[20], zmm[21])
	})
}

// slideGradient emits m pixels of the weight gradient of a window of s columns side by
// side, each column with two sums.
func slideGradient(m, s, stride int) {
	name := fmt.Sprintf("slideGradAVX512s%dd%dm%d", s, stride, m)
	TEXT(name, NOSPLIT, "func(t *byte, n int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s adds %d pixels of n channels to the weight gradient of windows %d wide with stride %d.", name, m, s, stride))
	p := pixels(m)
	sum := zmm[14 : 14+2*s]
	x := zmm[24:28]
	channels(func() {
		p.SetStep(field(gradYs))
		base(fieldY, p)
		for i := range m {
			VMOVUPS_Z(p.At(i), mask, zmm[i])
		}
		windowRows(m, s, stride, gradTaps, gradXs, gradWs, func() {
			MOVQ(R9, R10)
			for c := range s {
				VMOVUPS_Z(Mem{Base: R9}, mask, sum[c])
				VPXORD(sum[s+c], sum[s+c], sum[s+c])
				if c < s-1 {
					ADDQ(R12, R9)
				}
			}
			inputs(m, s, stride, x, func(i int, x VecPhysical) {
				eachOutput(i, m, s, stride, func(p, c int) { VFMADD231PS(x, zmm[p], sum[c+s*(p%2)]) })
			})
			for c := range s {
				VADDPS(sum[s+c], sum[c], sum[c])
				VMOVUPS(sum[c], mask, Mem{Base: R10})
				if c < s-1 {
					ADDQ(R12, R10)
				}
			}
		})
	})
}
