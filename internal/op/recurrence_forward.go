package op

import (
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// factor is a product with the transpose of some recurrent weights: g (+)= h*transpose(r), for m
// rows of h and of g, the latter ldg apart.
type factor[T float] func(m int, h []T, acc bool, g []T, ldg int)

func factor32(r []float32, n, k int) factor[float32] {
	p := kernel.PackB(true, n, k, r, k)
	return func(m int, h []float32, acc bool, g []float32, ldg int) {
		kernel.GemmPacked(false, m, h, k, p, acc, g, ldg, nil)
	}
}

func factor64(r []float64, n, k int) factor[float64] {
	return func(m int, h []float64, acc bool, g []float64, ldg int) {
		product64(false, true, m, n, k, h, k, r, k, acc, g, ldg)
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
	xw, p, rb       []T
	y, gates, extra []T // of all steps
	hs, cs          []T // states
	lengths         []int64
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
	if f.gates == nil {
		f.gates = make([]T, len(f.xw))
	}
	if f.extra == nil && c.extra() {
		f.extra = make([]T, c.t*c.b*c.h)
	}
	copy(f.hs, dataOf[T](in, 2))
	copy(f.cs, dataOf[T](in, 3))
	if f.stepWeights == nil {
		f.stepWeights = c.pack(in[1])
	}
	parts := max(1, c.b/examplesTogether)
	kernel.Parallel(parts, func(i int) { f.examples(i*c.b/parts, (i+1)*c.b/parts) })
	copy(dataOf[T](out, 1), f.hs)
	copy(dataOf[T](out, 2), f.cs)
	return nil
}

// examples takes examples b0 to b1 through time.
func (f *forwardPass[T]) examples(b0, b1 int) {
	n, m, width := f.h, b1-b0, f.recurrence.gates*f.h
	hs := f.hs[b0*n : b1*n]
	rh, hc := make([]T, m*n), make([]T, n)
	f.order(false, func(t int) {
		first := t*f.b + b0
		g := f.gates[first*width:][:m*width]
		copy(g, f.xw[first*width:])
		f.direct(m, hs, true, g, width)
		if f.cell == "GRU" {
			f.resetGRU(first, m, g, hs, rh)
		}
		for b := b0; b < b1; b++ {
			at := (t*f.b + b) * n
			row, h, y := g[(b-b0)*width:][:width], f.hs[b*n:][:n], f.y[at:][:n]
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
				f.stepLSTM(row, h, c, hc)
				copy(f.extra[at:], c)
			}
			copy(y, h)
		}
	})
}

// resetGRU adds to the gates g of m examples, the first one at row first of all steps, what the new
// state reads of the old one, hs, through the reset gate.
func (f *forwardPass[T]) resetGRU(first, m int, g, hs, rh []T) {
	n := f.h
	var q []T
	if f.linear {
		q = f.extra[first*n:][:m*n]
		f.last(m, hs, false, q, n)
		for i := range q {
			if f.rb != nil {
				q[i] += f.rb[i%n]
			}
		}
	}
	for b := range m {
		row := g[b*3*n:][:3*n]
		f.act(0, row[:2*n])
		for i := range n {
			if f.linear {
				row[2*n+i] += row[n+i] * q[b*n+i]
			} else {
				rh[b*n+i] = row[n+i] * hs[b*n+i]
			}
		}
	}
	if !f.linear {
		f.last(m, rh, true, g[2*n:], 3*n)
	}
}

// stepLSTM computes the gates in row, in place, and from them the next states h and c of an
// example. hc is scratch.
func (f *forwardPass[T]) stepLSTM(row, h, c, hc []T) {
	n, p := f.h, f.p
	in, out, forget, fresh := row[:n], row[n:2*n], row[2*n:3*n], row[3*n:]
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
