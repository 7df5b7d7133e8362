package kernel

import "math"

// CTC is the connectionist temporal classification of one example (Graves et al. 2006): the
// negative logarithm of the probability that frames of scores, with blanks and repeats taken out,
// read labels. x holds frames rows of c scores, of which the softmax is taken here; labels are
// classes other than blank. It is +Inf where the frames are too few for the labels, or there are
// none for any.
//
// With dx, of the size of x, it writes the gradient of scale times the loss there, which is NaN
// where the loss is not finite. Everything is computed in float64 on logarithms:
//
//	l = blank, labels[0], blank, labels[1], ..., blank
//	a[t,s] = logp[t,l[s]] + logsum(a[t-1,s], a[t-1,s-1], a[t-1,s-2] if l[s] is neither blank nor l[s-2])
//	b[t,s] = logsum over the s' that s leads to of b[t+1,s'] + logp[t+1,l[s']]
//	loss = -logsum(a[T-1,S-1], a[T-1,S-2])
//	dx[t,k] = scale * (exp(logp[t,k]) - sum over s with l[s] = k of exp(a[t,s] + b[t,s] + loss))
func CTC[F float32 | float64](dx, x []F, c int, labels []int64, blank int, scale float64) float64 {
	frames, n := len(x)/c, 2*len(labels)+1
	if frames == 0 {
		if n == 1 {
			return 0
		}
		return math.Inf(1)
	}
	l := make([]int, n)
	skips := make([]bool, n) // a path may come from two places before
	for s := range l {
		l[s] = blank
		if s%2 == 1 {
			l[s] = int(labels[s/2])
			skips[s] = s > 2 && l[s] != l[s-2]
		}
	}
	logp := make([]float64, frames*c)
	for t := range frames {
		LogSoftmaxRow(logp[t*c:(t+1)*c], x[t*c:(t+1)*c])
	}
	a := make([]float64, frames*n)
	for s := range n {
		a[s] = math.Inf(-1)
		if s < 2 {
			a[s] = logp[l[s]]
		}
	}
	for t := 1; t < frames; t++ {
		from, to, p := a[(t-1)*n:t*n], a[t*n:(t+1)*n], logp[t*c:(t+1)*c]
		for s := range n {
			v := from[s]
			if s > 0 {
				v = LogAddExp(v, from[s-1])
			}
			if skips[s] {
				v = LogAddExp(v, from[s-2])
			}
			to[s] = v + p[l[s]]
		}
	}
	end := a[(frames-1)*n:]
	total := end[n-1]
	if n > 1 {
		total = LogAddExp(total, end[n-2])
	}
	if dx == nil {
		return -total
	}
	if math.IsInf(total, -1) {
		for i := range dx {
			dx[i] = F(math.NaN())
		}
		return -total
	}
	b, next := make([]float64, n), make([]float64, n)
	for s := range b {
		b[s] = math.Inf(-1)
		if s >= n-2 {
			b[s] = 0
		}
	}
	read := make([]float64, c) // the probability that a frame reads each class
	for t := frames - 1; t >= 0; t-- {
		clear(read)
		for s, k := range l {
			read[k] += math.Exp(a[t*n+s] + b[s] - total)
		}
		p := logp[t*c : (t+1)*c]
		for k, r := range read {
			dx[t*c+k] = F(scale * (math.Exp(p[k]) - r))
		}
		for s := range n {
			b[s] += p[l[s]]
		}
		for s := range n {
			v := b[s]
			if s+1 < n {
				v = LogAddExp(v, b[s+1])
			}
			if s+2 < n && skips[s+2] {
				v = LogAddExp(v, b[s+2])
			}
			next[s] = v
		}
		b, next = next, b
	}
	return -total
}

// LogSoftmaxRow is log softmax of one row in float64: y[j] = x[j] - log(sum over k of exp(x[k])).
func LogSoftmaxRow[F float32 | float64](y []float64, x []F) {
	m := math.Inf(-1)
	for _, v := range x {
		m = max(m, float64(v))
	}
	var s float64
	for _, v := range x {
		s += math.Exp(float64(v) - m)
	}
	m += math.Log(s)
	for j, v := range x {
		y[j] = float64(v) - m
	}
}

// LogAddExp is log(exp(x) + exp(y)).
func LogAddExp(x, y float64) float64 {
	hi, lo := math.Max(x, y), math.Min(x, y)
	if math.IsInf(hi, 0) {
		return hi
	}
	return hi + math.Log1p(math.Exp(lo-hi))
}
