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

	// Mask is added to the scaled product, at Mask[b*MaskBatch + h*MaskHead + i*MaskRow +
	// j*MaskCol]; a step of 0 repeats it. nil means none.
	Mask                                  []float32
	MaskBatch, MaskHead, MaskRow, MaskCol int
}

// HeadLayout holds the steps, in values, between examples, heads and positions of
// a tensor whose head vectors are contiguous. Of [B,T,H,D] they are T*H*D, D and H*D;
// of [B,H,T,D] H*T*D, T*D and D.
type HeadLayout struct{ Batch, Head, Row int }

// attentionRows and attentionKeys are the sizes of a block of products: with the
// keys and values it works on it fits the core's second cache.
const (
	attentionRows = 112
	attentionKeys = 512
)

// Forward computes y, and into lse, of shape [Batch, Heads, Tq], the logarithm of
// each row's sum of exponentials, which Backward reads. lse may be nil.
func (a *Attention) Forward(y, lse, q, k, v []float32) {
	blocks := split(a.Tq, attentionRows)
	group := a.Heads / a.KVHeads
	// A task packs the keys and values of one head for some of the queries.
	heads := a.Batch * a.KVHeads
	parts := min(group*blocks, split(16, max(1, heads)))
	Parallel(heads*parts, func(i int) {
		b, g := i/parts/a.KVHeads, i/parts%a.KVHeads
		kt, vp := a.packedKeys(k, b, g), a.packedValues(v, b, g)
		defer putScratch(kt)
		defer putScratch(vp)
		from, to := part(i%parts, group*blocks, parts)
		for t := from; t < to; t++ {
			t0, t1 := part(t%blocks, a.Tq, blocks)
			a.forwardBlock(y, lse, q, *kt, *vp, b, g*group+t/blocks, t0, t1)
		}
	})
}

// packedKeys is transpose(k) of a head, as the tile kernels read it.
func (a *Attention) packedKeys(k []float32, b, g int) *[]float32 {
	p := getScratch(packedSize(a.Tk, a.D))
	if a.Tk > 0 {
		packSerial(*p, true, a.Tk, a.D, k[b*a.K.Batch+g*a.K.Head:], a.K.Row)
	}
	return p
}

// packedValues is v of a head, block by block of keys, since the product adds
// up over them.
func (a *Attention) packedValues(v []float32, b, g int) *[]float32 {
	p := getScratch(packedSize(a.Dv, a.Tk))
	for j := 0; j < a.Tk; j += attentionKeys {
		n := min(attentionKeys, a.Tk-j)
		packSerial((*p)[j*packedSize(a.Dv, 1):], false, a.Dv, n, v[b*a.V.Batch+g*a.V.Head+j*a.V.Row:], a.V.Row)
	}
	return p
}

// multiply computes x on the calling goroutine.
func multiply(x product) {
	tiles := split(x.m, cpu.mr)
	x.block(0, tiles, tiles, 0, x.n)
}

// scores is s = q*transpose(k) for rows of q and keys j to j+n, packed.
func scores(s, q []float32, qrow, rows, d int, keys []float32, j, n int) {
	multiply(product{m: rows, n: n, k: d, a: q, ars: qrow, acs: 1,
		b: keys[j*d:], bks: cpu.nr, bps: cpu.nr * d, c: s, ldc: n})
}

func (a *Attention) forwardBlock(y, lse, q, keys, values []float32, b, h, from, to int) {
	rows := to - from
	q = q[b*a.Q.Batch+h*a.Q.Head+from*a.Q.Row:]
	y = y[b*a.Y.Batch+h*a.Y.Head+from*a.Y.Row:]
	buf := getScratch(attentionRows * (min(attentionKeys, a.Tk) + 2))
	defer putScratch(buf)
	top := (*buf)[:rows]
	sum := (*buf)[rows : 2*rows]
	s := (*buf)[2*attentionRows:]
	for i := range rows {
		top[i], sum[i] = -inf32, 0
	}
	end := a.keyEnd(to)
	for j := 0; j < end; j += attentionKeys {
		n := min(attentionKeys, end-j)
		scores(s, q, a.Q.Row, rows, a.D, keys, j, n)
		for i := range rows {
			row := s[i*n : (i+1)*n]
			scale := a.logits(row, b, h, from+i, j)
			m := max32(top[i], vec.maxOf(row)*scale)
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
		depth := min(attentionKeys, a.Tk-j) // of the packed block, of which n are used
		multiply(product{m: rows, n: a.Dv, k: n, a: s, ars: n, acs: 1, acc: j > 0,
			b: values[j*packedSize(a.Dv, 1):], bks: cpu.nr, bps: cpu.nr * depth, c: y, ldc: a.Y.Row})
	}
	for i := range rows {
		o := y[i*a.Y.Row : i*a.Y.Row+a.Dv]
		l := -inf32
		if end > 0 && sum[i] != 0 {
			scaleSpan(o, o, 1/sum[i])
			if lse != nil {
				l = top[i] + float32(math.Log(float64(sum[i])))
			}
		} else {
			clear(o)
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

// logits masks a row of products of query i with the keys from j on. It returns the factor still to
// be applied: Scale, or 1 if the mask was added.
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
	keys := a.packedKeys(k, b, g)
	defer putScratch(keys)
	values := getScratch(packedSize(a.Tk, a.Dv)) // transposed
	defer putScratch(values)
	if a.Tk > 0 {
		packSerial(*values, true, a.Tk, a.Dv, v[b*a.V.Batch+g*a.V.Head:], a.V.Row)
	}
	k = k[b*a.K.Batch+g*a.K.Head:]
	dk = dk[b*a.K.Batch+g*a.K.Head:]
	dv = dv[b*a.V.Batch+g*a.V.Head:]
	for j := range a.Tk {
		clear(dk[j*a.K.Row : j*a.K.Row+a.D])
		clear(dv[j*a.V.Row : j*a.V.Row+a.Dv])
	}
	block := attentionRows * min(attentionKeys, a.Tk)
	buf := getScratch(2*block + attentionRows)
	defer putScratch(buf)
	p, ds, delta := (*buf)[:block], (*buf)[block:2*block], (*buf)[2*block:]

	group := a.Heads / a.KVHeads
	blocks := split(a.Tq, attentionRows)
	for t := range group * blocks {
		h := g*group + t/blocks
		from, to := part(t%blocks, a.Tq, blocks)
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
		end := a.keyEnd(to)
		for j := 0; j < end; j += attentionKeys {
			n := min(attentionKeys, end-j)
			scores(p, qb, a.Q.Row, rows, a.D, *keys, j, n)
			scores(ds, dyb, a.Y.Row, rows, a.Dv, *values, j, n)
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
			multiply(product{m: rows, n: a.D, k: n, a: ds, ars: n, acs: 1, acc: true,
				b: k[j*a.K.Row:], bks: a.K.Row, bps: cpu.nr, c: dqb, ldc: a.Q.Row})
			multiply(product{m: n, n: a.Dv, k: rows, a: p, ars: 1, acs: n, acc: true,
				b: dyb, bks: a.Y.Row, bps: cpu.nr, c: dv[j*a.V.Row:], ldc: a.V.Row})
			multiply(product{m: n, n: a.D, k: rows, a: ds, ars: 1, acs: n, acc: true,
				b: qb, bks: a.Q.Row, bps: cpu.nr, c: dk[j*a.K.Row:], ldc: a.K.Row})
		}
	}
}
