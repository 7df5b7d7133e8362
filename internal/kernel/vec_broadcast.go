package kernel

import "fmt"

// Broadcast is the index plan of an elementwise operation whose inputs are broadcast to one output
// shape by ONNX's (numpy's) rule. Neighbouring axes that all inputs treat in the same way are
// merged, so common cases need one or two loops. Build it once and use it for any number of calls.
type Broadcast struct {
	dims    []int   // merged output axes, outermost first; at least one
	strides [][]int // per input, 0 on axes along which it is repeated
	size    int
}

// NewBroadcast plans the given output shape and input shapes. A shape that does
// not broadcast to the output shape is an error.
func NewBroadcast(shape []int, ins ...[]int) (*Broadcast, error) {
	b := &Broadcast{strides: make([][]int, len(ins)), size: 1}
	full := make([][]int, len(ins))
	for i, in := range ins {
		if len(in) > len(shape) {
			return nil, fmt.Errorf("kernel: broadcast of shape %v to %v: too many axes", in, shape)
		}
		st := make([]int, len(shape))
		off := len(shape) - len(in)
		step := 1
		for k := len(in) - 1; k >= 0; k-- {
			switch {
			case in[k] == shape[off+k] && in[k] != 1:
				st[off+k] = step
			case in[k] != 1:
				return nil, fmt.Errorf("kernel: broadcast of shape %v to %v: axis %d is %d", in, shape, k, in[k])
			}
			step *= in[k]
		}
		full[i] = st
	}
	for k, d := range shape {
		b.size *= d
		if d == 1 {
			continue
		}
		last := len(b.dims) - 1
		merge := last >= 0
		for i := range ins {
			if merge && b.strides[i][last] != full[i][k]*d {
				merge = false
			}
		}
		if merge {
			b.dims[last] *= d
			for i := range ins {
				b.strides[i][last] = full[i][k]
			}
			continue
		}
		b.dims = append(b.dims, d)
		for i := range ins {
			b.strides[i] = append(b.strides[i], full[i][k])
		}
	}
	if len(b.dims) == 0 {
		b.dims = []int{1}
		for i := range ins {
			b.strides[i] = []int{0}
		}
	}
	return b, nil
}

// rows calls f in parallel for runs of the innermost axis: output offset o,
// length n, offsets of the inputs in at. A long axis is cut in fixed pieces.
func (b *Broadcast) rows(f func(o, n int, at []int)) {
	if b.size == 0 {
		return
	}
	k := len(b.dims) - 1
	inner := b.dims[k]
	if k == 0 {
		chunks(inner, chunk, func(lo, hi int) {
			var buf [4]int
			at := buf[:len(b.strides)]
			for i := range at {
				at[i] = lo * b.strides[i][0]
			}
			f(lo, hi-lo, at)
		})
		return
	}
	rowChunks(b.size/inner, inner, func(lo, hi int) {
		var buf [4]int
		at := buf[:len(b.strides)]
		idx := make([]int, k)
		r := lo
		for d := k - 1; d >= 0; d-- {
			idx[d] = r % b.dims[d]
			r /= b.dims[d]
			for i := range at {
				at[i] += idx[d] * b.strides[i][d]
			}
		}
		for r := lo; r < hi; r++ {
			f(r*inner, inner, at)
			for d := k - 1; d >= 0; d-- {
				idx[d]++
				for i := range at {
					at[i] += b.strides[i][d]
				}
				if idx[d] < b.dims[d] {
					break
				}
				for i := range at {
					at[i] -= b.dims[d] * b.strides[i][d]
				}
				idx[d] = 0
			}
		}
	})
}

// BinaryOp names an arithmetic operation of two float32 tensors.
type BinaryOp uint8

// The binary operations.
const (
	OpAdd BinaryOp = iota
	OpSub
	OpMul
	OpDiv
	OpMax
	OpMin
	OpPow
)

// Binary is y = a op b with the inputs broadcast as planned (two inputs). Equal
// shapes, scalars, a vector over the last axis and one vector per example
// ([N,1,1,C]) run at full speed.
func Binary(op BinaryOp, y, a, b []float32, p *Broadcast) {
	vv, vs := binaryLoops(op)
	k := len(p.dims) - 1
	sa, sb := p.strides[0][k], p.strides[1][k]
	p.rows(func(o, n int, at []int) {
		y := y[o : o+n]
		switch {
		case sa != 0 && sb != 0:
			vv(y, a[at[0]:at[0]+n], b[at[1]:at[1]+n])
		case sa != 0:
			vs(y, a[at[0]:at[0]+n], b[at[1]], false)
		case sb != 0:
			vs(y, b[at[1]:at[1]+n], a[at[0]], true)
		default:
			vv(y[:1], a[at[0]:at[0]+1], b[at[1]:at[1]+1])
			for i := range y {
				y[i] = y[0]
			}
		}
	})
}

// binaryLoops returns the loops for two vectors and for a vector and a scalar;
// swap says that the scalar is the left operand.
func binaryLoops(op BinaryOp) (vv func(y, a, b []float32), vs func(y, x []float32, s float32, swap bool)) {
	switch op {
	case OpAdd:
		return vec.add, func(y, x []float32, s float32, _ bool) { vec.affine(y, x, 1, s) }
	case OpSub:
		return vec.sub, func(y, x []float32, s float32, swap bool) {
			if swap {
				vec.affine(y, x, -1, s)
			} else {
				vec.affine(y, x, 1, -s)
			}
		}
	case OpMul:
		return vec.mul, func(y, x []float32, s float32, _ bool) { scaleSpan(y, x, s) }
	case OpDiv:
		return vec.div, repeated(vec.div)
	case OpMax:
		return vec.max, repeated(vec.max)
	case OpMin:
		return vec.min, repeated(vec.min)
	case OpPow:
		return powGo, func(y, x []float32, s float32, swap bool) {
			if !swap && s == 2 {
				vec.mul(y, x, x)
			} else {
				repeated(powGo)(y, x, s, swap)
			}
		}
	}
	panic(fmt.Sprintf("kernel: binary operation %d", op))
}

// repeated makes a vector-scalar loop of one for two vectors.
func repeated(f func(y, a, b []float32)) func(y, x []float32, s float32, swap bool) {
	return func(y, x []float32, s float32, swap bool) {
		var buf [256]float32
		for i := range buf[:min(len(buf), len(x))] {
			buf[i] = s
		}
		for len(x) > 0 {
			n := min(len(buf), len(x))
			if swap {
				f(y[:n], buf[:n], x[:n])
			} else {
				f(y[:n], x[:n], buf[:n])
			}
			x, y = x[n:], y[n:]
		}
	}
}

// Map2 is y = f(a, b) for any element types, inputs broadcast as planned.
func Map2[A, B, Y any](y []Y, a []A, b []B, p *Broadcast, f func(A, B) Y) {
	k := len(p.dims) - 1
	sa, sb := p.strides[0][k], p.strides[1][k]
	p.rows(func(o, n int, at []int) {
		i, j := at[0], at[1]
		for r := range y[o : o+n] {
			y[o+r] = f(a[i], b[j])
			i += sa
			j += sb
		}
	})
}

// Map1 is y = f(a) for any element types, the input broadcast as planned.
func Map1[A, Y any](y []Y, a []A, p *Broadcast, f func(A) Y) {
	sa := p.strides[0][len(p.dims)-1]
	p.rows(func(o, n int, at []int) {
		i := at[0]
		for r := range y[o : o+n] {
			y[o+r] = f(a[i])
			i += sa
		}
	})
}

// Expand is y = a broadcast as planned (one input).
func Expand[T any](y, a []T, p *Broadcast) {
	sa := p.strides[0][len(p.dims)-1]
	p.rows(func(o, n int, at []int) {
		y := y[o : o+n]
		if sa != 0 {
			copy(y, a[at[0]:])
			return
		}
		v := a[at[0]]
		for i := range y {
			y[i] = v
		}
	})
}

// Where is y = a where c, else b, inputs c, a, b broadcast as planned.
func Where[T any](y []T, c []bool, a, b []T, p *Broadcast) {
	k := len(p.dims) - 1
	sc, sa, sb := p.strides[0][k], p.strides[1][k], p.strides[2][k]
	p.rows(func(o, n int, at []int) {
		h, i, j := at[0], at[1], at[2]
		for r := range y[o : o+n] {
			if c[h] {
				y[o+r] = a[i]
			} else {
				y[o+r] = b[j]
			}
			h += sc
			i += sa
			j += sb
		}
	})
}

// SumTo is the gradient of a broadcast: y, of the plan's first input shape, is x,
// of the output shape, summed over every axis along which y was repeated.
func SumTo(y, x []float32, p *Broadcast) {
	st := p.strides[0]
	dims := p.dims
	for len(dims) > 1 || (len(dims) == 1 && st[0] == 0) {
		// Reduce the outermost repeated axis; neighbours differ in kind after
		// merging, so one pass of Reduce removes one whole run.
		k := 0
		for k < len(dims) && st[k] != 0 {
			k++
		}
		if k == len(dims) {
			break
		}
		outer, inner := 1, 1
		for _, d := range dims[:k] {
			outer *= d
		}
		for _, d := range dims[k+1:] {
			inner *= d
		}
		dst := y
		rest := false
		for _, s := range st[k+1:] {
			rest = rest || s == 0
		}
		if rest {
			dst = make([]float32, outer*inner)
		}
		Reduce(ReduceSum, dst[:outer*inner], x, outer, dims[k], inner)
		if !rest {
			return
		}
		x = dst
		dims = append(append([]int{}, dims[:k]...), dims[k+1:]...)
		st = append(append([]int{}, st[:k]...), st[k+1:]...)
	}
	copy(y, x)
}
