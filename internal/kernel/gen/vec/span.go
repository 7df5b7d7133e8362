package main

import (
	"slices"
	"strings"
)

// span describes a kernel that walks slices of one length side by side.
type span struct {
	name   string
	in     []string // slices read
	out    []string // slices written
	arg    []string // float32 arguments
	param  bool     // a last argument p points to a struct of float32 fields
	sums   int      // results: sums over the lanes
	top    bool     // the one result is a maximum
	unroll int
	body   func(k *body) []v // the values of out
}

// body is one vector's worth of a span.
type body struct {
	*isa
	span  *span
	in    []v
	arg   []v
	param v
	acc   [][]v // per result and unrolled copy
	copy  int
	mask  v // of the tail, or nil
}

// field is a struct field in every lane.
func (k *body) field(i int) v { return k.isa.field(k.param, i) }

// sum adds v to result i.
func (k *body) sum(i int, x v) {
	if k.mask != nil {
		x = k.only(k.mask, x)
	}
	k.addTo(k.acc[i][k.copy], x)
}

// sumMul adds a*b to result i.
func (k *body) sumMul(i int, a, b v) {
	if k.mask != nil {
		a = k.only(k.mask, a)
	}
	k.fma(b, a, k.acc[i][k.copy])
}

// signature is the Go signature.
func (f *span) signature() string {
	p := []string{f.slices() + " []float32"}
	if len(f.arg) > 0 {
		p = append(p, strings.Join(f.arg, ", ")+" float32")
	}
	if f.param {
		p = append(p, "p *byte")
	}
	r := ""
	switch {
	case f.top || f.sums == 1:
		r = " float32"
	case f.sums > 1:
		r = " (r0, r1 float32)"
	}
	return "func(" + strings.Join(p, ", ") + ")" + r
}

// slices is the list of slice arguments: what is written, then what is only read.
// A kernel that writes nothing new has the order of in.
func (f *span) slices() string {
	for _, o := range f.out {
		if !slices.Contains(f.in, o) {
			return list(f.out, f.in)
		}
	}
	return list(f.in)
}

func list(names ...[]string) string {
	var out string
	seen := map[string]bool{}
	for _, ns := range names {
		for _, n := range ns {
			if seen[n] {
				continue
			}
			seen[n] = true
			if out != "" {
				out += ", "
			}
			out += n
		}
	}
	return out
}
