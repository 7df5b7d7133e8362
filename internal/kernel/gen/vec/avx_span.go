package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// span writes the kernel: vectors in unrolled groups, then one by one, then a
// tail under a mask, which reads and writes nothing beyond the slices.
func (s *avx) span(f span) {
	w := s.lanes()
	TEXT(f.name+s.name(), attr.NOSPLIT, f.signature())
	ptr := map[string]reg.Register{}
	for _, n := range append(append([]string{}, f.out...), f.in...) {
		if ptr[n] == nil {
			ptr[n] = Load(Param(n).Base(), GP64())
		}
	}
	n := Load(Param(f.in[len(f.in)-1]).Len(), GP64())
	k := &body{isa: &isa{s}, span: &f}
	for _, a := range f.arg {
		c, err := Param(a).Resolve()
		if err != nil {
			panic(err)
		}
		k.arg = append(k.arg, s.bcast(c.Addr))
	}
	if f.param {
		k.param = Load(Param("p"), GP64())
	}
	results := f.sums
	if f.top {
		results = 2 // the maximum, and what is NaN if there was one
	}
	for i := range results {
		var copies []v
		for range f.unroll {
			if f.top && i == 0 {
				copies = append(copies, s.load(s.bits(0xff800000)))
			} else {
				copies = append(copies, s.zero())
			}
		}
		k.acc = append(k.acc, copies)
	}
	at := GP64()
	XORQ(at, at)
	addr := func(name string, i int) Mem {
		return Mem{Base: ptr[name], Index: at, Scale: 4, Disp: 4 * w * i}
	}
	step := func(copies int) {
		s.interleave(copies, func(s *isa, i int) {
			k := *k
			k.isa, k.copy, k.in = s, i, nil
			for _, name := range f.in {
				k.in = append(k.in, s.load(addr(name, i)))
			}
			for j, v := range f.body(&k) {
				VMOVUPS(v, addr(f.out[j], i))
			}
		})
		ADDQ(Imm(uint64(copies*w)), at)
		SUBQ(Imm(uint64(copies*w)), n)
	}
	if f.unroll > 1 {
		Label("group")
		CMPQ(n, Imm(uint64(f.unroll*w)))
		JLT(LabelRef("single"))
		step(f.unroll)
		JMP(LabelRef("group"))
	}
	Label("single")
	CMPQ(n, Imm(uint64(w)))
	JLT(LabelRef("tail"))
	step(1)
	JMP(LabelRef("single"))
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	k.mask, k.copy, k.in = s.tailMask(n), 0, nil
	for _, name := range f.in {
		k.in = append(k.in, s.maskLoad(addr(name, 0), k.mask))
	}
	for j, v := range f.body(k) {
		s.maskStore(v, addr(f.out[j], 0), k.mask)
	}
	Label("done")
	for i := range results {
		for d := 1; d < f.unroll; d *= 2 {
			for j := 0; j+d < f.unroll; j += 2 * d {
				if f.top && i == 0 {
					VMAXPS(k.acc[i][j+d], k.acc[i][j], k.acc[i][j])
				} else {
					VADDPS(k.acc[i][j+d], k.acc[i][j], k.acc[i][j])
				}
			}
		}
	}
	var res []v
	for i := range results {
		if f.top && i == 0 {
			res = append(res, s.fold(k.acc[i][0], func(b, a, r Op) { VMAXPS(b, a, r) }))
		} else {
			res = append(res, s.fold(k.acc[i][0], func(b, a, r Op) { VADDPS(b, a, r) }))
		}
	}
	if f.top {
		VADDPS(res[1], res[0], res[0])
	}
	VZEROUPPER()
	for i := range f.sums {
		Store(res[i].(reg.Register), ReturnIndex(i))
	}
	RET()
}

// tailMask is the mask of the first n lanes, 0 < n < lanes.
func (s *avx) tailMask(n reg.Register) v {
	if s.wide {
		ones, k := GP64(), K()
		MOVQ(U64(0xffff), ones)
		BZHIQ(n, ones, ones)
		KMOVW(ones.As32(), k)
		return k
	}
	if s.table == nil {
		m := GLOBL("vecTail", attr.RODATA|attr.NOPTR)
		for i := range 16 {
			v := U32(0xffffffff)
			if i >= 8 {
				v = 0
			}
			DATA(4*i, v)
		}
		s.table = &m
	}
	p, y := GP64(), YMM()
	LEAQ(s.table.Offset(32), p)
	NEGQ(n)
	VMOVUPS(Mem{Base: p, Index: n, Scale: 4}, y)
	NEGQ(n)
	return y
}

// maskLoad reads the lanes of the mask; the others are 0.
func (s *avx) maskLoad(m Mem, mask v) v {
	r := s.reg()
	if s.wide {
		VMOVUPS_Z(m, mask, r)
	} else {
		VMASKMOVPS(m, mask, r)
	}
	return r
}

// maskStore writes the lanes of the mask.
func (s *avx) maskStore(x v, m Mem, mask v) {
	if s.wide {
		VMOVUPS(x, mask, m)
	} else {
		VMASKMOVPS(x, mask, m)
	}
}
