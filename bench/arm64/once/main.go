// Command once runs an operation of package kernel on one thread, once or several times, so that
// bench/arm64 can count its instructions.
//
//	once OPERATION TIMES
//
// Without arguments it lists the operations.
package main

import (
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/kernel"
)

func random(n int) []float32 {
	r := rand.New(rand.NewPCG(1, 1))
	s := make([]float32, n)
	for i := range s {
		s[i] = 2*r.Float32() - 1
	}
	return s
}

// An operation prepares its data and returns what to count.
var operations = []struct {
	name    string
	prepare func() func()
}{
	{"product of 64 by 64 by 64", func() func() {
		const n = 64
		a, b, c := random(n*n), kernel.PackB(false, n, n, random(n*n), n), make([]float32, n*n)
		return func() { kernel.GemmPacked(false, n, a, n, b, false, c, n, nil) }
	}},
	{"convolution 3 by 3, 14 by 14 by 16 to 16", conv(kernel.Conv2D{N: 1, H: 14, W: 14, C: 16, K: 16, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1})},
	{"the same of 32 by 32 by 16 (Winograd)", conv(kernel.Conv2D{N: 1, H: 32, W: 32, C: 16, K: 16, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1})},
	{"depthwise 3 by 3, 14 by 14 by 64", conv(kernel.Conv2D{N: 1, H: 14, W: 14, C: 64, K: 64, Groups: 64, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1})},
	{"exp of 2048 numbers", unary(kernel.Exp)},
	{"tanh of 2048 numbers", unary(kernel.Tanh)},
	{"gelu of 2048 numbers", unary(kernel.Gelu)},
	{"softmax of 8 rows of 256", func() func() {
		x, y := random(1<<11), make([]float32, 1<<11)
		return func() { kernel.Softmax(y, x, 8, 256) }
	}},
	{"layer norm of 8 rows of 256", func() func() {
		x, y, s, b, inv := random(1<<11), make([]float32, 1<<11), random(256), random(256), make([]float32, 8)
		return func() { kernel.LayerNorm(y, x, s, b, nil, inv, 1e-5, 8, 256) }
	}},
	{"AdamW of 2048 weights", func() func() {
		w, g, m, v := random(1<<11), random(1<<11), make([]float32, 1<<11), make([]float32, 1<<11)
		a := kernel.AdamW{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1}
		return func() { a.Step(w, g, m, v, 10, nil) }
	}},
	{"attention, 4 heads of 64, 64 positions", func() func() {
		const heads, t, d = 4, 64, 64
		lay := kernel.HeadLayout{Batch: t * heads * d, Head: d, Row: heads * d}
		a := kernel.Attention{Batch: 1, Heads: heads, KVHeads: heads, Tq: t, Tk: t, D: d, Dv: d, Scale: 0.125, Q: lay, K: lay, V: lay, Y: lay}
		q, k, v, y := random(t*heads*d), random(t*heads*d), random(t*heads*d), make([]float32, t*heads*d)
		return func() { a.Forward(y, nil, q, k, v) }
	}},
}

func conv(v kernel.Conv2D) func() func() {
	return func() func() {
		x, w, y := random(v.XLen()), random(v.WLen()), make([]float32, v.YLen())
		p := kernel.PackConv(v, w)
		return func() { kernel.ConvForward(v, x, p, y, nil) }
	}
}

func unary(f func(y, x []float32)) func() func() {
	return func() func() {
		x, y := random(1<<11), make([]float32, 1<<11)
		return func() { f(y, x) }
	}
}

func main() {
	if len(os.Args) != 3 {
		for _, o := range operations {
			fmt.Println(o.name)
		}
		return
	}
	times, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	kernel.SetThreads(1)
	for _, o := range operations {
		if o.name == os.Args[1] {
			run := o.prepare()
			for range times {
				run()
			}
			return
		}
	}
	log.Fatalf("no operation %q", os.Args[1])
}
