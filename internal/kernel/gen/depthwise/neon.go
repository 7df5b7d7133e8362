package main

import (
	"fmt"
	"log"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/a64"
)

// neonFile emits the kernels for NEON. Pixels and inputs whose mask is 0 are jumped over.
func neonFile() {
	o := a64.NewFile("depthwiseNEON")
	for m := 1; m <= 14; m++ {
		n := newNEON(fmt.Sprintf("depthwiseNEONm%d", m), fmt.Sprintf("computes %d pixels of n channels.", m))
		n.channels(func() { n.forward(m) })
		n.add(o)
		n = newNEON(fmt.Sprintf("depthwiseGradNEONm%d", m), fmt.Sprintf("adds %d pixels of n channels to the weight gradient.", m))
		n.channels(func() { n.gradient(m) })
		n.add(o)
	}
	for _, s := range []int{3, 5} {
		for stride := 1; stride <= 2; stride++ {
			for m := 1; m <= 14; m++ {
				what := fmt.Sprintf("%d pixels of n channels of windows %d wide with stride %d", m, s, stride)
				n := newNEON(fmt.Sprintf("slideNEONs%dd%dm%d", s, stride, m), "computes "+what+".")
				n.channels(func() { n.slide(m, s, stride) })
				n.add(o)
				n = newNEON(fmt.Sprintf("slideGradNEONs%dd%dm%d", s, stride, m), "adds "+what+" to the weight gradient.")
				n.channels(func() { n.slideGradient(m, s, stride) })
				n.add(o)
			}
		}
	}
	o.Generate()
}

// neon emits one kernel.
type neon struct {
	*a64.Func
	args, at *a64.Reg // at is the bytes of channels done
	lanes    int      // of the channels in work
	suffix   string   // of labels
}

func newNEON(name, doc string) *neon {
	return &neon{Func: a64.NewFunc(name, "func(t *byte, n int)", doc)}
}

func (n *neon) add(o *a64.File) {
	if err := o.Add(n.Func); err != nil {
		log.Fatal(err)
	}
}

// channels emits the loop over vectors of 4 channels, then that over single ones.
func (n *neon) channels(body func()) {
	n.args = n.Param("t")
	left := n.Param("n")
	n.at = n.Int(0)
	for _, lanes := range []int{4, 1} {
		n.lanes, n.suffix = lanes, fmt.Sprint(lanes)
		n.Label(n.label("channels"))
		n.CmpInt(left, lanes)
		n.Branch("LT", n.label("end"))
		body()
		n.AddInt(n.at, 4*lanes)
		n.AddInt(left, -lanes)
		n.B(n.label("channels"))
		n.Label(n.label("end"))
	}
	n.Ret()
}

func (n *neon) label(s string) string { return s + n.suffix }

// field is an integer, bytes the same times 4, matrix the address of a matrix at the channels.
func (n *neon) field(off int) *a64.Reg  { return n.Load(n.args, off) }
func (n *neon) bytes(off int) *a64.Reg  { return n.Shl(n.field(off), 2) }
func (n *neon) matrix(off int) *a64.Reg { return n.Plus(n.field(off), n.at) }

func (n *neon) read(p *a64.Reg) *a64.Reg {
	r := n.V()
	n.LoadLanes(r, p, 0, n.lanes)
	return r
}

// walk addresses pixels a step apart, in order, five from one base.
type walk struct {
	n     *neon
	steps [6]*a64.Reg // 1 to 5 steps
	base  *a64.Reg
	done  int // pixels before the base
}

// steps computes the distances of a walk from the field of its step.
func (n *neon) steps(field int) walk {
	w := walk{n: n}
	w.steps[1] = n.bytes(field)
	for i := 2; i <= 5; i++ {
		w.steps[i] = n.Plus(w.steps[i-1], w.steps[1])
	}
	return w
}

// from is a walk with the same steps from p, which it writes over.
func (w walk) from(p *a64.Reg) *walk { w.base, w.done = p, 0; return &w }

// pixel finds pixel i.
func (w *walk) pixel(i int) (p, off *a64.Reg) {
	for i-w.done >= 5 {
		w.n.Add(w.base, w.steps[5])
		w.done += 5
	}
	return w.base, w.steps[i-w.done]
}

func (w *walk) load(i int) *a64.Reg {
	p, off := w.pixel(i)
	r := w.n.V()
	switch {
	case off == nil:
		w.n.LoadLanes(r, p, 0, w.n.lanes)
	case w.n.lanes == 4:
		w.n.Load4At(r, p, off)
	default:
		w.n.Load1At(r, p, off)
	}
	return r
}

func (w *walk) store(v *a64.Reg, i int) {
	p, off := w.pixel(i)
	switch {
	case off == nil:
		w.n.StoreLanes(v, p, 0, w.n.lanes)
	case w.n.lanes == 4:
		w.n.Store4At(v, p, off)
	default:
		w.n.Store1At(v, p, off)
	}
}

// start emits the bias, or zero, into m sums.
func (n *neon) start(m int) (sum []*a64.Reg) {
	for range m {
		sum = append(sum, n.V())
	}
	n.Zero(n.field(fieldBias+8), n.label("zero"))
	n.LoadLanes(sum[0], n.matrix(fieldBias), 0, n.lanes)
	for i := 1; i < m; i++ {
		n.Move(sum[i], sum[0])
	}
	n.B(n.label("begin"))
	n.Label(n.label("zero"))
	for i := range m {
		n.Clear(sum[i])
	}
	n.Label(n.label("begin"))
	return sum
}

// store emits the epilogue.
func (n *neon) store(sum []*a64.Reg) {
	ys := n.steps(fieldYs)
	n.Zero(n.field(fieldRes+8), n.label("whole"))
	res := ys.from(n.matrix(fieldRes))
	for i, s := range sum {
		n.Into(s, a64.FADD, "fadd", s, res.load(i))
	}
	n.Label(n.label("whole"))
	n.Zero(n.LoadByte(n.args, fieldClip), n.label("store"))
	lo, hi := n.Spread(n.args, fieldLo), n.Spread(n.args, fieldHi)
	for _, s := range sum {
		n.Into(s, a64.FMAX, "fmax", s, lo)
		n.Into(s, a64.FMIN, "fmin", s, hi)
	}
	n.Label(n.label("store"))
	y := ys.from(n.matrix(fieldY))
	for i, s := range sum {
		y.store(s, i)
	}
}

// eachTap emits the loop over taps, or window rows, around body, which finds the address of the
// inputs and of the weights, and the masks.
func (n *neon) eachTap(fieldTaps int, body func(x, w *a64.Reg, k masks)) {
	tap, taps := n.field(fieldTaps), n.field(fieldTaps+8)
	n.Zero(taps, n.label("summed"))
	xp, wp := n.matrix(fieldX), n.matrix(fieldW)
	n.Label(n.label("tap"))
	x := n.PlusShifted(xp, n.Load(tap, tapX), 2)
	w := n.PlusShifted(wp, n.Load(tap, tapW), 2)
	k := masks{n.Load(tap, tapEdge), n.LoadWord(tap, tapEdge+8)}
	n.AddInt(tap, tapSize)
	body(x, w, k)
	n.SubsInt(taps, 1)
	n.Branch("NE", n.label("tap"))
	n.Label(n.label("summed"))
}

func (n *neon) forward(m int) {
	sum := n.start(m)
	xs := n.steps(fieldXs)
	n.eachTap(fieldTaps, func(x, w *a64.Reg, k masks) {
		weight := n.read(w)
		n.inputs(xs.from(x), m, k, func(i int, x *a64.Reg) { n.FMla(sum[i], x, weight) })
	})
	n.store(sum)
}

// gradients loads dy of m pixels.
func (n *neon) gradients(m int) (dy []*a64.Reg) {
	ys := n.steps(gradYs)
	p := ys.from(n.matrix(fieldY))
	for i := range m {
		dy = append(dy, p.load(i))
	}
	return dy
}

// parts is a sum in parts, so that no addition waits for the one before.
func (n *neon) parts(w *a64.Reg, count int) []*a64.Reg {
	sum := []*a64.Reg{n.read(w)}
	for range count - 1 {
		sum = append(sum, n.V())
		n.Clear(sum[len(sum)-1])
	}
	return sum
}

// put stores the sum of the parts.
func (n *neon) put(sum []*a64.Reg, w *a64.Reg) {
	for d := 1; d < len(sum); d *= 2 {
		for j := 0; j+d < len(sum); j += 2 * d {
			n.Into(sum[j], a64.FADD, "fadd", sum[j], sum[j+d])
		}
	}
	n.StoreLanes(sum[0], w, 0, n.lanes)
}

func (n *neon) gradient(m int) {
	dy := n.gradients(m)
	xs := n.steps(gradXs)
	n.eachTap(gradTaps, func(x, w *a64.Reg, k masks) {
		sum := n.parts(w, min(m, 8))
		n.inputs(xs.from(x), m, k, func(i int, x *a64.Reg) { n.FMla(sum[i%len(sum)], x, dy[i]) })
		n.put(sum, w)
	})
}

// masks are those of a tap, 16 bits each.
type masks struct {
	first, last *a64.Reg // edge 0 to 3 of kernel.dwTap, then the others
}

// inputs calls use for each of count inputs, or pixels, that is not masked.
func (n *neon) inputs(in *walk, count int, k masks, use func(i int, x *a64.Reg)) {
	for i := range count {
		in.pixel(i)
		e := -1
		switch {
		case i < edges:
			e = i
		case i >= count-edges:
			e = edges + count - 1 - i
		}
		skip := n.label(fmt.Sprintf("without%d_", i))
		switch {
		case e >= 4:
			n.BitZero(k.last, 16*(e-4), skip)
		case e >= 0:
			n.BitZero(k.first, 16*e, skip)
		}
		use(i, in.load(i))
		if e >= 0 {
			n.Label(skip)
		}
	}
}

func (n *neon) slide(m, s, stride int) {
	sum := n.start(m)
	xs, ws := n.steps(fieldXs), n.bytes(fieldWs)
	n.eachTap(fieldTaps, func(x, w *a64.Reg, k masks) {
		var weight []*a64.Reg
		for c := range s {
			weight = append(weight, n.read(w))
			if c < s-1 {
				n.Add(w, ws)
			}
		}
		n.inputs(xs.from(x), (m-1)*stride+s, k, func(i int, x *a64.Reg) {
			eachOutput(i, m, s, stride, func(p, c int) { n.FMla(sum[p], x, weight[c]) })
		})
	})
	n.store(sum)
}

func (n *neon) slideGradient(m, s, stride int) {
	dy := n.gradients(m)
	xs, ws := n.steps(gradXs), n.bytes(gradWs)
	parts := 3
	if s > 3 {
		parts = 2
	}
	n.eachTap(gradTaps, func(x, w *a64.Reg, k masks) {
		first := n.Copy(w)
		var sum [][]*a64.Reg
		for c := range s {
			sum = append(sum, n.parts(w, min(m, parts)))
			if c < s-1 {
				n.Add(w, ws)
			}
		}
		n.inputs(xs.from(x), (m-1)*stride+s, k, func(i int, x *a64.Reg) {
			eachOutput(i, m, s, stride, func(p, c int) { n.FMla(sum[c][p%len(sum[c])], x, dy[p]) })
		})
		for c := range s {
			n.put(sum[c], first)
			if c < s-1 {
				n.Add(first, ws)
			}
		}
	})
}
