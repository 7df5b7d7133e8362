package main

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/a64"
)

// span writes the kernel: registers in unrolled groups, then one by one, then numbers.
func (s *neon) span(f span) {
	s.kernel(f.name, f.signature(), "works on whole slices; see vecTable.", func() {
		f := f
		if s.wide {
			f.unroll = max(f.unroll, 4)
		}
		s.spanBody(f)
	})
}

func (s *neon) spanBody(f span) {
	g := s.f
	ptr := s.pointers(f.out, f.in)
	n := g.Param(f.in[len(f.in)-1] + "_len")
	k := &body{isa: &isa{s}, span: &f}
	for _, a := range f.arg {
		k.arg = append(k.arg, g.ParamFloat(a))
	}
	if f.param {
		g.First(func() { k.param = g.Param("p") })
	}
	for range f.sums {
		var copies []v
		for range f.unroll {
			if f.top {
				copies = append(copies, s.fresh(0xff800000))
			} else {
				copies = append(copies, s.zero())
			}
		}
		k.acc = append(k.acc, copies)
	}
	move := func(numbers int) {
		for _, name := range distinct(f.out, f.in) {
			g.AddInt(ptr[name], 4*numbers)
		}
		g.AddInt(n, -numbers)
	}
	step := func(copies, lanes int) {
		s.interleave(copies, func(s *isa, i int) {
			k := *k
			k.isa, k.copy, k.in = s, i, nil
			for _, name := range f.in {
				r := g.V()
				g.LoadLanes(r, ptr[name], 16*i, lanes)
				k.in = append(k.in, r)
			}
			for j, x := range f.body(&k) {
				g.StoreLanes(s.machine.(*neon).in(x), ptr[f.out[j]], 16*i, lanes)
			}
		})
		move(copies * lanes)
	}
	for _, copies := range distinctInts(f.unroll, 1) {
		label := fmt.Sprintf("group%d", copies)
		g.CmpInt(n, 4*copies)
		g.Branch("LT", label+"end")
		g.Align()
		g.Label(label)
		step(copies, 4)
		g.CmpInt(n, 4*copies)
		g.Branch("GE", label)
		g.Label(label + "end")
	}
	g.Zero(n, "done")
	if f.sums > 0 {
		k.mask = s.firstLane()
	}
	g.Label("number")
	step(1, 1)
	g.NotZero(n, "number")
	g.Label("done")
	for i := range f.sums {
		acc := k.acc[i]
		for d := 1; d < f.unroll; d *= 2 {
			for j := 0; j+d < f.unroll; j += 2 * d {
				if f.top {
					s.maxTo(acc[j], acc[j+d])
				} else {
					s.addTo(acc[j], acc[j+d])
				}
			}
		}
		name := "ret"
		if f.sums > 1 {
			name = fmt.Sprintf("r%d", i)
		}
		if f.top {
			g.Result(g.Max(s.in(acc[0])), name)
		} else {
			g.Result(g.Sum(s.in(acc[0])), name)
		}
	}
	g.Ret()
}

// firstLane is the mask of lane 0.
func (s *neon) firstLane() *a64.Reg {
	r := s.f.V()
	s.f.Load1(r, s.constants(), s.file.Constant(0xffffffff))
	return r
}

// pointers loads the addresses of slices.
func (s *neon) pointers(names ...[]string) map[string]*a64.Reg {
	p := map[string]*a64.Reg{}
	for _, n := range distinct(names...) {
		p[n] = s.f.Param(n + "_base")
	}
	return p
}

func distinct(lists ...[]string) (all []string) {
	seen := map[string]bool{}
	for _, l := range lists {
		for _, n := range l {
			if !seen[n] {
				all = append(all, n)
			}
			seen[n] = true
		}
	}
	return all
}

func distinctInts(a, b int) []int {
	if a == b {
		return []int{a}
	}
	return []int{a, b}
}
