package kernel

import (
	"math"
	"sync"
)

// Softmax is y[i,j] = exp(x[i,j]) / sum over k of exp(x[i,k]), for rows of width c.
func Softmax(y, x []float32, rows, c int) {
	if c == 0 {
		return
	}
	rowChunks(rows, max(c, narrow), func(lo, hi int) {
		if c == 2 {
			softmaxPairs(y[lo*c:hi*c], x[lo*c:hi*c])
			return
		}
		for i := lo; i < hi; i++ {
			softmaxRow(y[i*c:(i+1)*c], x[i*c:(i+1)*c])
		}
	})
}

// narrow is the width below which a row costs what its calls of vector kernels cost.
const narrow = 64

// softmaxPairs is softmaxRow of rows of two, as detectors have by the thousand: the exponentials
// of all rows are taken at once.
func softmaxPairs(y, x []float32) {
	for i := 1; i < len(x); i += 2 {
		a, b := x[i-1], x[i]
		m := max(a, b)
		y[i-1], y[i] = a-m, b-m
	}
	vec.exp(y, y)
	for i := 1; i < len(y); i += 2 {
		r := 1 / (y[i-1] + y[i])
		y[i-1] *= r
		y[i] *= r
	}
}

func softmaxRow(y, x []float32) {
	s := vec.expSum(y, x, 1, vec.maxOf(x))
	scaleSpan(y, y, 1/s)
}

// SoftmaxGrad is dx = (dy - sum(dy*y))*y for each row, from the output y.
func SoftmaxGrad(dx, dy, y []float32, rows, c int) {
	if c == 0 {
		return
	}
	rowChunks(rows, c, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			g, v := dy[i*c:(i+1)*c], y[i*c:(i+1)*c]
			vec.softmaxGrad(dx[i*c:(i+1)*c], g, v, vec.dot(g, v))
		}
	})
}

// expBuffers saves an allocation per row in logSumExp, as slices passed to a kernel escape.
var expBuffers = sync.Pool{New: func() any { return new([256]float32) }}

// logSumExp is log(sum(exp(x))), without overflow.
func logSumExp(x []float32) float32 {
	m := vec.maxOf(x)
	if m-m != 0 { // infinite or NaN
		return m
	}
	buf := expBuffers.Get().(*[256]float32)
	defer expBuffers.Put(buf)
	var s float64
	for ; len(x) > 0; x = x[min(len(buf), len(x)):] {
		n := min(len(buf), len(x))
		s += float64(vec.expSum(buf[:n], x[:n], 1, m))
	}
	return m + float32(math.Log(s))
}

// LogSoftmax is y[i,j] = x[i,j] - log(sum over k of exp(x[i,k])).
func LogSoftmax(y, x []float32, rows, c int) {
	if c == 0 {
		return
	}
	rowChunks(rows, c, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			v := x[i*c : (i+1)*c]
			vec.affine(y[i*c:(i+1)*c], v, 1, -logSumExp(v))
		}
	})
}

// LogSoftmaxGrad is dx = dy - exp(y)*sum(dy) for each row, from the output y.
func LogSoftmaxGrad(dx, dy, y []float32, rows, c int) {
	rowChunks(rows, c, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			g, v := dy[i*c:(i+1)*c], y[i*c:(i+1)*c]
			s := vec.sum(g)
			for j, d := range g {
				dx[i*c+j] = d - s*exp32(v[j])
			}
		}
	})
}

// CrossEntropy is the softmax cross-entropy of integer labels, with PyTorch's
// rules for smoothing and class weights:
//
//	loss[i] = (1-e)*w[t]*-logp[t] + e/c*sum over j of w[j]*-logp[j],  t = labels[i]
//
// The mean over a batch divides the sum of the losses by Weight of the labels.
type CrossEntropy struct {
	// Smoothing is e above, from 0 to 1.
	Smoothing float32
	// Weights is w, one for each class; nil means all 1.
	Weights []float32
	// Ignore is a label whose rows have no loss and no gradient; it counts only
	// if HasIgnore is set.
	Ignore    int64
	HasIgnore bool
}

// weight is w[j].
func (e *CrossEntropy) weight(j int) float32 {
	if e.Weights == nil {
		return 1
	}
	return e.Weights[j]
}

func (e *CrossEntropy) ignored(label int64) bool { return e.HasIgnore && label == e.Ignore }

// Weight is the sum of the class weights of the labels: what a mean divides by.
func (e *CrossEntropy) Weight(labels []int64) float32 {
	var s float64
	for _, t := range labels {
		if !e.ignored(t) {
			s += float64(e.weight(int(t)))
		}
	}
	return float32(s)
}

// weightSum is the sum of all class weights.
func (e *CrossEntropy) weightSum(c int) float32 {
	if e.Weights == nil {
		return float32(c)
	}
	return float32(sum64(e.Weights))
}

// Loss writes the loss of each row of logits x, shape [len(labels), c]. Labels
// are in [0, c) or ignored.
func (e *CrossEntropy) Loss(loss, x []float32, labels []int64, c int) {
	ws := e.weightSum(c)
	rowChunks(len(labels), c, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			t := labels[i]
			if e.ignored(t) {
				loss[i] = 0
				continue
			}
			row := x[i*c : (i+1)*c]
			lse := logSumExp(row)
			l := (1 - e.Smoothing) * e.weight(int(t)) * (lse - row[t])
			if e.Smoothing != 0 {
				s := ws * lse
				if e.Weights == nil {
					s -= float32(sum64(row))
				} else {
					s -= vec.dot(e.Weights, row)
				}
				l += e.Smoothing / float32(c) * s
			}
			loss[i] = l
		}
	})
}

// Grad writes the gradient of sum over i of scale*loss[i] with respect to x. For a
// mean, scale is 1/Weight(labels) times the gradient of the loss.
func (e *CrossEntropy) Grad(dx, x []float32, labels []int64, c int, scale float32) {
	e.GradRows(dx, x, labels, c, func(int) float32 { return scale })
}

// GradRows is Grad with a scale for each row.
func (e *CrossEntropy) GradRows(dx, x []float32, labels []int64, c int, scale func(i int) float32) {
	ws := e.weightSum(c)
	rowChunks(len(labels), c, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			t := labels[i]
			row, d := x[i*c:(i+1)*c], dx[i*c:(i+1)*c]
			if e.ignored(t) {
				clear(d)
				continue
			}
			// d loss/d x = (a + b*sum(w))*p - a*onehot - b*w
			a := (1 - e.Smoothing) * e.weight(int(t))
			b := e.Smoothing / float32(c)
			k := scale(i)
			s := vec.expSum(d, row, 1, vec.maxOf(row))
			switch {
			case b == 0:
				scaleSpan(d, d, k*a/s)
			case e.Weights == nil:
				vec.affine(d, d, k*(a+b*ws)/s, -k*b)
			default:
				scaleSpan(d, d, k*(a+b*ws)/s)
				vec.axpy(d, e.Weights, -k*b)
			}
			d[t] -= k * a
		}
	})
}
