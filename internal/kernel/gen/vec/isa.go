package main

import (
	"fmt"
	"iter"
	"math"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa emits vector code for AVX-512 (wide) or AVX2 with FMA. Operands read in
// mathematical order; the results are new registers.
type isa struct {
	wide  bool
	data  map[uint32]Mem
	table *Mem   // of AVX2 tail masks
	turn  func() // lets the other copies of a body go on, or nil
}

// interleave writes n copies of a body, in AVX2 instruction by instruction in turn. An exponential
// is one long chain of instructions that wait for each other: in turn, a core has several of them
// within its reach.
func (s *isa) interleave(n int, body func(s *isa, i int)) {
	if s.wide {
		for i := range n {
			body(s, i)
		}
		return
	}
	var copies []func() (struct{}, bool)
	for i := range n {
		next, stop := iter.Pull(func(yield func(struct{}) bool) {
			c := *s
			c.turn = func() { yield(struct{}{}) }
			body(&c, i)
		})
		defer stop()
		copies = append(copies, next)
	}
	for more := true; more; {
		for _, next := range copies {
			_, more = next()
		}
	}
}

// lanes is the number of values in a register.
func (s *isa) lanes() int {
	if s.wide {
		return 16
	}
	return 8
}

func (s *isa) name() string {
	if s.wide {
		return "AVX512"
	}
	return "AVX2"
}

// either is a number for the 32 registers of AVX-512 or for the 16 of AVX2.
func (s *isa) either(wide, narrow int) int {
	if s.wide {
		return wide
	}
	return narrow
}

func (s *isa) reg() reg.VecVirtual {
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
func (s *isa) bits(b uint32) Mem {
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
func (s *isa) spread(o Op) bool {
	m, ok := o.(Mem)
	return ok && s.wide && strings.HasPrefix(m.Symbol.Name, "vec"+s.name()+"_")
}

// ins writes an instruction whose first operand may be a constant.
func (s *isa) ins(plain, spread func(...Op), first Op, rest ...Op) {
	if s.spread(first) {
		plain = spread
	}
	plain(append([]Op{first}, rest...)...)
}

func (s *isa) c(v float64) Mem { return s.bits(math.Float32bits(float32(v))) }

// load copies memory or a register to a new register.
func (s *isa) load(m Op) reg.VecVirtual {
	if s.spread(m) {
		return s.bcast(m)
	}
	r := s.reg()
	VMOVUPS(m, r)
	return r
}

func (s *isa) zero() reg.VecVirtual {
	r := s.reg()
	if s.wide {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
	return r
}

func (s *isa) bcast(m Op) reg.VecVirtual {
	r := s.reg()
	VBROADCASTSS(m, r)
	return r
}

// In the operations of two operands b may be in memory.

func (s *isa) add(a, b Op) reg.VecVirtual {
	r := s.reg()
	s.ins(VADDPS, VADDPS_BCST, b, a, r)
	return r
}
func (s *isa) sub(a, b Op) reg.VecVirtual {
	r := s.reg()
	s.ins(VSUBPS, VSUBPS_BCST, b, a, r)
	return r
}
func (s *isa) mul(a, b Op) reg.VecVirtual {
	r := s.reg()
	s.ins(VMULPS, VMULPS_BCST, b, a, r)
	return r
}
func (s *isa) div(a, b Op) reg.VecVirtual {
	r := s.reg()
	s.ins(VDIVPS, VDIVPS_BCST, b, a, r)
	return r
}

// max is a where a > b, else b: a NaN in b is kept, one in a is lost.
func (s *isa) max(a, b Op) reg.VecVirtual {
	r := s.reg()
	s.ins(VMAXPS, VMAXPS_BCST, b, a, r)
	return r
}

// min is a where a < b, else b.
func (s *isa) min(a, b Op) reg.VecVirtual {
	r := s.reg()
	s.ins(VMINPS, VMINPS_BCST, b, a, r)
	return r
}

// fma is a*b + c and writes over c.
func (s *isa) fma(a, b Op, c reg.VecVirtual) reg.VecVirtual {
	s.ins(VFMADD231PS, VFMADD231PS_BCST, b, a, c)
	return c
}

// fnma is c - a*b and writes over c.
func (s *isa) fnma(a, b Op, c reg.VecVirtual) reg.VecVirtual {
	s.ins(VFNMADD231PS, VFNMADD231PS_BCST, b, a, c)
	return c
}

// horner is a*x + c and writes over a.
func (s *isa) horner(a reg.VecVirtual, x, c Op) reg.VecVirtual {
	s.ins(VFMADD213PS, VFMADD213PS_BCST, c, x, a)
	return a
}

// poly is the polynomial c[0] + c[1]*x + ...
func (s *isa) poly(x Op, c ...float64) reg.VecVirtual {
	p := s.load(s.c(c[len(c)-1]))
	for i := len(c) - 2; i >= 0; i-- {
		s.horner(p, x, s.c(c[i]))
	}
	return p
}

func (s *isa) and(a, b Op) reg.VecVirtual {
	r := s.reg()
	if s.wide {
		s.ins(VPANDD, VPANDD_BCST, b, a, r)
	} else {
		VANDPS(b, a, r)
	}
	return r
}

func (s *isa) or(a, b Op) reg.VecVirtual {
	r := s.reg()
	if s.wide {
		s.ins(VPORD, VPORD_BCST, b, a, r)
	} else {
		VORPS(b, a, r)
	}
	return r
}

const signBit = 1 << 31

func (s *isa) abs(a Op) reg.VecVirtual    { return s.and(a, s.bits(signBit-1)) }
func (s *isa) negAbs(a Op) reg.VecVirtual { return s.or(a, s.bits(signBit)) }

// copySign is a, which is not negative, with the sign of b.
func (s *isa) copySign(a, b Op) reg.VecVirtual { return s.or(a, s.and(b, s.bits(signBit))) }

// Comparisons, ordered and quiet unless they say otherwise.
const (
	cmpLT    = 0x11
	cmpLE    = 0x12
	cmpGT    = 0x1e
	cmpNaN   = 0x03 // either is NaN
	cmpNotGE = 0x19 // less, or either is NaN
	cmpNotNE = 0x08 // equal, or either is NaN
)

// test is a mask: lanes where a compares to b.
func (s *isa) test(a, b Op, how uint8) Op {
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
func (s *isa) both(a, b Op) Op {
	if s.wide {
		k := K()
		KANDW(a, b, k)
		return k
	}
	return s.and(a, b)
}

// only is a in the lanes of the mask and 0 elsewhere.
func (s *isa) only(mask, a Op) reg.VecVirtual {
	if s.wide {
		r := s.reg()
		VMOVAPS_Z(a, mask, r)
		return r
	}
	return s.and(mask, a)
}

// without is 0 in the lanes of the mask and a elsewhere.
func (s *isa) without(mask, a Op) reg.VecVirtual {
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
func (s *isa) pick(mask, a, b Op) reg.VecVirtual {
	r := s.reg()
	if s.wide {
		VBLENDMPS(a, b, mask, r)
	} else {
		VBLENDVPS(mask, a, b, r)
	}
	return r
}

// ifNegative is a where x has its sign bit set, else b.
func (s *isa) ifNegative(x, a, b Op) reg.VecVirtual {
	if s.wide {
		k := K()
		VPMOVD2M(x, k)
		return s.pick(k, a, b)
	}
	return s.pick(x, a, b)
}

func (s *isa) round(a Op) reg.VecVirtual {
	r := s.reg()
	if s.wide {
		VRNDSCALEPS(Imm(0), a, r)
	} else {
		VROUNDPS(Imm(0), a, r)
	}
	return r
}

func (s *isa) sqrt(a Op) reg.VecVirtual { r := s.reg(); VSQRTPS(a, r); return r }

// fold reduces the lanes of a to one value in an XMM register.
func (s *isa) fold(a reg.VecVirtual, op func(b, a, r Op)) reg.VecVirtual {
	h := XMM()
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
