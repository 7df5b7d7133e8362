// Command vec writes the vector forms of the elementwise, normalising, reducing
// and optimising kernels. Their reference loops are the generic functions of
// package kernel; type vecTable there lists them.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

func main() {
	level := flag.String("level", "", "avx512, avx2 or neon")
	flag.Parse()
	switch *level {
	case "avx512", "avx2":
		ConstraintExpr("!noasm")
		kernels(&isa{&avx{wide: *level == "avx512", data: map[uint32]Mem{}}})
		Generate()
	case "neon":
		n := newNEON()
		kernels(&isa{n})
		n.file.Generate()
	default:
		log.Fatalf("level %q", *level)
	}
}

func kernels(s *isa) {
	unary(s)
	gradients(s)
	arithmetic(s)
	reductions(s)
	norms(s)
	optimisers(s)
	cells(s)
}

func unary(s *isa) {
	f := func(name string, unroll int, g func(k *body, x v) v, arg ...string) {
		s.span(span{name: name, in: []string{"x"}, out: []string{"y"}, arg: arg, unroll: unroll,
			body: func(k *body) []v { return []v{g(k, k.in[0])} }})
	}
	f("relu", 4, func(k *body, x v) v { return k.max(k.zero(), x) })
	f("clip", 4, func(k *body, x v) v { return k.clip(x, k.arg[0], k.arg[1]) }, "a", "b")
	f("leaky", 4, func(k *body, x v) v { return k.pick(k.test(x, k.zero(), cmpLT), k.mul(x, k.arg[0]), x) }, "a")
	f("hardSigmoid", 4, func(k *body, x v) v {
		return k.clip(k.fma(x, k.arg[0], k.load(k.arg[1])), k.zero(), k.load(k.c(1)))
	}, "a", "b")
	f("hardSwish", 4, func(k *body, x v) v {
		h := k.fma(x, k.c(1.0/6), k.load(k.c(0.5)))
		return k.mul(k.clip(h, k.zero(), k.load(k.c(1))), x)
	})
	f("exp", 2, func(k *body, x v) v { return k.exp(x) })
	f("sigmoid", 2, func(k *body, x v) v { return k.sigmoid(x) })
	f("tanh", 2, func(k *body, x v) v { return k.tanh(x) })
	f("erf", 2, func(k *body, x v) v { return k.erf(x) })
	f("silu", 2, func(k *body, x v) v { return k.mul(k.sigmoid(x), x) })
	f("gelu", 2, func(k *body, x v) v { return k.mul(k.normCDF(x), x) })
	f("geluTanh", 2, func(k *body, x v) v {
		u, _ := k.geluArg(x, false)
		return k.mul(k.sigmoid(u), x)
	})
	f("elu", 2, func(k *body, x v) v {
		// alpha*(exp(x/scale)-1), without cancellation; beyond -100 the result does not change
		n, p := k.expParts(k.max(k.load(k.c(-100)), k.min(k.load(k.c(0)), k.mul(x, k.arg[1]))))
		t := k.scale(k.load(k.c(1)), n)
		e := k.mul(k.horner(p, t, k.sub(t, k.c(1))), k.arg[0])
		return k.pick(k.test(x, k.zero(), cmpGT), x, e)
	}, "a", "b")
	f("mish", 2, func(k *body, x v) v { t, _ := k.mish(x); return k.mul(t, x) })
	f("sqrt", 4, func(k *body, x v) v { return k.sqrt(x) })
	f("reciprocal", 4, func(k *body, x v) v { return k.div(k.load(k.c(1)), x) })
	f("affine", 4, func(k *body, x v) v { return k.fma(x, k.arg[0], k.load(k.arg[1])) }, "a", "b")
}

func gradients(s *isa) {
	f := func(name string, unroll int, g func(k *body, dy, x v) v, arg ...string) {
		s.span(span{name: name, in: []string{"dy", "x"}, out: []string{"dx"}, arg: arg, unroll: unroll,
			body: func(k *body) []v { return []v{g(k, k.in[0], k.in[1])} }})
	}
	f("reluGrad", 4, func(k *body, dy, x v) v { return k.only(k.test(x, k.zero(), cmpGT), dy) })
	f("clipGrad", 4, func(k *body, dy, x v) v {
		return k.only(k.both(k.test(x, k.arg[0], cmpGT), k.test(x, k.arg[1], cmpLT)), dy)
	}, "a", "b")
	f("leakyGrad", 4, func(k *body, dy, x v) v {
		return k.pick(k.test(x, k.zero(), cmpGT), dy, k.mul(dy, k.arg[0]))
	}, "a")
	f("hardSigmoidGrad", 4, func(k *body, dy, x v) v {
		u := k.fma(x, k.arg[0], k.load(k.arg[1]))
		in := k.both(k.test(u, k.zero(), cmpGT), k.test(u, k.load(k.c(1)), cmpLT))
		return k.only(in, k.mul(dy, k.arg[0]))
	}, "a", "b")
	f("hardSwishGrad", s.either(4, 2), func(k *body, dy, x v) v {
		h := k.fma(x, k.c(1.0/3), k.load(k.c(0.5)))
		h = k.pick(k.test(x, k.load(k.c(3)), cmpNotGE), h, k.load(k.c(1)))
		return k.mul(k.without(k.test(x, k.load(k.c(-3)), cmpLE), h), dy)
	})
	f("sigmoidGrad", 4, func(k *body, dy, y v) v { return k.mul(k.mul(y, k.sub(k.load(k.c(1)), y)), dy) })
	f("tanhGrad", 4, func(k *body, dy, y v) v { return k.mul(k.fnma(y, y, k.load(k.c(1))), dy) })
	f("siluGrad", 2, func(k *body, dy, x v) v { return k.mul(k.siluGrad(x, k.sigmoid(x), nil), dy) })
	f("geluGrad", s.either(2, 1), func(k *body, dy, x v) v {
		e := k.expNotLarge(k.mul(k.mul(x, k.c(-0.5)), x))
		return k.mul(k.fma(k.mul(e, k.c(invSqrt2Pi)), x, k.normCDF(x)), dy)
	})
	f("geluTanhGrad", 2, func(k *body, dy, x v) v {
		u, d := k.geluArg(x, true)
		return k.mul(k.siluGrad(x, k.sigmoid(u), d), dy)
	})
	f("mishGrad", 2, func(k *body, dy, x v) v {
		t, e := k.mish(x)
		g := k.div(e, k.add(e, k.c(1)))
		d := k.fnma(t, t, k.load(k.c(1)))
		return k.mul(k.fma(k.mul(x, g), d, t), dy)
	})
	s.span(span{name: "softmaxGrad", in: []string{"dy", "y"}, out: []string{"dx"}, arg: []string{"d"}, unroll: 4,
		body: func(k *body) []v { return []v{k.mul(k.sub(k.in[0], k.arg[0]), k.in[1])} }})
	s.span(span{name: "maxGrad", in: []string{"dx", "g", "x", "y"}, out: []string{"dx", "g"}, unroll: 1,
		body: func(k *body) []v {
			hit := k.test(k.in[2], k.in[3], cmpNotNE)
			return []v{k.add(k.in[0], k.only(hit, k.in[1])), k.without(hit, k.in[1])}
		}})
}

func arithmetic(s *isa) {
	f := func(name string, g func(k *body, a, b v) v) {
		s.span(span{name: name, in: []string{"a", "b"}, out: []string{"y"}, unroll: 4,
			body: func(k *body) []v { return []v{g(k, k.in[0], k.in[1])} }})
	}
	f("add", func(k *body, a, b v) v { return k.add(a, b) })
	f("sub", func(k *body, a, b v) v { return k.sub(a, b) })
	f("mul", func(k *body, a, b v) v { return k.mul(a, b) })
	f("div", func(k *body, a, b v) v { return k.div(a, b) })
	f("max", func(k *body, a, b v) v { return k.greatest(a, b) })
	f("min", func(k *body, a, b v) v { return k.least(a, b) })
	s.span(span{name: "axpy", in: []string{"y", "x"}, out: []string{"y"}, arg: []string{"a"}, unroll: 4,
		body: func(k *body) []v { return []v{k.fma(k.in[1], k.arg[0], k.in[0])} }})
	s.span(span{name: "axpby", in: []string{"y", "x"}, out: []string{"y"}, arg: []string{"a", "b"}, unroll: 4,
		body: func(k *body) []v { return []v{k.fma(k.in[1], k.arg[0], k.mul(k.in[0], k.arg[1]))} }})
	s.span(span{name: "mulAdd", in: []string{"y", "a", "b"}, out: []string{"y"}, unroll: 4,
		body: func(k *body) []v { return []v{k.fma(k.in[1], k.in[2], k.in[0])} }})
	s.span(span{name: "scaleShift", in: []string{"x", "s", "t"}, out: []string{"y"}, unroll: 4,
		body: func(k *body) []v { return []v{k.fma(k.in[0], k.in[1], k.in[2])} }})
}

func reductions(s *isa) {
	one := []string{"x"}
	s.span(span{name: "sum", in: one, sums: 1, unroll: 4, body: func(k *body) []v { k.sum(0, k.in[0]); return nil }})
	s.span(span{name: "sumSq", in: one, sums: 1, unroll: 4, body: func(k *body) []v { k.sumMul(0, k.in[0], k.in[0]); return nil }})
	s.span(span{name: "centered", in: one, arg: []string{"m"}, sums: 1, unroll: 4, body: func(k *body) []v {
		d := k.sub(k.in[0], k.arg[0])
		k.sumMul(0, d, d)
		return nil
	}})
	s.span(span{name: "dot", in: []string{"a", "b"}, sums: 1, unroll: 4, body: func(k *body) []v {
		k.sumMul(0, k.in[0], k.in[1])
		return nil
	}})
	s.span(span{name: "maxOf", in: one, sums: 1, top: true, unroll: 4, body: func(k *body) []v {
		x := k.in[0]
		if !k.maxKeepsNaN() {
			k.sum(1, k.only(k.test(x, x, cmpNaN), x))
		}
		if k.mask != nil {
			x = k.pick(k.mask, x, k.load(k.bits(0xff800000)))
		}
		k.maxTo(k.acc[0][k.copy], x)
		return nil
	}})
	s.span(span{name: "expSum", in: one, out: []string{"y"}, arg: []string{"a", "m"}, sums: 1, unroll: 2, body: func(k *body) []v {
		e := k.exp(k.mulSub(k.in[0], k.arg[0], k.arg[1]))
		k.sum(0, e)
		return []v{e}
	}})
}

func norms(s *isa) {
	// centre is (x-m)*r.
	centre := func(k *body, x v) v { return k.mul(k.sub(x, k.arg[0]), k.arg[1]) }
	mr := []string{"m", "r"}
	s.span(span{name: "centre", in: []string{"x"}, out: []string{"y"}, arg: mr, unroll: 4,
		body: func(k *body) []v { return []v{centre(k, k.in[0])} }})
	s.span(span{name: "centreScale", in: []string{"x", "s"}, out: []string{"y"}, arg: mr, unroll: 4,
		body: func(k *body) []v { return []v{k.mul(centre(k, k.in[0]), k.in[1])} }})
	s.span(span{name: "centreAffine", in: []string{"x", "s", "t"}, out: []string{"y"}, arg: mr, unroll: 4,
		body: func(k *body) []v { return []v{k.fma(centre(k, k.in[0]), k.in[1], k.in[2])} }})
	for _, scaled := range []bool{false, true} {
		in, name := []string{"dy", "x"}, ""
		if scaled {
			in, name = []string{"dy", "x", "s"}, "Scaled"
		}
		g := func(k *body) v {
			if scaled {
				return k.mul(k.in[0], k.in[2])
			}
			return k.in[0]
		}
		s.span(span{name: "normSums" + name, in: in, arg: mr, sums: 2, unroll: 2, body: func(k *body) []v {
			d := g(k)
			k.sum(0, d)
			k.sumMul(1, d, centre(k, k.in[1]))
			return nil
		}})
		s.span(span{name: "normGrad" + name, in: in, out: []string{"dx"}, arg: []string{"m", "r", "a", "b"}, unroll: 2, body: func(k *body) []v {
			d := k.sub(g(k), k.arg[2])
			return []v{k.mul(k.fnma(centre(k, k.in[1]), k.arg[3], d), k.arg[1])}
		}})
	}
	s.span(span{name: "normParam", in: []string{"ds", "dt", "dy", "x"}, out: []string{"ds", "dt"}, arg: mr, unroll: 2, body: func(k *body) []v {
		ds := k.fma(centre(k, k.in[3]), k.in[2], k.in[0])
		return []v{ds, k.add(k.in[1], k.in[2])}
	}})

	tile := s.either(8, 4)
	s.sums(columns{name: "colSum", rows: []string{"x"}, acc: []string{"s"}, body: func(k *isa, rows, _, _, acc []v) v {
		k.addTo(acc[0], rows[0])
		return nil
	}}, tile)
	s.sums(columns{name: "colStats", rows: []string{"x"}, vec: []string{"m"}, acc: []string{"s", "q"}, body: func(k *isa, rows, vec, _, acc []v) v {
		d := k.sub(rows[0], vec[0])
		k.addTo(acc[0], d)
		k.fma(d, d, acc[1])
		return nil
	}}, tile)
	s.sums(columns{name: "colGrad", rows: []string{"g", "x"}, vec: []string{"m"}, acc: []string{"s", "q"}, body: func(k *isa, rows, vec, _, acc []v) v {
		k.addTo(acc[0], rows[0])
		k.fma(k.sub(rows[1], vec[0]), rows[0], acc[1])
		return nil
	}}, tile)
	s.taps("maxTaps", func(k *isa, a, x v) { k.set(a, k.greatest(a, x)) })
	s.taps("sumTaps", func(k *isa, a, x v) { k.addTo(a, x) })
	s.maps(columns{name: "colAffine", rows: []string{"x"}, out: "y", vec: []string{"s", "t"}, arg: []string{"lo"}, body: func(k *isa, rows, vec, arg, _ []v) v {
		return k.max(arg[0], k.fma(rows[0], vec[0], vec[1]))
	}})
	s.maps(columns{name: "colAffineAdd", rows: []string{"x", "res"}, out: "y", vec: []string{"s", "t"}, arg: []string{"lo"}, body: func(k *isa, rows, vec, arg, _ []v) v {
		return k.max(arg[0], k.add(k.fma(rows[0], vec[0], vec[1]), rows[1]))
	}})
	s.maps(columns{name: "colAffine2", rows: []string{"g", "x"}, out: "y", vec: []string{"a", "b", "c"}, body: func(k *isa, rows, vec, _, _ []v) v {
		return k.fma(rows[0], vec[0], k.fma(rows[1], vec[1], vec[2]))
	}})
}

// optimisers reads the fields of sgdParam and adamwParam by their position.
func optimisers(s *isa) {
	s.span(span{name: "sgdPlain", in: []string{"w", "g"}, out: []string{"w"}, param: true, unroll: 2, body: func(k *body) []v {
		d := k.fma(k.in[0], k.field(3), k.in[1])
		return []v{k.fnma(d, k.field(0), k.load(k.in[0]))}
	}})
	s.span(span{name: "sgdMomentum", in: []string{"w", "g", "buf"}, out: []string{"w", "buf"}, param: true, unroll: 2, body: func(k *body) []v {
		d := k.fma(k.in[0], k.field(3), k.in[1])
		b := k.fma(k.in[2], k.field(1), k.mul(d, k.field(2)))
		d = k.fma(b, k.field(5), k.mul(d, k.field(4)))
		return []v{k.fnma(d, k.field(0), k.in[0]), b}
	}})
	s.span(span{name: "adamw", in: []string{"w", "g", "m", "v"}, out: []string{"w", "m", "v"}, param: true, unroll: 1, body: func(k *body) []v {
		g := k.in[1]
		m := k.fma(k.in[2], k.field(1), k.mul(g, k.field(2)))
		q := k.fma(k.in[3], k.field(3), k.mul(k.mul(g, g), k.field(4)))
		den := k.fma(k.sqrt(q), k.field(6), k.field(7))
		step := k.div(k.mul(m, k.field(5)), den)
		return []v{k.sub(k.mul(k.in[0], k.field(0)), step), m, q}
	}})
}

// cells are those of recurrent nets. They use the same products and sums as the kernels one by one.
func cells(s *isa) {
	s.span(span{name: "lstm", in: []string{"i", "o", "f", "g", "c"}, out: []string{"i", "o", "f", "g", "c", "h"}, unroll: 1, body: func(k *body) []v {
		i, g, f := k.sigmoid(k.in[0]), k.tanh(k.in[3]), k.sigmoid(k.in[2])
		c := k.add(k.mul(f, k.in[4]), k.mul(i, g))
		o := k.sigmoid(k.in[1])
		return []v{i, o, f, g, c, k.mul(k.tanh(c), o)}
	}})
}
