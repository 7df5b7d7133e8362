package main

import (
	"iter"

	"github.com/mmcloughlin/avo/operand"
)

// v is a value: a number in every lane of a register, or a mask.
type v = operand.Op

// isa emits vector code. The formulas of math.go and main.go are written once, for every machine.
type isa struct{ machine }

// machine emits the instructions of one level. Operands read in mathematical order; the results are
// new registers but where a comment says what they write over.
type machine interface {
	either(wide, narrow int) int                // for machines of 32 registers and for those of 16
	interleave(n int, body func(s *isa, i int)) // emits copies of a body
	span(f span)                                // emits a kernel
	sums(f columns, tile int)                   // emits a kernel
	maps(f columns)                             // emits a kernel
	taps(name string, op func(s *isa, a, x v))  // emits a kernel
	field(p v, i int) v                         // field i of a struct of float32
	bits(b uint32) v                            // a constant, not to be written over
	zero() v                                    // 0 in every lane
	load(a v) v                                 // a copy in a new register
	set(d, a v)                                 // d = a

	add(a, b v) v
	sub(a, b v) v
	mul(a, b v) v
	div(a, b v) v
	max(a, b v) v      // a number for a, which is no NaN: one in b is kept
	min(a, b v) v      // likewise
	greatest(a, b v) v // NaN where either is
	least(a, b v) v
	sqrt(a v) v
	nearest(a, b v) (n, k v) // the integer next to a*b, and the same as scale reads it
	scale(a, k v) v          // a*2**n for any n of an exponential
	fma(a, b, c v) v         // a*b + c, over c
	fnma(a, b, c v) v        // c - a*b, over c
	horner(a, x, c v) v      // a*x + c, over a
	mulSub(x, a, b v) v      // x*a - b, over x
	addTo(acc, x v)          // acc += x
	maxTo(acc, x v)          // acc = the greater
	maxKeepsNaN() bool       // what maxTo makes of a NaN stays

	and(a, b v) v
	or(a, b v) v
	test(a, b v, how uint8) v // a mask: lanes where a compares to b
	both(a, b v) v            // the lanes of two masks
	only(mask, a v) v         // a in the lanes of the mask, else 0
	without(mask, a v) v      // 0 in the lanes of the mask, else a
	pick(mask, a, b v) v      // a in the lanes of the mask, else b
	ifNegative(x, a, b v) v   // a where x has its sign bit set, else b
}

// takeTurns runs n bodies, each until it calls turn, one after the other and again.
func takeTurns(n int, body func(i int, turn func())) {
	var copies []func() (struct{}, bool)
	for i := range n {
		next, stop := iter.Pull(func(yield func(struct{}) bool) {
			body(i, func() { yield(struct{}{}) })
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
