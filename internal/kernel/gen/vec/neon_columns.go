package main

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/a64"
)

// sums writes a column reduction: tiles of columns outside, rows inside, the sums in registers.
func (s *neon) sums(f columns, tile int) {
	signature := "func(" + list(f.acc, f.rows, f.vec) + " []float32)"
	s.kernel(f.name, signature, "adds up columns; see vecTable.", func() { s.sumsBody(f, tile) })
}

func (s *neon) sumsBody(f columns, tile int) {
	g := s.f
	ptr := s.pointers(f.acc, f.rows, f.vec)
	c := g.Param(f.acc[0] + "_len")
	step := g.Shl(c, 2)
	end := g.PlusShifted(ptr[f.rows[0]], g.Param(f.rows[0]+"_len"), 2)
	g.Cmp(ptr[f.rows[0]], end)
	g.Branch("GE", "done")
	run := func(label string, n, lanes int) {
		load := func(p *a64.Reg, i int) v {
			r := g.V()
			g.LoadLanes(r, p, 16*i, lanes)
			return r
		}
		var acc, vec [][]v
		for i := range n {
			var a, b []v
			for _, name := range f.acc {
				a = append(a, load(ptr[name], i))
			}
			for _, name := range f.vec {
				b = append(b, load(ptr[name], i))
			}
			acc, vec = append(acc, a), append(vec, b)
		}
		row := map[string]*a64.Reg{}
		for _, name := range f.rows {
			row[name] = g.Copy(ptr[name])
		}
		g.Label(label)
		for i := range n {
			var r []v
			for _, name := range f.rows {
				r = append(r, load(row[name], i))
			}
			f.body(&isa{s}, r, vec[i], nil, acc[i])
		}
		for _, name := range f.rows {
			g.Add(row[name], step)
		}
		g.Cmp(row[f.rows[0]], end)
		g.Branch("LT", label)
		for i := range n {
			for j, name := range f.acc {
				g.StoreLanes(s.in(acc[i][j]), ptr[name], 16*i, lanes)
			}
		}
		for _, name := range distinct(f.acc, f.rows, f.vec) {
			g.AddInt(ptr[name], 4*lanes*n)
		}
		g.AddInt(c, -lanes*n)
	}
	for n := tile; n >= 1; n /= 2 {
		label := fmt.Sprintf("tile%d", n)
		g.Label(label)
		g.CmpInt(c, 4*n)
		g.Branch("LT", label+"end")
		run(label+"row", n, 4)
		g.B(label)
		g.Label(label + "end")
	}
	g.Label("number")
	g.Zero(c, "done")
	run("numberrow", 1, 1)
	g.B("number")
	g.Label("done")
	g.Ret()
}

// maps writes a kernel of independent elements: rows outside, columns inside.
func (s *neon) maps(f columns) {
	signature := "func(" + list([]string{f.out}, f.rows, f.vec) + " []float32"
	for _, a := range f.arg {
		signature += ", " + a + " float32"
	}
	s.kernel(f.name, signature+")", "works row by row; see vecTable.", func() { s.mapsBody(f) })
}

func (s *neon) mapsBody(f columns) {
	g := s.f
	ptr := s.pointers([]string{f.out}, f.rows)
	first := s.pointers(f.vec)
	c := g.Param(f.vec[0] + "_len")
	left := g.Param(f.rows[0] + "_len")
	var args []v
	for _, a := range f.arg {
		args = append(args, g.ParamFloat(a))
	}
	g.Label("row")
	g.Cmp(left, c)
	g.Branch("LT", "done")
	g.Sub(left, c)
	vec := map[string]*a64.Reg{}
	for _, name := range f.vec {
		vec[name] = g.Copy(first[name])
	}
	n := g.Copy(c)
	run := func(copies, lanes int) {
		for i := range copies {
			load := func(p *a64.Reg) v {
				r := g.V()
				g.LoadLanes(r, p, 16*i, lanes)
				return r
			}
			var r, b []v
			for _, name := range f.rows {
				r = append(r, load(ptr[name]))
			}
			for _, name := range f.vec {
				b = append(b, load(vec[name]))
			}
			y := f.body(&isa{s}, r, b, args, nil)
			g.StoreLanes(s.in(y), ptr[f.out], 16*i, lanes)
		}
		for _, name := range distinct([]string{f.out}, f.rows) {
			g.AddInt(ptr[name], 4*lanes*copies)
		}
		for _, name := range f.vec {
			g.AddInt(vec[name], 4*lanes*copies)
		}
		g.AddInt(n, -lanes*copies)
	}
	for _, copies := range []int{4, 1} {
		label := fmt.Sprintf("group%d", copies)
		g.Label(label)
		g.CmpInt(n, 4*copies)
		g.Branch("LT", label+"end")
		run(copies, 4)
		g.B(label)
		g.Label(label + "end")
	}
	g.Label("number")
	g.Zero(n, "row")
	run(1, 1)
	g.B("number")
	g.Label("done")
	g.Ret()
}

// taps writes a reduction of runs of x: y[j] = op over i of x[at[i]+j], at least one run.
func (s *neon) taps(name string, op func(s *isa, a, x v)) {
	s.kernel(name, "func(y, x []float32, at []int)", "reduces runs; see vecTable.", func() { s.tapsBody(op) })
}

func (s *neon) tapsBody(op func(s *isa, a, x v)) {
	g := s.f
	ptr := s.pointers([]string{"y", "x", "at"})
	n := g.Param("y_len")
	end := g.PlusShifted(ptr["at"], g.Param("at_len"), 3)
	run := func(label string, tile, lanes int) {
		p := g.Copy(ptr["at"])
		load := func() (all []v) {
			x := g.PlusShifted(ptr["x"], g.Load(p, 0), 2)
			for i := range tile {
				r := g.V()
				g.LoadLanes(r, x, 16*i, lanes)
				all = append(all, r)
			}
			return all
		}
		acc := load()
		g.B(label + "next")
		g.Label(label)
		for i, x := range load() {
			op(&isa{s}, acc[i], x)
		}
		g.Label(label + "next")
		g.AddInt(p, 8)
		g.Cmp(p, end)
		g.Branch("LT", label)
		for i := range tile {
			g.StoreLanes(s.in(acc[i]), ptr["y"], 16*i, lanes)
		}
		g.AddInt(ptr["x"], 4*lanes*tile)
		g.AddInt(ptr["y"], 4*lanes*tile)
		g.AddInt(n, -lanes*tile)
	}
	for _, tile := range []int{8, 1} {
		label := fmt.Sprintf("tile%d", tile)
		g.Label(label)
		g.CmpInt(n, 4*tile)
		g.Branch("LT", label+"end")
		run(label+"run", tile, 4)
		g.B(label)
		g.Label(label + "end")
	}
	g.Label("number")
	g.Zero(n, "done")
	run("numberrun", 1, 1)
	g.B("number")
	g.Label("done")
	g.Ret()
}
