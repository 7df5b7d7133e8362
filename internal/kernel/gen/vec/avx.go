package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx is the machine of AVX-512 (wide) or AVX2 with FMA.
type avx struct {
	wide  bool
	data  map[uint32]Mem
	table *Mem   // of AVX2 tail masks
	turn  func() // lets the other copies of a body go on, or nil
}

// interleave writes n copies of a body, in AVX2 instruction by instruction in turn. An exponential
// is one long chain of instructions that wait for each other: in turn, a core has several of them
// within its reach.
func (s *avx) interleave(n int, body func(s *isa, i int)) {
	if s.wide {
		for i := range n {
			body(&isa{s}, i)
		}
		return
	}
	takeTurns(n, func(i int, turn func()) {
		c := *s
		c.turn = turn
		body(&isa{&c}, i)
	})
}

// lanes is the number of values in a register.
func (s *avx) lanes() int {
	if s.wide {
		return 16
	}
	return 8
}

func (s *avx) name() string {
	if s.wide {
		return "AVX512"
	}
	return "AVX2"
}

// either is a number for the 32 registers of AVX-512 or for the 16 of AVX2.
func (s *avx) either(wide, narrow int) int {
	if s.wide {
		return wide
	}
	return narrow
}

func (s *avx) reg() reg.VecVirtual {
	if s.turn != nil {
		s.turn()
	}
	if s.wide {
		return ZMM()
	}
	return YMM()
}

// bits is a constant of the pattern b, in memory. AVX-512 spreads the one number over the lanes as
// it reads it: the linker aligns data to 32 bytes at most, and a register of 64 would be read from
// two cache lines in every other program. AVX2 has a copy for every lane.
func (s *avx) bits(b uint32) v {
	if m, ok := s.data[b]; ok {
		return m
	}
	m := GLOBL(fmt.Sprintf("vec%s_%08x", s.name(), b), attr.RODATA|attr.NOPTR)
	copies := s.lanes()
	if s.wide {
		copies = 1
	}
	for i := range copies {
		DATA(4*i, U32(b))
	}
	s.data[b] = m
	return m
}

// spread reports whether an operand is a constant that AVX-512 spreads.
func (s *avx) spread(o Op) bool {
	m, ok := o.(Mem)
	return ok && s.wide && strings.HasPrefix(m.Symbol.Name, "vec"+s.name()+"_")
}

// ins writes an instruction whose first operand may be a constant.
func (s *avx) ins(plain, spread func(...Op), first Op, rest ...Op) {
	if s.spread(first) {
		plain = spread
	}
	plain(append([]Op{first}, rest...)...)
}

// load copies memory or a register to a new register.
func (s *avx) load(m v) v {
	if s.spread(m) {
		return s.bcast(m)
	}
	r := s.reg()
	VMOVUPS(m, r)
	return r
}

func (s *avx) zero() v {
	r := s.reg()
	if s.wide {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
	return r
}

func (s *avx) bcast(m v) v {
	r := s.reg()
	VBROADCASTSS(m, r)
	return r
}

// In the operations of two operands b may be in memory.

func (s *avx) add(a, b v) v {
	r := s.reg()
	s.ins(VADDPS, VADDPS_BCST, b, a, r)
	return r
}
func (s *avx) sub(a, b v) v {
	r := s.reg()
	s.ins(VSUBPS, VSUBPS_BCST, b, a, r)
	return r
}
func (s *avx) mul(a, b v) v {
	r := s.reg()
	s.ins(VMULPS, VMULPS_BCST, b, a, r)
	return r
}
func (s *avx) div(a, b v) v {
	r := s.reg()
	s.ins(VDIVPS, VDIVPS_BCST, b, a, r)
	return r
}

// max is a where a > b, else b: a NaN in b is kept, one in a is lost.
func (s *avx) max(a, b v) v {
	r := s.reg()
	s.ins(VMAXPS, VMAXPS_BCST, b, a, r)
	return r
}

// min is a where a < b, else b.
func (s *avx) min(a, b v) v {
	r := s.reg()
	s.ins(VMINPS, VMINPS_BCST, b, a, r)
	return r
}

// fma is a*b + c and writes over c.
func (s *avx) fma(a, b v, c v) v {
	s.ins(VFMADD231PS, VFMADD231PS_BCST, b, a, c)
	return c
}

// fnma is c - a*b and writes over c.
func (s *avx) fnma(a, b v, c v) v {
	s.ins(VFNMADD231PS, VFNMADD231PS_BCST, b, a, c)
	return c
}

// horner is a*x + c and writes over a.
func (s *avx) horner(a, x, c v) v {
	s.ins(VFMADD213PS, VFMADD213PS_BCST, c, x, a)
	return a
}

func (s *avx) and(a, b v) v {
	r := s.reg()
	if s.wide {
		s.ins(VPANDD, VPANDD_BCST, b, a, r)
	} else {
		VANDPS(b, a, r)
	}
	return r
}

func (s *avx) or(a, b v) v {
	r := s.reg()
	if s.wide {
		s.ins(VPORD, VPORD_BCST, b, a, r)
	} else {
		VORPS(b, a, r)
	}
	return r
}

// test is a mask: lanes where a compares to b.
func (s *avx) test(a, b v, how uint8) v {
	if s.wide {
		k := K()
		VCMPPS(Imm(uint64(how)), b, a, k)
		return k
	}
	r := YMM()
	VCMPPS(Imm(uint64(how)), b, a, r)
	return r
}

// both is the lanes of two masks.
func (s *avx) both(a, b v) v {
	if s.wide {
		k := K()
		KANDW(a, b, k)
		return k
	}
	return s.and(a, b)
}

// only is a in the lanes of the mask and 0 elsewhere.
func (s *avx) only(mask, a v) v {
	if s.wide {
		r := s.reg()
		VMOVAPS_Z(a, mask, r)
		return r
	}
	return s.and(mask, a)
}

// without is 0 in the lanes of the mask and a elsewhere.
func (s *avx) without(mask, a v) v {
	r := s.reg()
	if s.wide {
		k := K()
		KNOTW(mask, k)
		VMOVAPS_Z(a, k, r)
	} else {
		VANDNPS(a, mask, r)
	}
	return r
}

// pick is a in the lanes of the mask and b elsewhere.
func (s *avx) pick(mask, a, b v) v {
	r := s.reg()
	if s.wide {
		VBLENDMPS(a, b, mask, r)
	} else {
		VBLENDVPS(mask, a, b, r)
	}
	return r
}

// ifNegative is a where x has its sign bit set, else b.
func (s *avx) ifNegative(x, a, b v) v {
	if s.wide {
		k := K()
		VPMOVD2M(x, k)
		return s.pick(k, a, b)
	}
	return s.pick(x, a, b)
}

func (s *avx) nearest(a, b v) (n, k v) {
	n = s.round(s.mul(a, b))
	return n, n
}

func (s *avx) round(a v) v {
	r := s.reg()
	if s.wide {
		VRNDSCALEPS(Imm(0), a, r)
	} else {
		VROUNDPS(Imm(0), a, r)
	}
	return r
}

// AVX2 scales in two steps: 2**n alone may be out of range.
func (s *avx) scale(a, n v) v {
	if s.wide {
		r := s.reg()
		VSCALEFPS(n, a, r)
		return r
	}
	i, h := YMM(), YMM()
	VCVTPS2DQ(n, i)
	VPSRAD(Imm(1), i, h)
	VPSUBD(h, i, i)
	return s.mul(s.mul(a, s.pow2(h)), s.pow2(i))
}

// pow2 is 2**i for integers of the exponent's range, and writes over i.
func (s *avx) pow2(i reg.VecVirtual) v {
	s.ins(VPADDD, VPADDD_BCST, s.bits(127), i, i)
	VPSLLD(Imm(23), i, i)
	return i
}

func (s *avx) sqrt(a v) v { r := s.reg(); VSQRTPS(a, r); return r }

// fold reduces the lanes of a to one value in an XMM register.
func (s *avx) fold(r v, op func(b, a, r Op)) reg.VecVirtual {
	a, h := r.(reg.VecVirtual), XMM()
	if s.wide {
		y := YMM()
		VEXTRACTF64X4(Imm(1), a, y)
		op(y, a.AsY(), y)
		VEXTRACTF32X4(Imm(1), y, h)
		op(h, y.AsX(), h)
	} else {
		VEXTRACTF128(Imm(1), a, h)
		op(h, a.AsX(), h)
	}
	t := XMM()
	VPERMILPS(Imm(0b1110), h, t)
	op(t, h, h)
	VPERMILPS(Imm(1), h, t)
	op(t, h, h)
	return h
}

func (s *avx) mulSub(x, a, b v) v {
	VFMSUB132PS(a, b, x)
	return x
}

func (s *avx) addTo(acc, x v) { VADDPS(x, acc, acc) }

func (s *avx) maxTo(acc, x v) {
	VMAXPS(x, acc, acc)
}

func (s *avx) field(p v, i int) v { return s.bcast(Mem{Base: p.(reg.Register), Disp: 4 * i}) }

func (s *avx) set(d, a v) { VMOVAPS(a, d) }

func (s *avx) greatest(a, b v) v { return s.sticky(s.max(a, b), a) }
func (s *avx) least(a, b v) v    { return s.sticky(s.min(a, b), a) }

// sticky is r, but a where a is NaN.
func (s *avx) sticky(r, a v) v {
	return s.pick(s.test(a, a, cmpNaN), a, r)
}

func (s *avx) maxKeepsNaN() bool { return false }
