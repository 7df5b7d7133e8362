package op

import (
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// factor is a product with the transpose of some recurrent weights: g = from + h*transpose(r), for m
// rows of h, of from and of g, the latter two ld apart. Without from the sums begin with 0.
// apart says that other threads compute other rows.
type factor[T float] func(apart bool, m int, h, from, g []T, ld int)

func factor32(r []float32, n, k int) factor[float32] {
	p := kernel.PackB(true, n, k, r, k)
	return func(apart bool, m int, h, from, g []float32, ld int) {
		kernel.GemmStep(apart, m, h, k, p, from, g, ld)
	}
}

func factor64(r []float64, n, k int) factor[float64] {
	return func(_ bool, m int, h, from, g []float64, ld int) {
		for i := range m {
			if from != nil {
				copy(g[i*ld:][:n], from[i*ld:])
			}
		}
		product64(false, true, m, n, k, h, k, r, k, from != nil, g, ld)
	}
}

// stepWeights are the recurrent weights as the steps read them.
type stepWeights[T float] struct {
	direct factor[T] // of the gates that read the state as it is
	last   factor[T] // of GRU's new state, which reads it through the reset gate
}

func (c recur[T]) pack(r *tensor.Tensor) *stepWeights[T] {
	n, data := c.h, tensor.Data[T](r)
	if c.cell != "GRU" {
		return &stepWeights[T]{direct: c.factor(data, c.gates*n, n)}
	}
	return &stepWeights[T]{direct: c.factor(data, 2*n, n), last: c.factor(data[2*n*n:], n, n)}
}

// examplesTogether is how many examples go through time together, on one thread: enough for full
// tiles. No thread waits for another at every step.
const examplesTogether = 8

// forwardPass is a run of the forward pass.
type forwardPass[T float] struct {
	recur[T]
	*stepWeights[T]
	xw, p, rb []T
	y         []T // of all steps
	gates     []T // of all steps, nil where no gradient needs them
	extra     []T // likewise
	hs, cs    []T // states
	lengths   []int64
	apart     bool // examples are spread over threads
}

func (c recur[T]) forward(in, out []*tensor.Tensor, _ []byte) error {
	lengths, err := c.lengths(in)
	if err != nil {
		return err
	}
	f := forwardPass[T]{
		recur: c, stepWeights: c.weights, lengths: lengths,
		xw: dataOf[T](in, 0), p: dataOf[T](in, 4), rb: dataOf[T](in, 5),
		y: dataOf[T](out, 0), gates: dataOf[T](out, 3), extra: dataOf[T](out, 4),
		hs: make([]T, c.b*c.h), cs: make([]T, c.b*c.h),
	}
	copy(f.hs, dataOf[T](in, 2))
	copy(f.cs, dataOf[T](in, 3))
	if f.stepWeights == nil {
		f.stepWeights = c.pack(in[1])
	}
	parts := max(1, c.b/examplesTogether)
	f.apart = parts > 1
	kernel.Parallel(parts, func(i int) { f.examples(i*c.b/parts, (i+1)*c.b/parts) })
	copy(dataOf[T](out, 1), f.hs)
	copy(dataOf[T](out, 2), f.cs)
	return nil
}

// stepSpace is what a step of some examples writes beside the states.
type stepSpace[T float] struct {
	gates []T // [m, gates*n]
	rh    []T // GRU: the old state through the reset gate, or with linear what that gate multiplies
	hc    []T // LSTM: of one example
}

// examples takes examples b0 to b1 through time.
func (f *forwardPass[T]) examples(b0, b1 int) {
	n, m, width := f.h, b1-b0, f.recurrence.gates*f.h
	hs := f.hs[b0*n : b1*n]
	s := stepSpace[T]{rh: make([]T, m*n), hc: make([]T, n)}
	if f.gates == nil {
		s.gates = make([]T, m*width)
	}
	f.order(false, func(t int) {
		first := t*f.b + b0
		x := f.xw[first*width:][:m*width]
		if f.gates != nil {
			s.gates = f.gates[first*width:][:m*width]
		}
		f.direct(f.apart, m, hs, x, s.gates, width)
		if f.cell == "GRU" {
			f.resetGRU(first, m, x, hs, s)
		}
		for b := b0; b < b1; b++ {
			at := (t*f.b + b) * n
			row, h, y := s.gates[(b-b0)*width:][:width], f.hs[b*n:][:n], f.y[at:][:n]
			if f.lengths != nil && t >= int(f.lengths[b]) {
				clear(y)
				if f.extra != nil {
					clear(f.extra[at:][:n])
				}
				continue
			}
			switch f.cell {
			case "RNN":
				f.act(0, row)
				copy(h, row)
			case "GRU":
				f.act(1, row[2*n:])
				for i := range n {
					z := row[i]
					h[i] = (1-z)*row[2*n+i] + z*h[i]
				}
			case "LSTM":
				c := f.cs[b*n:][:n]
				f.stepLSTM(row, h, c, s.hc)
				if f.extra != nil {
					copy(f.extra[at:], c)
				}
			}
			copy(y, h)
		}
	})
}

// resetGRU computes the reset gates of m examples, the first one at row first of all steps, and with
// them what the new state reads of x and of the old one, hs.
func (f *forwardPass[T]) resetGRU(first, m int, x, hs []T, s stepSpace[T]) {
	n, g, rh := f.h, s.gates, s.rh
	if f.linear {
		if f.extra != nil {
			rh = f.extra[first*n:][:m*n]
		}
		f.last(f.apart, m, hs, nil, rh, n)
		for i := range rh {
			if f.rb != nil {
				rh[i] += f.rb[i%n]
			}
		}
	}
	for b := range m {
		row, fresh := g[b*3*n:][:3*n], x[b*3*n+2*n:][:n]
		f.act(0, row[:2*n])
		for i := range n {
			if f.linear {
				row[2*n+i] = fresh[i] + row[n+i]*rh[b*n+i]
			} else {
				rh[b*n+i] = row[n+i] * hs[b*n+i]
			}
		}
	}
	if !f.linear {
		f.last(f.apart, m, rh, x[2*n:], g[2*n:], 3*n)
	}
}

// stepLSTM computes the gates in row, in place, and from them the next states h and c of an
// example. hc is scratch.
func (f *forwardPass[T]) stepLSTM(row, h, c, hc []T) {
	n, p := f.h, f.p
	in, out, forget, fresh := row[:n], row[n:2*n], row[2*n:3*n], row[3*n:]
	if c, ok := any(c).([]float32); ok && p == nil && f.usual {
		as32 := func(x []T) []float32 { return any(x).([]float32) }
		kernel.LSTM(as32(in), as32(out), as32(forget), as32(fresh), c, as32(h))
		return
	}
	if p == nil {
		f.act(0, row[:3*n])
	} else {
		for i := range n {
			in[i] += p[i] * c[i]
			forget[i] += p[2*n+i] * c[i]
		}
		f.act(0, in)
		f.act(0, forget)
	}
	f.act(1, fresh)
	multiply(c, forget, c)
	multiply(hc, in, fresh)
	add(c, c, hc)
	if p != nil {
		for i := range n {
			out[i] += p[n+i] * c[i]
		}
		f.act(0, out)
	}
	copy(hc, c)
	f.act(2, hc)
	multiply(h, out, hc)
}

// multiply is y = a*b, element by element.
func multiply[T float](y, a, b []T) {
	if y, ok := any(y).([]float32); ok {
		kernel.Mul(y, any(a).([]float32), any(b).([]float32))
		return
	}
	for i, v := range a {
		y[i] = v * b[i]
	}
}

// add is y = a + b.
func add[T float](y, a, b []T) {
	if y, ok := any(y).([]float32); ok {
		kernel.Add(y, any(a).([]float32), any(b).([]float32))
		return
	}
	for i, v := range a {
		y[i] = v + b[i]
	}
}
