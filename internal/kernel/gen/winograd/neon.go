package main

import (
	"fmt"
	"log"
	"math"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/a64"
)

// neonFile emits the transforms for NEON, 4 channels at a time.
func neonFile() {
	o := a64.NewFile("winoNEON")
	emit := func(name, doc string, transform func(n *neon)) {
		n := &neon{Func: a64.NewFunc(name, "func(t *byte)", doc), file: o}
		n.args = n.Param("t")
		transform(n)
		if err := o.Add(n.Func); err != nil {
			log.Fatal(err)
		}
	}
	emit("winoInputNEON", "transforms a patch of inputs; see type winoInput.", (*neon).input)
	emit("winoOutGradNEON", "transforms a patch of gradients; see type winoInput.", (*neon).outGrad)
	emit("winoFilterNEON", "transforms weights; see type winoInput.", (*neon).filter)
	emit("winoGradNEON", "transforms sums to gradients of weights; see type winoInput.", (*neon).grad)
	emit("winoOutputNEON", "transforms sums to outputs; see type winoOutput.", (*neon).output)
	o.Generate()
}

// neon emits one transform.
type neon struct {
	*a64.Func
	file *a64.File
	args *a64.Reg
}

// constants loads numbers in every lane.
func (n *neon) constants(c ...float64) (all []*a64.Reg) {
	p := n.Symbol(n.file.Data())
	for _, x := range c {
		r := n.V()
		n.Load4(r, p, n.file.Float(x))
		all = append(all, r)
	}
	return all
}

func (n *neon) bytes(field int) *a64.Reg { return n.Shl(n.Load(n.args, field), 2) }

// multiples are 0, 1 to 5 times a step; 0 is nil.
func (n *neon) multiples(step *a64.Reg) (all [6]*a64.Reg) {
	all[1] = step
	for i := 2; i < 6; i++ {
		all[i] = n.Plus(all[i-1], step)
	}
	return all
}

// column loads the first vectors of at.
func (n *neon) column(p *a64.Reg, at []*a64.Reg) (d [6]*a64.Reg) {
	for i := range at {
		if d[i] = n.V(); at[i] == nil {
			n.Load4(d[i], p, 0)
		} else {
			n.Load4At(d[i], p, at[i])
		}
	}
	return d
}

// row loads a row of the temporary block, size vectors.
func (n *neon) row(tmp *a64.Reg, i, size int) (d [6]*a64.Reg) {
	for j := 0; j < size; j += 2 {
		d[j], d[j+1] = n.V(), n.V()
		n.LoadPair(d[j], d[j+1], tmp, (i*size+j)*16)
	}
	return d
}

// channels emits the loop over channels around body.
func (n *neon) channels(fieldN int, body func(at *a64.Reg)) {
	left, at := n.Load(n.args, fieldN), n.Int(0)
	n.Label("vector")
	body(at)
	n.AddInt(at, 16)
	n.SubsInt(left, 4)
	n.Branch("GT", "vector")
	n.Ret()
}

// minus is a - b*c in a new register, plus is a + b*c.
func (n *neon) minus(a, b, c *a64.Reg) *a64.Reg {
	r := n.V()
	n.Move(r, a)
	n.FMls(r, b, c)
	return r
}

func (n *neon) plus(a, b, c *a64.Reg) *a64.Reg {
	r := n.V()
	n.Move(r, a)
	n.FMla(r, b, c)
	return r
}

// input emits the transform of a 6 by 6 patch.
func (n *neon) input() { n.patch(6, 6, []float64{0.5, 2, 2.5, 1 / math.Sqrt2, math.Sqrt2}, n.bt) }

// outGrad emits the transform of a 4 by 4 patch.
func (n *neon) outGrad() { n.patch(4, 6, []float64{0.5, 2, 1 / math.Sqrt2, math.Sqrt2}, n.a) }

// weightNumbers are the constants of G and G'.
var weightNumbers = []float64{-2. / 3, 1. / 3, -2. / 3 / math.Sqrt2, 1. / 6, math.Sqrt2 / 6}

// filter emits the transform of 3 by 3 weights.
func (n *neon) filter() { n.patch(3, 6, weightNumbers, n.g) }

// grad emits the transform of 36 sums to the gradient of 3 by 3 weights.
func (n *neon) grad() { n.patch(6, 3, weightNumbers, n.gt) }

// patch emits the transform of a patch of size by size by a matrix, to results by results.
func (n *neon) patch(size, results int, numbers []float64, matrix func(c []*a64.Reg, d [6]*a64.Reg) []*a64.Reg) {
	tmp := n.Frame(results * size * 16)
	c := n.constants(numbers...)
	rows, pixel, comp := n.multiples(n.bytes(inRow)), n.bytes(inPixel), n.bytes(inComp)
	n.channels(inN, func(at *a64.Reg) {
		x := n.Plus(n.Load(n.args, inX), at)
		for j := range size {
			for i, r := range matrix(c, n.column(x, rows[:size]))[:results] {
				n.Store4(r, tmp, (i*size+j)*16)
			}
			n.Add(x, pixel)
		}
		v := n.Plus(n.Load(n.args, inV), at)
		for i := range results {
			for _, r := range matrix(c, n.row(tmp, i, size))[:results] {
				n.Store4(r, v, 0)
				n.Add(v, comp)
			}
		}
	})
}

// bt is the product of the matrix B' with d.
func (n *neon) bt(c []*a64.Reg, d [6]*a64.Reg) []*a64.Reg {
	var out [6]*a64.Reg
	half, two, sum, a, b := c[0], c[1], c[2], c[3], c[4]
	out[0] = n.minus(n.FAdd(d[0], d[4]), d[2], sum)
	pair := func(i int, x, y *a64.Reg) { // (d4 - x*d2) +- y*(d3 - x*d1)
		p, q := n.minus(d[4], d[2], x), n.minus(d[3], d[1], x)
		out[i], out[i+1] = n.plus(p, q, y), n.minus(p, q, y)
	}
	pair(1, two, a)
	pair(3, half, b)
	out[5] = n.minus(n.FAdd(d[5], d[1]), d[3], sum)
	return out[:]
}

// a is the product of the matrix A with the first four of d.
func (n *neon) a(c []*a64.Reg, d [6]*a64.Reg) []*a64.Reg {
	var out [6]*a64.Reg
	half, two, a, b := c[0], c[1], c[2], c[3]
	pair := func(i int, x, y *a64.Reg) { // (d0 + x*d2) +- y*(d1 + x*d3)
		p, q := n.plus(d[0], d[2], x), n.plus(d[1], d[3], x)
		out[i], out[i+1] = n.plus(p, q, y), n.minus(p, q, y)
	}
	out[0], out[5] = d[0], d[3]
	pair(1, half, a)
	pair(3, two, b)
	return out[:]
}

// g is the product of the matrix G with the first three of d.
func (n *neon) g(c []*a64.Reg, d [6]*a64.Reg) []*a64.Reg {
	twoThirds, third, a, sixth, b := c[0], c[1], c[2], c[3], c[4]
	p := n.minus(n.FMul(d[0], twoThirds), d[2], third)
	r := n.plus(n.FMul(d[0], sixth), d[2], third)
	return []*a64.Reg{d[0], n.plus(p, d[1], a), n.minus(p, d[1], a), n.plus(r, d[1], b), n.minus(r, d[1], b), d[2]}
}

// gt is the product of the matrix G' with d.
func (n *neon) gt(c []*a64.Reg, d [6]*a64.Reg) []*a64.Reg {
	twoThirds, third, a, sixth, b := c[0], c[1], c[2], c[3], c[4]
	s, t := n.FAdd(d[1], d[2]), n.FAdd(d[3], d[4])
	return []*a64.Reg{
		n.plus(n.plus(d[0], s, twoThirds), t, sixth),
		n.plus(n.FMul(n.FSub(d[1], d[2]), a), n.FSub(d[3], d[4]), b),
		n.plus(d[5], n.FSub(t, s), third),
	}
}

// output emits the transform of 36 values to 4 by 4, with the epilogue.
func (n *neon) output() {
	tmp := n.Frame(24 * 16)
	c := n.constants(0.5, 2, 1/math.Sqrt2, math.Sqrt2)
	comp := n.bytes(outComp)
	three := n.PlusShifted(comp, comp, 1)
	rows := n.multiples(n.Plus(three, three)) // 6 components are a row
	pixel, line := n.bytes(outPixel), n.bytes(outRow)
	height, width := n.Load(n.args, outHeight), n.Load(n.args, outWidth)
	clip := n.LoadByte(n.args, outClip)
	lo, hi := n.Spread(n.args, outLo), n.Spread(n.args, outHi)
	n.channels(outN, func(at *a64.Reg) {
		m := n.Plus(n.Load(n.args, outM), at)
		for j := range 6 {
			for i, r := range n.at(c, n.column(m, rows[:])) {
				n.Store4(r, tmp, (i*6+j)*16)
			}
			n.Add(m, comp)
		}
		bias := n.V()
		n.Clear(bias)
		n.Zero(n.Load(n.args, outBias+8), "biased")
		n.Load4(bias, n.Plus(n.Load(n.args, outBias), at), 0)
		n.Label("biased")
		y := n.Plus(n.Load(n.args, outY), at)
		res, resLen := n.Plus(n.Load(n.args, outRes), at), n.Load(n.args, outRes+8)
		for i := range 4 {
			next := fmt.Sprintf("row%d", i+1)
			n.CmpInt(height, i)
			n.Branch("LE", "done")
			yp, rp := n.Copy(y), n.Copy(res)
			for j, r := range n.at(c, n.row(tmp, i, 6)) {
				col := fmt.Sprintf("row%dcol%d", i, j)
				if j > 0 {
					n.CmpInt(width, j)
					n.Branch("LE", next)
				}
				n.Into(r, a64.FADD, "fadd", r, bias)
				n.Zero(resLen, col)
				x := n.V()
				n.Load4(x, rp, 0)
				n.Into(r, a64.FADD, "fadd", r, x)
				n.Add(rp, pixel)
				n.Label(col)
				n.Zero(clip, col+"store")
				n.Into(r, a64.FMAX, "fmax", r, lo)
				n.Into(r, a64.FMIN, "fmin", r, hi)
				n.Label(col + "store")
				n.Store4(r, yp, 0)
				n.Add(yp, pixel)
			}
			n.Label(next)
			n.Add(y, line)
			n.Add(res, line)
		}
		n.Label("done")
	})
}

// at is the product of the matrix A' with m.
func (n *neon) at(c []*a64.Reg, m [6]*a64.Reg) (out [4]*a64.Reg) {
	half, two, a, b := c[0], c[1], c[2], c[3]
	s, d := n.FAdd(m[1], m[2]), n.FMul(n.FSub(m[1], m[2]), a)
	t, e := n.FAdd(m[3], m[4]), n.FMul(n.FSub(m[3], m[4]), b)
	out[0] = n.FAdd(n.FAdd(m[0], s), t)
	out[1] = n.FAdd(d, e)
	out[2] = n.plus(n.FMul(s, half), t, two)
	out[3] = n.plus(n.plus(m[5], d, half), e, two)
	return out
}
