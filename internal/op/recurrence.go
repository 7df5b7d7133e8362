package op

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Recurrence(xw, r, h0, c0, p, rb, lengths) runs one direction of an RNN, GRU or LSTM (attribute
// cell) over time. xw [T,B,G*H] is what the inputs and biases contribute to the G gates, in ONNX's
// order (LSTM i o f c, GRU z r h); r [G*H,H] are the recurrent weights. Optional inputs are the
// initial states h0 and c0 [B,H], LSTM's peepholes p [3*H], the bias rb [H] of GRU's new state if
// linear_before_reset is set, and the number of steps of each example, int64 lengths [B]. Beyond
// these steps the output is 0 and the state does not change. Attribute reverse starts at the end.
// activations, activation_alpha and activation_beta are those of ONNX. clip limits the inputs of
// the activations.
//
// It returns the output y [T,B,H], the last states [B,H] (c for LSTM only), and for the gradient
// the gates [T,B,G*H] and [T,B,H]: LSTM's c or, with linear_before_reset, what the reset gate
// multiplies.
//
// RecurrenceGrad(r, h0, c0, p, rb, lengths, y, gates, extra, dy, dh, dc) returns the gradients of
// xw, r, h0, c0, p and rb, by backpropagation through time. dy, dh and dc may be absent.
func init() {
	register(ir.Def{
		Name: "Recurrence",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			c, err := recurrenceOf(n)
			if err != nil {
				return nil, err
			}
			state := ir.Type{DType: c.dtype, Shape: tensor.Shape{c.b, c.h}}
			y := ir.Type{DType: c.dtype, Shape: tensor.Shape{c.t, c.b, c.h}}
			out := []ir.Type{y, state, {}, n.In(0).Type, {}}
			if c.cell == "LSTM" {
				out[2] = state
			}
			if c.extra() {
				out[4] = y
			}
			return out, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			if n.Attrs.Float("clip", 0) != 0 {
				b.Fail(n.Errorf("a recurrence with clipped gates has no gradient"))
				return nil
			}
			if dy[3] != nil || dy[4] != nil {
				b.Fail(n.Errorf("gates have no gradient"))
				return nil
			}
			o := n.Outputs
			dx := b.Ops("RecurrenceGrad", n.Attrs, n.In(1), n.In(2), n.In(3), n.In(4), n.In(5), n.In(6), o[0], o[3], o[4], dy[0], dy[1], dy[2])
			return append(dx, nil)[:len(n.Inputs)]
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			c, err := recurrenceOf(n)
			if err != nil {
				return ir.Bound{}, err
			}
			b := ir.Bound{}
			f32, f64 := recur32(c), recur64(c)
			if r := n.In(1); r.IsConst() && r.Data != nil { // packed once, not in every run
				b.Packed = []int{1}
				if c.dtype == tensor.Float32 {
					f32.weights = f32.pack(r.Data)
				} else {
					f64.weights = f64.pack(r.Data)
				}
			}
			b.Run, err = forFloat(c.dtype, f32.forward, f64.forward)
			return b, err
		},
		Cost:  recurrenceCost(1),
		Cases: func() []ir.Case { return eachCase(recurrenceCases(), func(c *ir.Case) { c.Flow = []int{0, 1, 2} }) },
	})
	register(ir.Def{
		Name: "RecurrenceGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			c, err := recurrenceOf(n)
			if err != nil {
				return nil, err
			}
			out := []ir.Type{{DType: c.dtype, Shape: tensor.Shape{c.t, c.b, c.gates * c.h}}}
			for i := range 5 {
				var t ir.Type
				if v := n.In(i); v != nil {
					t = v.Type
				}
				out = append(out, t)
			}
			return out, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			c, err := recurrenceOf(n)
			if err != nil {
				return ir.Bound{}, err
			}
			run, err := forFloat(c.dtype, recur32(c).backward, recur64(c).backward)
			return ir.Bound{Run: run}, err
		},
		Cost: recurrenceCost(2),
		Cases: func() []ir.Case {
			return eachCase(recurrenceCases(), func(c *ir.Case) {
				xw, r := c.Inputs[0].Shape, c.Inputs[1].Shape
				y := random(xw[0], xw[1], r[1])
				var extra, dc *tensor.Tensor
				if cell := c.Attrs.Str("cell", ""); cell == "LSTM" || c.Attrs.Bool("linear_before_reset") {
					extra = y
					if cell == "LSTM" {
						dc = random(xw[1], r[1])
					}
				}
				ins := append(c.Inputs[1:len(c.Inputs):len(c.Inputs)], make([]*tensor.Tensor, 7-len(c.Inputs))...)
				c.Inputs = append(ins, y, random(xw...), extra, y, random(xw[1], r[1]), dc)
			})
		},
	})
}

// recurrence is the setting of a Recurrence.
type recurrence struct {
	dtype         tensor.DType
	cell          string
	t, b, h       int
	gates         int
	reverse       bool
	linear        bool // linear_before_reset
	clip          float64
	acts          []gateAct
	usual         bool // the activations are the default ones, without a clip
	steps, inputs int  // positions of lengths and of r among the inputs
}

// extra says that the cell keeps a second value a step.
func (c recurrence) extra() bool { return c.cell == "LSTM" || c.linear }

func recurrenceOf(n *ir.Node) (c recurrence, err error) {
	grad := n.Op == "RecurrenceGrad"
	c = recurrence{
		cell: n.Attrs.Str("cell", ""), reverse: n.Attrs.Bool("reverse"), linear: n.Attrs.Bool("linear_before_reset"),
		clip: fattr(n.Attrs, "clip", 0), steps: 6, inputs: 1,
	}
	lo, hi := 2, 7
	if grad {
		lo, hi, c.steps, c.inputs = 1, 12, 5, 0
	}
	if err = inputs(n, lo, hi); err != nil {
		return c, err
	}
	defaults := []string{"Tanh"}
	switch c.cell {
	case "RNN":
		c.gates = 1
	case "GRU":
		c.gates, defaults = 3, []string{"Sigmoid", "Tanh"}
	case "LSTM":
		c.gates, defaults = 4, []string{"Sigmoid", "Tanh", "Tanh"}
	default:
		return c, errorf("cell %q is not RNN, GRU or LSTM", c.cell)
	}
	c.linear = c.linear && c.cell == "GRU"
	if c.acts, err = gateActs(n.Attrs, defaults); err != nil {
		return c, err
	}
	given := n.Attrs.Strs("activations")
	c.usual = c.clip == 0 && (len(given) == 0 || slices.Equal(given[:len(defaults)], defaults))
	r, x := n.In(c.inputs).Type, ir.Type{}
	if grad {
		if n.In(6) == nil || n.In(7) == nil || c.extra() && n.In(8) == nil {
			return c, errorf("a result of the recurrence is missing")
		}
		x = n.In(7).Type
	} else {
		x = n.In(0).Type
	}
	if len(x.Shape) != 3 || len(r.Shape) != 2 || x.Shape[2] != r.Shape[0] || r.Shape[0] != c.gates*r.Shape[1] {
		return c, errorf("gates %v and recurrent weights %v are not [T,B,%d*H] and [%d*H,H]", x.Shape, r.Shape, c.gates, c.gates)
	}
	c.dtype, c.t, c.b, c.h = x.DType, x.Shape[0], x.Shape[1], r.Shape[1]
	state := tensor.Shape{c.b, c.h}
	for i, s := range []tensor.Shape{state, state, {3 * c.h}, {c.h}, {c.b}} {
		v := n.In(c.inputs + 1 + i)
		if v == nil {
			continue
		}
		want := ir.Type{DType: c.dtype, Shape: s}
		if i == 4 {
			want.DType = tensor.Int64
		}
		if !v.Type.Equal(want) {
			return c, errorf("input %d is %v, not %v", c.inputs+1+i, v.Type, want)
		}
	}
	return c, nil
}

func recurrenceCost(products int64) func(n *ir.Node) ir.Cost {
	return func(n *ir.Node) ir.Cost {
		c, _ := recurrenceOf(n)
		return ir.Cost{FLOPs: products * 2 * int64(c.t*c.b) * int64(c.gates*c.h) * int64(c.h), Bytes: bytesMoved(n)}
	}
}

// gateAct is an activation of a gate; its derivative is a function of its value.
type gateAct struct {
	f, df func(v float64) float64
	fast  func(y, x []float32) // f in float32, if there is a kernel
}

// gateActs reads the activations, by default those given.
func gateActs(a ir.Attrs, names []string) ([]gateAct, error) {
	if given := a.Strs("activations"); len(given) > 0 {
		if len(given) < len(names) {
			return nil, errorf("activations %v are less than %d", given, len(names))
		}
		names = given[:len(names)]
	}
	alphas, betas := a.Floats("activation_alpha"), a.Floats("activation_beta")
	next := func(list *[]float32, def float64) float64 {
		if len(*list) == 0 {
			return def
		}
		v := float64((*list)[0])
		*list = (*list)[1:]
		return v
	}
	var acts []gateAct
	for _, name := range names {
		var g gateAct
		switch name {
		case "Sigmoid":
			g = gateAct{sigmoid64, func(y float64) float64 { return y * (1 - y) }, kernel.Sigmoid}
		case "Tanh":
			g = gateAct{math.Tanh, func(y float64) float64 { return 1 - y*y }, kernel.Tanh}
		case "Relu":
			g = gateAct{func(x float64) float64 { return max(x, 0) }, func(y float64) float64 { return step(y > 0, 1) }, nil}
		case "Softsign":
			g = gateAct{func(x float64) float64 { return x / (1 + math.Abs(x)) },
				func(y float64) float64 { d := 1 - math.Abs(y); return d * d }, nil}
		case "Softplus":
			g = gateAct{softplus64, func(y float64) float64 { return -math.Expm1(-y) }, nil}
		case "LeakyRelu":
			k := next(&alphas, 0.01)
			g = gateAct{func(x float64) float64 { return max(x, 0) + k*min(x, 0) }, func(y float64) float64 { return step(y > 0, 1) + step(y <= 0, k) }, nil}
		case "Elu":
			k := next(&alphas, 1)
			g = gateAct{func(x float64) float64 { return elu64(x, k, 1) }, func(y float64) float64 { return step(y > 0, 1) + step(y <= 0, y+k) }, nil}
		case "HardSigmoid":
			k, m := next(&alphas, 0.2), next(&betas, 0.5)
			g = gateAct{func(x float64) float64 { return min(max(k*x+m, 0), 1) }, func(y float64) float64 { return step(y > 0 && y < 1, k) }, nil}
		case "Affine":
			k, m := next(&alphas, 1), next(&betas, 0)
			g = gateAct{func(x float64) float64 { return k*x + m }, func(float64) float64 { return k }, nil}
		case "ScaledTanh":
			k, m := next(&alphas, 1), next(&betas, 1)
			g = gateAct{func(x float64) float64 { return k * math.Tanh(m*x) }, func(y float64) float64 { return m * (k - y*y/k) }, nil}
		default:
			return nil, errorf("activation %q is not supported", name)
		}
		acts = append(acts, g)
	}
	return acts, nil
}

// recur runs a recurrence in float32 or float64; mul is a matrix product, c (+)= op(a)*op(b), and
// factor makes one with weights that are read at every step.
type recur[T float] struct {
	recurrence
	mul     func(transA, transB bool, m, n, k int, a []T, lda int, b []T, ldb int, acc bool, c []T, ldc int)
	factor  func(r []T, n, k int) factor[T]
	weights *stepWeights[T] // of constant recurrent weights; nil where they are given to each run
}

func recur32(c recurrence) recur[float32] {
	return recur[float32]{recurrence: c, mul: product32, factor: factor32}
}

func recur64(c recurrence) recur[float64] {
	return recur[float64]{recurrence: c, mul: product64, factor: factor64}
}

func product32(transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, acc bool, c []float32, ldc int) {
	kernel.Gemm(transA, transB, m, n, k, a, lda, b, ldb, acc, c, ldc, nil)
}

func product64(transA, transB bool, m, n, k int, a []float64, lda int, b []float64, ldb int, acc bool, c []float64, ldc int) {
	ai, ak, bk, bj := lda, 1, ldb, 1
	if transA {
		ai, ak = 1, lda
	}
	if transB {
		bk, bj = 1, ldb
	}
	for i := range m {
		for j := range n {
			var sum float64
			if acc {
				sum = c[i*ldc+j]
			}
			for p := range k {
				sum += a[i*ai+p*ak] * b[p*bk+j*bj]
			}
			c[i*ldc+j] = sum
		}
	}
}

// dataOf returns a view of a tensor, nil if it is absent.
func dataOf[T float](ts []*tensor.Tensor, i int) []T {
	if t := at(ts, i); t != nil {
		return tensor.Data[T](t)
	}
	return nil
}

// act applies activation k to x in place.
func (c recur[T]) act(k int, x []T) {
	if x, ok := any(x).([]float32); ok && c.clip == 0 && c.acts[k].fast != nil {
		c.acts[k].fast(x, x)
		return
	}
	for i, v := range x {
		w := float64(v)
		if c.clip != 0 {
			w = min(max(w, -c.clip), c.clip)
		}
		x[i] = T(c.acts[k].f(w))
	}
}

// order calls f for each step of time in the order of the recurrence, or backward.
func (c recurrence) order(backward bool, f func(t int)) {
	for i := range c.t {
		if c.reverse != backward {
			i = c.t - 1 - i
		}
		f(i)
	}
}

// previous gives, for step t of example b, the state it started from: that of the step before in v
// [T,B,H], or the initial one, nil for zeros.
func (c recur[T]) previous(v, initial []T, lengths []int64, t, b int) []T {
	p := t - 1
	if c.reverse {
		p = t + 1
		if p >= c.t || lengths != nil && p >= int(lengths[b]) {
			p = -1
		}
	}
	switch {
	case p >= 0:
		return v[(p*c.b+b)*c.h:][:c.h]
	case initial != nil:
		return initial[b*c.h:][:c.h]
	}
	return make([]T, c.h)
}

func (c recurrence) lengths(in []*tensor.Tensor) ([]int64, error) {
	t := at(in, c.steps)
	if t == nil {
		return nil, nil
	}
	for i, l := range t.I64() {
		if l < 0 || l > int64(c.t) {
			return nil, errorf("length %d of example %d is not from 0 to %d", l, i, c.t)
		}
	}
	return t.I64(), nil
}

func (c recur[T]) backward(in, out []*tensor.Tensor, _ []byte) error {
	lengths, err := c.lengths(in)
	if err != nil {
		return err
	}
	r, h0, c0, p := dataOf[T](in, 0), dataOf[T](in, 1), dataOf[T](in, 2), dataOf[T](in, 3)
	y, gates, extra, dy := dataOf[T](in, 6), dataOf[T](in, 7), dataOf[T](in, 8), dataOf[T](in, 9)
	n := c.h
	width := c.gates * n
	dx, dr, dp, drb := dataOf[T](out, 0), dataOf[T](out, 1), dataOf[T](out, 4), dataOf[T](out, 5)
	if dx == nil {
		dx = make([]T, len(gates))
	}
	if dr == nil {
		dr = make([]T, len(r))
	}
	clear(dr)
	clear(dp)
	clear(drb)
	dh, dc := make([]T, c.b*n), make([]T, c.b*n) // gradients of the state after the step
	copy(dh, dataOf[T](in, 10))
	copy(dc, dataOf[T](in, 11))
	hp := make([]T, c.b*n)
	dq := make([]T, c.b*n) // GRU: gradient of what the new state adds from the old one, before r
	drh, rh := make([]T, c.b*n), make([]T, c.b*n)
	d := func(k int, v T) T { return T(c.acts[k].df(float64(v))) }
	c.order(true, func(t int) {
		g := dx[t*c.b*width:][:c.b*width]
		clear(dq)
		keep := make([]T, c.b*n) // what of dh reaches the state before directly
		for b := range c.b {
			copy(hp[b*n:], c.previous(y, h0, lengths, t, b))
			dg, row := g[b*width:][:width], gates[(t*c.b+b)*width:][:width]
			dhb, dcb := dh[b*n:][:n], dc[b*n:][:n]
			if lengths != nil && t >= int(lengths[b]) {
				clear(dg)
				copy(keep[b*n:], dhb)
				continue
			}
			if dy != nil {
				for i := range n {
					dhb[i] += dy[(t*c.b+b)*n+i]
				}
			}
			switch c.cell {
			case "RNN":
				for i := range n {
					dg[i] = dhb[i] * d(0, row[i])
				}
			case "GRU":
				for i := range n {
					z, rt, new := row[i], row[n+i], row[2*n+i]
					old := hp[b*n+i]
					dg[i] = dhb[i] * (old - new) * d(0, z)
					dnew := dhb[i] * (1 - z) * d(1, new)
					dg[2*n+i] = dnew
					keep[b*n+i] = dhb[i] * z
					if c.linear {
						dg[n+i] = dnew * extra[(t*c.b+b)*n+i] * d(0, rt)
						dq[b*n+i] = dnew * rt
						if drb != nil {
							drb[i] += dq[b*n+i]
						}
					} else {
						dq[b*n+i] = dnew
						rh[b*n+i] = rt * old
					}
				}
			case "LSTM":
				cp := c.previous(extra, c0, lengths, t, b)
				for i := range n {
					it, o, f, new := row[i], row[n+i], row[2*n+i], row[3*n+i]
					ct := extra[(t*c.b+b)*n+i]
					hc := T(c.acts[2].f(float64(ct)))
					do := dhb[i] * hc * d(0, o)
					dcell := dcb[i] + dhb[i]*o*d(2, hc)
					if p != nil {
						dcell += do * p[n+i]
					}
					di, df := dcell*new*d(0, it), dcell*cp[i]*d(0, f)
					dg[i], dg[n+i], dg[2*n+i], dg[3*n+i] = di, do, df, dcell*it*d(1, new)
					dcb[i] = dcell * f
					if p != nil {
						dcb[i] += di*p[i] + df*p[2*n+i]
						if dp != nil {
							dp[i] += di * cp[i]
							dp[n+i] += do * ct
							dp[2*n+i] += df * cp[i]
						}
					}
				}
			}
		}
		copy(dh, keep)
		direct := width // columns of the gates that read the state as it is and are known by now
		switch {
		case c.linear:
			direct = 2 * n
		case c.cell == "GRU":
			direct = n
		}
		c.mul(false, false, c.b, n, direct, g, width, r, n, true, dh, n)
		c.mul(true, false, direct, n, c.b, g, width, hp, n, true, dr, n)
		if c.cell == "GRU" && c.linear {
			c.mul(false, false, c.b, n, n, dq, n, r[2*n*n:], n, true, dh, n)
			c.mul(true, false, n, n, c.b, dq, n, hp, n, true, dr[2*n*n:], n)
		} else if c.cell == "GRU" {
			c.mul(false, false, c.b, n, n, dq, n, r[2*n*n:], n, false, drh, n)
			c.mul(true, false, n, n, c.b, dq, n, rh, n, true, dr[2*n*n:], n)
			for b := range c.b {
				if lengths != nil && t >= int(lengths[b]) {
					continue
				}
				row, dg := gates[(t*c.b+b)*width:][:width], g[b*width:][:width]
				for i := range n {
					k := b*n + i
					rt := row[n+i]
					dg[n+i] = drh[k] * hp[k] * d(0, rt)
					dh[k] += drh[k] * rt
				}
			}
			c.mul(false, false, c.b, n, n, g[n:], width, r[n*n:], n, true, dh, n)
			c.mul(true, false, n, n, c.b, g[n:], width, hp, n, true, dr[n*n:], n)
		}
	})
	copy(dataOf[T](out, 2), dh)
	copy(dataOf[T](out, 3), dc)
	return nil
}

func recurrenceCases() []ir.Case {
	lengths := tensor.Of([]int64{3, 1})
	lstm := func(a ir.Attrs) ir.Attrs { return a.With("cell", "LSTM") }
	gru := func(a ir.Attrs) ir.Attrs { return a.With("cell", "GRU") }
	return []ir.Case{
		{Name: "RNN", Attrs: ir.Attrs{"cell": "RNN"}, Inputs: []*tensor.Tensor{random(3, 2, 4), random(4, 4), random(2, 4)}},
		{Name: "RNN reverse", Attrs: ir.Attrs{"cell": "RNN", "reverse": 1, "activations": []string{"Softsign"}}, Inputs: []*tensor.Tensor{random(3, 2, 4), random(4, 4), random(2, 4), nil, nil, nil, lengths}},
		{Name: "GRU", Attrs: gru(nil), Inputs: []*tensor.Tensor{random(3, 2, 9), random(9, 3), random(2, 3)}},
		{Name: "GRU linear", Attrs: gru(ir.Attrs{"linear_before_reset": 1}), Inputs: []*tensor.Tensor{random(3, 2, 9), random(9, 3), random(2, 3), nil, nil, random(3)}},
		{Name: "GRU lengths", Attrs: gru(nil), Inputs: []*tensor.Tensor{random(3, 2, 9), random(9, 3), random(2, 3), nil, nil, nil, lengths}},
		{Name: "GRU linear reverse lengths", Attrs: gru(ir.Attrs{"linear_before_reset": 1, "reverse": 1}), Inputs: []*tensor.Tensor{random(3, 2, 9), random(9, 3), nil, nil, nil, random(3), lengths}},
		{Name: "LSTM", Attrs: lstm(nil), Inputs: []*tensor.Tensor{random(3, 2, 12), random(12, 3), random(2, 3), random(2, 3)}},
		{Name: "LSTM peepholes", Attrs: lstm(nil), Inputs: []*tensor.Tensor{random(3, 2, 12), random(12, 3), nil, random(2, 3), random(9)}},
		{Name: "LSTM reverse lengths", Attrs: lstm(ir.Attrs{"reverse": 1}), Inputs: []*tensor.Tensor{random(3, 2, 12), random(12, 3), random(2, 3), random(2, 3), random(9), nil, lengths}},
		{Name: "LSTM activations", Attrs: lstm(ir.Attrs{"activations": []string{"HardSigmoid", "ScaledTanh", "Affine"},
			"activation_alpha": []float32{0.2, 1.5, 0.7}, "activation_beta": []float32{0.5, 0.6, 0.1}}), Inputs: []*tensor.Tensor{random(2, 2, 12), random(12, 3)}},
	}
}
