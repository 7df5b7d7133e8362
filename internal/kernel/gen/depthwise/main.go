// Command depthwise writes the kernels of depthwise convolutions. The reference
// loops are the comments of dwTile and dwGradTile in package kernel.
package main

import (
	"flag"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/rows"
)

// Offsets of the fields of kernel.dwTile and, where they differ, of kernel.dwGradTile.
const (
	fieldX    = 0
	fieldW    = 24
	fieldY    = 48 // dy of dwGradTile
	fieldBias = 72
	fieldRes  = 96
	fieldTaps = 120
	fieldXs   = 144
	fieldYs   = 152
	fieldLo   = 160
	fieldHi   = 164
	fieldClip = 168

	gradTaps = 72
	gradXs   = 96
	gradYs   = 104

	// Of kernel.dwTap.
	tapX     = 0
	tapW     = 8
	tapEdge  = 16
	tapFresh = 28
	tapSize  = 32

	edges = 3
)

var (
	args  = RDI
	left  = RDX // channels left
	at    = RSI // bytes of channels done
	tap   = RAX
	taps  = RCX
	xp    = RBX // inputs and weights at the current channels
	wp    = R13
	index = R14
	mask  = K1
	edge  = []Register{K2, K3, K4, K5, K6, K7}
)

func main() {
	arch := flag.String("arch", "amd64", "amd64 or arm64")
	flag.Parse()
	if *arch == "arm64" {
		neonFile()
		return
	}
	ConstraintExpr("!noasm")
	for m := 1; m <= 14; m++ {
		forward(m)
	}
	for m := 1; m <= 14; m++ {
		gradient(m)
	}
	for _, s := range []int{3, 5} {
		for stride := 1; stride <= 2; stride++ {
			for m := 1; m <= 14; m++ {
				slide(m, s, stride)
				slideGradient(m, s, stride)
			}
		}
	}
	tail := rows.NewTail("depthwiseTail")
	for m := 1; m <= 14; m++ {
		forward2(m, tail)
		gradient2(m, tail)
	}
	Generate()
}

func pixels(m int) rows.Rows {
	return rows.Rows{Count: m, Base: [3]Register{R8, R9, R10}, Step: R11, Step3: R12}
}

func field(off int) Mem { return Mem{Base: args, Disp: off} }

// channels emits the loop over vectors of 16 channels, the last under a mask, around body.
func channels(body func()) {
	Load(Param("t"), args)
	Load(Param("n"), left)
	XORQ(at, at)
	Label("vector")
	MOVQ(I32(0xffff), taps)
	CMPQ(left, Imm(16))
	JGE(LabelRef("full"))
	BZHIL(left.As32(), taps.As32(), taps.As32())
	Label("full")
	KMOVW(taps.As32(), mask)
	body()
	ADDQ(Imm(64), at)
	SUBQ(Imm(16), left)
	JG(LabelRef("vector"))
	VZEROUPPER()
	RET()
}

// base emits the address of the matrix of a field at the current channels.
func base(matrix int, p rows.Rows) {
	MOVQ(field(matrix), p.Base[0])
	ADDQ(at, p.Base[0])
	p.Derive()
}

// pixelMask is the mask of pixel i of m: see kernel.dwTap.
func pixelMask(i, m int) Register {
	switch {
	case i < edges:
		return edge[i]
	case i >= m-edges:
		return edge[edges+m-1-i]
	}
	return mask
}

// eachTap emits the loop over taps around body, which finds the tap's pixels at
// p, its weights at the memory operand and the masks set.
func eachTap(p rows.Rows, m, fieldTaps, fieldXs int, body func(w Mem)) {
	p.SetStep(field(fieldXs))
	MOVQ(field(fieldTaps), tap)
	MOVQ(field(fieldTaps+8), taps)
	MOVQ(field(fieldX), xp)
	ADDQ(at, xp)
	MOVQ(field(fieldW), wp)
	ADDQ(at, wp)
	TESTQ(taps, taps)
	JZ(LabelRef("summed"))
	used := map[int]bool{}
	for i := range m {
		for e, k := range edge {
			used[e] = used[e] || pixelMask(i, m) == k
		}
	}
	Label("tap")
	CMPB(Mem{Base: tap, Disp: tapFresh}, Imm(0))
	JEQ(LabelRef("masked"))
	for e := range edge {
		if used[e] {
			KMOVW(Mem{Base: tap, Disp: tapEdge + 2*e}, edge[e])
			KANDW(mask, edge[e], edge[e])
		}
	}
	Label("masked")
	MOVQ(Mem{Base: tap, Disp: tapX}, index)
	LEAQ(Mem{Base: xp, Index: index, Scale: 4}, p.Base[0])
	p.Derive()
	MOVQ(Mem{Base: tap, Disp: tapW}, index)
	body(Mem{Base: wp, Index: index, Scale: 4})
	ADDQ(Imm(tapSize), tap)
	DECQ(taps)
	JNZ(LabelRef("tap"))
	Label("summed")
}

// forward emits m pixels.
func forward(m int) {
	name := fmt.Sprintf("depthwiseAVX512m%d", m)
	TEXT(name, NOSPLIT, "func(t *byte, n int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes %d pixels of n channels.", name, m))
	p := pixels(m)
	channels(func() {
		startSums(m)
		eachTap(p, m, fieldTaps, fieldXs, func(w Mem) {
			VMOVUPS_Z(w, mask, zmm[16])
			for i := range m {
				VFMADD231PS(p.At(i), zmm[16], pixelMask(i, m), zmm[i])
			}
		})
		storeSums(m, zmm[16], zmm[17])
	})
}

// startSums emits the bias, or zero, into m sums.
func startSums(m int) {
	CMPQ(field(fieldBias+8), Imm(0))
	JEQ(LabelRef("zero"))
	MOVQ(field(fieldBias), wp)
	VMOVUPS_Z(Mem{Base: wp, Index: at, Scale: 1}, mask, zmm[0])
	for i := 1; i < m; i++ {
		VMOVAPS(zmm[0], zmm[i])
	}
	JMP(LabelRef("begin"))
	Label("zero")
	for i := range m {
		VPXORD(zmm[i], zmm[i], zmm[i])
	}
	Label("begin")
}

// storeSums emits the epilogue of m sums; lo and hi are free registers.
func storeSums(m int, lo, hi VecPhysical) {
	p := pixels(m)
	p.SetStep(field(fieldYs))
	CMPQ(field(fieldRes+8), Imm(0))
	JEQ(LabelRef("whole"))
	base(fieldRes, p)
	for i := range m {
		VADDPS(p.At(i), zmm[i], mask, zmm[i])
	}
	Label("whole")
	CMPB(field(fieldClip), Imm(0))
	JEQ(LabelRef("store"))
	Comment("The bound comes first: of two operands one of which is NaN, the second is the result.")
	VBROADCASTSS(field(fieldLo), lo)
	VBROADCASTSS(field(fieldHi), hi)
	for i := range m {
		VMAXPS(zmm[i], lo, zmm[i])
		VMINPS(zmm[i], hi, zmm[i])
	}
	Label("store")
	base(fieldY, p)
	for i := range m {
		VMOVUPS(zmm[i], mask, p.At(i))
	}
}

// gradient emits m pixels of the weight gradient. Two sums for a tap halve the
// chain of additions.
func gradient(m int) {
	name := fmt.Sprintf("depthwiseGradAVX512m%d", m)
	TEXT(name, NOSPLIT, "func(t *byte, n int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s adds %d pixels of n channels to the weight gradient.", name, m))
	p := pixels(m)
	channels(func() {
		p.SetStep(field(gradYs))
		base(fieldY, p)
		for i := range m {
			VMOVUPS_Z(p.At(i), mask, zmm[i])
		}
		eachTap(p, m, gradTaps, gradXs, func(w Mem) {
			VMOVUPS_Z(w, mask, zmm[16])
			VPXORD(zmm[17], zmm[17], zmm[17])
			for i := range m {
				VFMADD231PS(p.At(i), zmm[i], pixelMask(i, m), zmm[16+i%2])
			}
			VADDPS(zmm[16], zmm[17], zmm[16])
			VMOVUPS(zmm[16], mask, w)
		})
	})
}

var zmm = []VecPhysical{
	Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
	Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
}
