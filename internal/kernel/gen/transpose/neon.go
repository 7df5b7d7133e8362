package main

import (
	"log"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/a64"
)

// neon emits the transposition of blocks of 4 by 4 values.
func neon() {
	o := a64.NewFile("transposeNEON")
	f := a64.NewFunc("transposeNEON", "func(dst *float32, off *[16]int, src *float32, ld, rows, cols int, acc bool)",
		"is a transposeKernel of rows and cols that are multiples of 4 and not 0, and as wide as rows.")
	dst, off, src := f.Param("dst"), f.Param("off"), f.Param("src")
	ld, rows, cols, acc := f.Shl(f.Param("ld"), 2), f.Param("rows"), f.Param("cols"), f.ParamByte("acc")
	f.Label("columns")
	var d [4]*a64.Reg
	for i := range d {
		d[i] = f.PlusShifted(dst, f.Load(off, 8*i), 2)
	}
	s, left := f.Copy(src), f.Copy(rows)
	f.Label("rows")
	var r, c [4]*a64.Reg
	for i := range r {
		r[i] = f.V()
		f.Load4(r[i], s, 0)
		f.Add(s, ld)
	}
	l0, h0 := f.Zip(r[0], r[1])
	l1, h1 := f.Zip(r[2], r[3])
	c[0], c[1] = f.Zip2(l0, l1)
	c[2], c[3] = f.Zip2(h0, h1)
	f.Zero(acc, "store")
	for i := range c {
		x := f.V()
		f.Load4(x, d[i], 0)
		f.Into(c[i], a64.FADD, "fadd", c[i], x)
	}
	f.Label("store")
	for i := range c {
		f.Store4(c[i], d[i], 0)
		f.AddInt(d[i], 16)
	}
	f.SubsInt(left, 4)
	f.Branch("GT", "rows")
	f.AddInt(src, 16)
	f.AddInt(off, 32)
	f.SubsInt(cols, 4)
	f.Branch("GT", "columns")
	f.Ret()
	if err := o.Add(f); err != nil {
		log.Fatal(err)
	}
	o.Generate()
}
