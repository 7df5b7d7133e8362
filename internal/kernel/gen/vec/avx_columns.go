package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sums writes a column reduction: tiles of columns outside, rows inside, the
// sums in registers.
func (s *avx) sums(f columns, tile int) {
	w := s.lanes()
	TEXT(f.name+s.name(), attr.NOSPLIT, "func("+list(f.acc, f.rows, f.vec)+" []float32)")
	ptr := s.pointers(f.acc, f.rows, f.vec)
	c := Load(Param(f.acc[0]).Len(), GP64())
	end := Load(Param(f.rows[0]).Len(), GP64())
	SHLQ(Imm(2), end)
	step := GP64()
	MOVQ(c, step)
	SHLQ(Imm(2), step)
	at, row := GP64(), GP64()
	XORQ(at, at)
	run := func(label string, n int, mask v) {
		load := func(m Mem) v {
			if mask != nil {
				return s.maskLoad(m, mask)
			}
			return s.load(m)
		}
		var acc, vec [][]v
		for i := range n {
			var a, v []v
			for _, name := range f.acc {
				a = append(a, load(Mem{Base: ptr[name], Index: at, Scale: 4, Disp: 4 * w * i}))
			}
			for _, name := range f.vec {
				v = append(v, load(Mem{Base: ptr[name], Index: at, Scale: 4, Disp: 4 * w * i}))
			}
			acc, vec = append(acc, a), append(vec, v)
		}
		MOVQ(at, row)
		SHLQ(Imm(2), row)
		Label(label)
		for i := range n {
			var r []v
			for _, name := range f.rows {
				r = append(r, load(Mem{Base: ptr[name], Index: row, Scale: 1, Disp: 4 * w * i}))
			}
			f.body(&isa{s}, r, vec[i], nil, acc[i])
		}
		ADDQ(step, row)
		CMPQ(row, end)
		JLT(LabelRef(label))
		for i := range n {
			for j, name := range f.acc {
				m := Mem{Base: ptr[name], Index: at, Scale: 4, Disp: 4 * w * i}
				if mask != nil {
					s.maskStore(acc[i][j], m, mask)
				} else {
					VMOVUPS(acc[i][j], m)
				}
			}
		}
	}
	TESTQ(end, end)
	JZ(LabelRef("done"))
	for n := tile; n >= 1; n /= 2 {
		label := fmt.Sprintf("tile%d", n)
		next := "tail"
		if n > 1 {
			next = fmt.Sprintf("tile%d", n/2)
		}
		Label(label)
		CMPQ(c, Imm(uint64(n*w)))
		JLT(LabelRef(next))
		run(label+"row", n, nil)
		ADDQ(Imm(uint64(n*w)), at)
		SUBQ(Imm(uint64(n*w)), c)
		JMP(LabelRef(label))
	}
	Label("tail")
	TESTQ(c, c)
	JZ(LabelRef("done"))
	run("tailrow", 1, s.tailMask(c))
	Label("done")
	VZEROUPPER()
	RET()
}

// maps writes a kernel of independent elements: rows outside, columns inside.
func (s *avx) maps(f columns) {
	w := s.lanes()
	sig := "func(" + list([]string{f.out}, f.rows, f.vec) + " []float32"
	for _, a := range f.arg {
		sig += ", " + a + " float32"
	}
	TEXT(f.name+s.name(), attr.NOSPLIT, sig+")")
	ptr := s.pointers([]string{f.out}, f.rows, f.vec)
	c := Load(Param(f.vec[0]).Len(), GP64())
	left := Load(Param(f.rows[0]).Len(), GP64())
	var args []v
	for _, a := range f.arg {
		b, err := Param(a).Resolve()
		if err != nil {
			panic(err)
		}
		args = append(args, s.bcast(b.Addr))
	}
	step := GP64()
	MOVQ(c, step)
	SHLQ(Imm(2), step)
	full, at := GP64(), GP64() // columns in full vectors
	MOVQ(c, full)
	ANDQ(I32(-w), full)
	tail := GP64()
	MOVQ(c, tail)
	SUBQ(full, tail)
	mask := s.tailMask(tail)
	Label("row")
	CMPQ(left, c)
	JLT(LabelRef("done"))
	XORQ(at, at)
	one := func(n int, mask v) {
		for i := range n {
			load := func(name string) v {
				m := Mem{Base: ptr[name], Index: at, Scale: 4, Disp: 4 * w * i}
				if mask != nil {
					return s.maskLoad(m, mask)
				}
				return s.load(m)
			}
			var r, v []v
			for _, name := range f.rows {
				r = append(r, load(name))
			}
			for _, name := range f.vec {
				v = append(v, load(name))
			}
			y := f.body(&isa{s}, r, v, args, nil)
			m := Mem{Base: ptr[f.out], Index: at, Scale: 4, Disp: 4 * w * i}
			if mask != nil {
				s.maskStore(y, m, mask)
			} else {
				VMOVUPS(y, m)
			}
		}
	}
	TESTQ(full, full)
	JZ(LabelRef("tail"))
	Label("vector")
	one(1, nil)
	ADDQ(Imm(uint64(w)), at)
	CMPQ(at, full)
	JLT(LabelRef("vector"))
	Label("tail")
	TESTQ(tail, tail)
	JZ(LabelRef("next"))
	one(1, mask)
	Label("next")
	seen := map[string]bool{}
	for _, name := range append([]string{f.out}, f.rows...) {
		if !seen[name] {
			ADDQ(step, ptr[name])
		}
		seen[name] = true
	}
	SUBQ(c, left)
	JMP(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
}

func (s *avx) pointers(names ...[]string) map[string]reg.Register {
	p := map[string]reg.Register{}
	for _, ns := range names {
		for _, n := range ns {
			if p[n] == nil {
				p[n] = Load(Param(n).Base(), GP64())
			}
		}
	}
	return p
}

// taps writes a reduction of runs of x: y[j] = op over i of x[at[i]+j], at least
// one run. It is a pooling window over channels.
func (s *avx) taps(name string, op func(s *isa, a, x v)) {
	w := s.lanes()
	TEXT(name+s.name(), attr.NOSPLIT, "func(y, x []float32, at []int)")
	y := Load(Param("y").Base(), GP64())
	n := Load(Param("y").Len(), GP64())
	x := Load(Param("x").Base(), GP64())
	first := Load(Param("at").Base(), GP64())
	end := Load(Param("at").Len(), GP64())
	LEAQ(Mem{Base: first, Index: end, Scale: 8}, end)
	p, off := GP64(), GP64()
	run := func(label string, tile int, mask v) {
		load := func(i int) v {
			m := Mem{Base: x, Index: off, Scale: 4, Disp: 4 * w * i}
			if mask != nil {
				return s.maskLoad(m, mask)
			}
			return s.load(m)
		}
		MOVQ(first, p)
		MOVQ(Mem{Base: p}, off)
		var acc []v
		for i := range tile {
			acc = append(acc, load(i))
		}
		JMP(LabelRef(label + "next"))
		Label(label)
		MOVQ(Mem{Base: p}, off)
		for i := range tile {
			op(&isa{s}, acc[i], load(i))
		}
		Label(label + "next")
		ADDQ(Imm(8), p)
		CMPQ(p, end)
		JLT(LabelRef(label))
		for i := range tile {
			m := Mem{Base: y, Disp: 4 * w * i}
			if mask != nil {
				s.maskStore(acc[i], m, mask)
			} else {
				VMOVUPS(acc[i], m)
			}
		}
	}
	for _, tile := range []int{4, 1} {
		label := fmt.Sprintf("tile%d", tile)
		next := "tile1"
		if tile == 1 {
			next = "tail"
		}
		Label(label)
		CMPQ(n, Imm(uint64(tile*w)))
		JLT(LabelRef(next))
		run(label+"run", tile, nil)
		ADDQ(I32(4*tile*w), x)
		ADDQ(I32(4*tile*w), y)
		SUBQ(Imm(uint64(tile*w)), n)
		JMP(LabelRef(label))
	}
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	run("tailrun", 1, s.tailMask(n))
	Label("done")
	VZEROUPPER()
	RET()
}
