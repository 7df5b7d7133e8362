package kernel

import "math"

// Attention is scaled dot-product attention,
//
//	y = softmax(Scale*q*transpose(k) + mask) * v
//
// for each example and head, computed in blocks: no Tq by Tk matrix is kept
// (Dao and others, FlashAttention, 2022). A row that may look at nothing is 0.
type Attention struct {
	Batch, Heads int
	KVHeads      int     // heads of k and v: query head h reads h*KVHeads/Heads
	Tq, Tk       int     // query and key positions
	D, Dv        int     // width of a head in q and k, and in v and y
	Scale        float32 // greater than 0
	// Causal lets query i look at keys j <= i+Past only.
	Causal bool
	Past   int

	Q, K, V, Y HeadLayout // the gradients have the layouts of their values

	// Mask is added to the scaled product, at Mask[b*MaskBatch + h*MaskHead + i*MaskRow + j*MaskCol];
	// a step of 0 repeats it. nil means none.
	Mask                                  []float32
	MaskBatch, MaskHead, MaskRow, MaskCol int
}

// HeadLayout holds the steps, in values, between examples, heads and positions of
// a tensor whose head vectors are contiguous. Of [B,T,H,D] they are T*H*D, D and H*D;
// of [B,H,T,D] H*T*D, T*D and D.
type HeadLayout struct{ Batch, Head, Row int }

// attentionRows and attentionKeys are the block sizes.
const (
	attentionRows = 128
	attentionKeys = 512
)

// Forward computes y, and into lse, of shape [Batch, Heads, Tq], the logarithm of
// each row's sum of exponentials, which Backward reads. lse may be nil.
func (a *Attention) Forward(y, lse, q, k, v []float32) {
	blocks := (a.Tq + attentionRows - 1) / attentionRows
	Parallel(a.Batch*a.Heads*blocks, func(i int) {
		b, h := i/blocks/a.Heads, i/blocks%a.Heads
		from := i % blocks * attentionRows
		a.forwardBlock(y, lse, q, k, v, b, h, from, min(from+attentionRows, a.Tq))
	})
}

func (a *Attention) forwardBlock(y, lse, q, k, v []float32, b, h, from, to int) {
	rows := to - from
	g := h * a.KVHeads / a.Heads
	q = q[b*a.Q.Batch+h*a.Q.Head+from*a.Q.Row:]
	k = k[b*a.K.Batch+g*a.K.Head:]
	v = v[b*a.V.Batch+g*a.V.Head:]
	y = y[b*a.Y.Batch+h*a.Y.Head+from*a.Y.Row:]

	buf := getScratch(attentionRows * (min(attentionKeys, a.Tk) + 2))
	defer putScratch(buf)
	top := (*buf)[:rows]
	sum := (*buf)[rows : 2*rows]
	s := (*buf)[2*rows:]
	for i := range rows {
		top[i], sum[i] = -inf32, 0
		clear(y[i*a.Y.Row : i*a.Y.Row+a.Dv])
	}
	for j := 0; j < a.keyEnd(to); j += attentionKeys {
		n := min(attentionKeys, a.keyEnd(to)-j)
		Gemm(false, true, rows, n, a.D, q, a.Q.Row, k[j*a.K.Row:], a.K.Row, false, s, n, nil)
		for i := range rows {
			row := s[i*n : (i+1)*n]
			scale := a.logits(row, b, h, from+i, j)
			m := vec.maxOf(row) * scale
			if m <= top[i] {
				m = top[i]
			}
			if m == -inf32 {
				clear(row)
				continue
			}
			if m > top[i] && sum[i] > 0 {
				c := exp32(top[i] - m)
				sum[i] *= c
				o := y[i*a.Y.Row : i*a.Y.Row+a.Dv]
				scaleSpan(o, o, c)
			}
			top[i] = m
			sum[i] += vec.expSum(row, row, scale, m)
		}
		Gemm(false, false, rows, a.Dv, n, s, n, v[j*a.V.Row:], a.V.Row, true, y, a.Y.Row, nil)
	}
	for i := range rows {
		o := y[i*a.Y.Row : i*a.Y.Row+a.Dv]
		l := -inf32
		if sum[i] != 0 {
			scaleSpan(o, o, 1/sum[i])
			l = top[i] + float32(math.Log(float64(sum[i])))
		}
		if lse != nil {
			lse[(b*a.Heads+h)*a.Tq+from+i] = l
		}
	}
}

// keyEnd is one past the last key that any query before to may look at.
func (a *Attention) keyEnd(to int) int {
	if a.Causal {
		return max(0, min(a.Tk, to+a.Past))
	}
	return a.Tk
}

// logits masks a row of products of query i with keys j and on. It returns the
// factor that is still to be applied: Scale, or 1 where the mask was added.
func (a *Attention) logits(row []float32, b, h, i, j int) float32 {
	scale := a.Scale
	if a.Mask != nil {
		m := a.Mask[b*a.MaskBatch+h*a.MaskHead+i*a.MaskRow+j*a.MaskCol:]
		if a.MaskCol == 1 {
			vec.axpby(row, m[:len(row)], 1, scale)
		} else {
			for t := range row {
				row[t] = row[t]*scale + m[t*a.MaskCol]
			}
		}
		scale = 1
	}
	if a.Causal {
		for t := max(0, i+a.Past+1-j); t < len(row); t++ {
			row[t] = -inf32
		}
	}
	return scale
}

// Backward computes the gradients of q, k and v, overwriting dq, dk and dv, from the gradient
// dy and what Forward read and wrote.
func (a *Attention) Backward(dq, dk, dv, dy, q, k, v, y, lse []float32) {
	Parallel(a.Batch*a.KVHeads, func(i int) {
		a.backwardHead(dq, dk, dv, dy, q, k, v, y, lse, i/a.KVHeads, i%a.KVHeads)
	})
}

// backwardHead handles one head of k and v and all the query heads that read it.
func (a *Attention) backwardHead(dq, dk, dv, dy, q, k, v, y, lse []float32, b, g int) {
	k = k[b*a.K.Batch+g*a.K.Head:]
	v = v[b*a.V.Batch+g*a.V.Head:]
	dk = dk[b*a.K.Batch+g*a.K.Head:]
	dv = dv[b*a.V.Batch+g*a.V.Head:]
	for j := range a.Tk {
		clear(dk[j*a.K.Row : j*a.K.Row+a.D])
		clear(dv[j*a.V.Row : j*a.V.Row+a.Dv])
	}
	keys := min(attentionKeys, a.Tk)
	buf := getScratch(2*attentionRows*keys + attentionRows)
	defer putScratch(buf)
	p, ds := (*buf)[:attentionRows*keys], (*buf)[attentionRows*keys:2*attentionRows*keys]
	delta := (*buf)[2*attentionRows*keys:]

	group := a.Heads / a.KVHeads
	for h := g * group; h < (g+1)*group; h++ {
		for from := 0; from < a.Tq; from += attentionRows {
			to := min(from+attentionRows, a.Tq)
			rows := to - from
			qb := q[b*a.Q.Batch+h*a.Q.Head+from*a.Q.Row:]
			dqb := dq[b*a.Q.Batch+h*a.Q.Head+from*a.Q.Row:]
			yb := y[b*a.Y.Batch+h*a.Y.Head+from*a.Y.Row:]
			dyb := dy[b*a.Y.Batch+h*a.Y.Head+from*a.Y.Row:]
			lb := lse[(b*a.Heads+h)*a.Tq+from:]
			for i := range rows {
				delta[i] = vec.dot(dyb[i*a.Y.Row:i*a.Y.Row+a.Dv], yb[i*a.Y.Row:i*a.Y.Row+a.Dv])
				clear(dqb[i*a.Q.Row : i*a.Q.Row+a.D])
			}
			for j := 0; j < a.keyEnd(to); j += attentionKeys {
				n := min(attentionKeys, a.keyEnd(to)-j)
				Gemm(false, true, rows, n, a.D, qb, a.Q.Row, k[j*a.K.Row:], a.K.Row, false, p, n, nil)
				Gemm(false, true, rows, n, a.Dv, dyb, a.Y.Row, v[j*a.V.Row:], a.V.Row, false, ds, n, nil)
				for i := range rows {
					row, d := p[i*n:(i+1)*n], ds[i*n:(i+1)*n]
					if lb[i] == -inf32 {
						clear(row)
						clear(d)
						continue
					}
					vec.expSum(row, row, a.logits(row, b, h, from+i, j), lb[i])
					vec.softmaxGrad(d, d, row, delta[i])
					scaleSpan(d, d, a.Scale)
				}
				Gemm(true, false, n, a.Dv, rows, p, n, dyb, a.Y.Row, true, dv[j*a.V.Row:], a.V.Row, nil)
				Gemm(false, false, rows, a.D, n, ds, n, k[j*a.K.Row:], a.K.Row, true, dqb, a.Q.Row, nil)
				Gemm(true, false, n, a.D, rows, ds, n, qb, a.Q.Row, true, dk[j*a.K.Row:], a.K.Row, nil)
			}
		}
	}
}
