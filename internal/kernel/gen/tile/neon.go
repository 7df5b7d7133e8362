package main

import (
	"fmt"
	"log"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/a64"
)

// neonFile emits the tiles for NEON: up to 6 rows by 4 vectors of 4 columns, which are 24 sums, 4
// vectors of b and 4 numbers of a. Columns that fill no vector are tiles of their own. What to fetch
// ahead is left to the processor.
func neonFile() {
	o := a64.NewFile("tileNEON")
	for m := 1; m <= 6; m++ {
		for nv := 1; nv <= 4; nv++ {
			neon(o, fmt.Sprintf("tileNEONm%dv%d", m, nv), fmt.Sprintf("%d rows by %d vectors", m, nv), m, nv, 4)
		}
		for lanes := 1; lanes <= 3; lanes++ {
			neon(o, fmt.Sprintf("tileNEONm%dt%d", m, lanes), fmt.Sprintf("%d rows by %d columns", m, lanes), m, 1, lanes)
		}
	}
	o.Generate()
}

// neon emits m rows by nv vectors of so many lanes. A number of a takes one load and no
// arithmetic: the products read it from lane 0.
func neon(o *a64.File, name, size string, m, nv, lanes int) {
	f := a64.NewFunc(name, "func(t *byte, j int)", "computes "+size+", from column j on.")
	args := f.Param("t")
	first := f.Shl(f.Param("j"), 2)
	column := func(field int) *a64.Reg { return f.Plus(f.Load(args, field), first) }
	read := func(p *a64.Reg, v int) *a64.Reg { r := f.V(); f.LoadLanes(r, p, 16*v, lanes); return r }

	sum := make([][]*a64.Reg, m)
	for i := range sum {
		for range nv {
			sum[i] = append(sum[i], f.V())
		}
	}
	f.Zero(f.Load(args, fieldBias+8), "zero")
	bias := column(fieldBias)
	for v := range nv {
		f.LoadLanes(sum[0][v], bias, 16*v, lanes)
		for i := 1; i < m; i++ {
			f.Move(sum[i][v], sum[0][v])
		}
	}
	f.B("begin")
	f.Label("zero")
	for i := range m {
		for v := range nv {
			f.Clear(sum[i][v])
		}
	}
	f.Label("begin")

	runs := f.Load(args, fieldOffs+8)
	f.Zero(runs, "summed")
	offs := f.Load(args, fieldOffs)
	ars, acs, bks := f.Shl(f.Load(args, fieldArs), 2), f.Shl(f.Load(args, fieldAcs), 2), f.Shl(f.Load(args, fieldBks), 2)
	b := column(fieldB)
	f.Label("run")
	rows := []*a64.Reg{f.PlusShifted(f.Load(args, fieldA), f.Load(offs, 0), 2)}
	f.AddInt(offs, 8)
	for i := 1; i < m; i++ {
		rows = append(rows, f.Plus(rows[i-1], ars))
	}
	left := f.Load(args, fieldRunLen)
	f.Zero(left, "ran")
	at := f.Int(0)
	f.Align()
	f.Label("step")
	x := make([]*a64.Reg, m)
	load := func(i int) { x[i] = f.V(); f.Load1At(x[i], rows[i], at) }
	const ahead = 4
	for i := range min(m, ahead) {
		load(i)
	}
	bv := make([]*a64.Reg, nv)
	for v := 0; v < nv; v++ {
		if bv[v] = f.V(); lanes == 4 && v+1 < nv {
			bv[v+1] = f.V()
			f.LoadPair(bv[v], bv[v+1], b, 16*v)
			v++
			continue
		}
		f.LoadLanes(bv[v], b, 16*v, lanes)
	}
	f.Add(b, bks)
	for i := range m {
		for v := range nv {
			f.FMlaBy(sum[i][v], bv[v], x[i])
		}
		if i+ahead < m {
			load(i + ahead)
		}
		if i == max(0, m-ahead-1) { // nothing is left to load
			f.Add(at, acs)
		}
	}
	f.SubsInt(left, 1)
	f.Branch("NE", "step")
	f.Label("ran")
	f.SubsInt(runs, 1)
	f.Branch("NE", "run")
	f.Label("summed")

	// eachRow calls g with the address of every row in the matrix of a field.
	eachRow := func(field int, g func(i int, p *a64.Reg)) {
		base := column(field)
		for i := range m {
			g(i, f.PlusShifted(base, f.Load(args, fieldCrow+8*i), 2))
		}
	}
	add := func(i int, p *a64.Reg) {
		for v := range nv {
			f.Into(sum[i][v], a64.FADD, "fadd", sum[i][v], read(p, v))
		}
	}
	f.Zero(f.LoadByte(args, fieldAcc), "added")
	eachRow(fieldC, add)
	f.Label("added")
	f.Zero(f.Load(args, fieldRes+8), "whole")
	eachRow(fieldRes, add)
	f.Label("whole")
	f.Zero(f.LoadByte(args, fieldClip), "store")
	lo, hi := f.Spread(args, fieldLo), f.Spread(args, fieldHi)
	for i := range m {
		for v := range nv {
			f.Into(sum[i][v], a64.FMAX, "fmax", sum[i][v], lo)
			f.Into(sum[i][v], a64.FMIN, "fmin", sum[i][v], hi)
		}
	}
	f.Label("store")
	eachRow(fieldC, func(i int, p *a64.Reg) {
		for v := range nv {
			f.StoreLanes(sum[i][v], p, 16*v, lanes)
		}
	})
	f.Ret()
	if err := o.Add(f); err != nil {
		log.Fatal(err)
	}
}
