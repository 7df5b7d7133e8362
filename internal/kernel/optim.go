package kernel

import "math"

// SGD is stochastic gradient descent with PyTorch's rules (torch.optim.SGD):
//
//	d = g + WeightDecay*w
//	b = d on the first step, else Momentum*b + (1-Dampening)*d   if Momentum != 0
//	d = d + Momentum*b if Nesterov, else b                       if Momentum != 0
//	w = w - LR*d
type SGD struct {
	LR, Momentum, Dampening, WeightDecay float64
	Nesterov                             bool
}

type sgdParam struct {
	lr, momentum, damp, decay float32 // damp is 1-Dampening
	look, keep                float32 // the step is look*d + keep*b
}

// Step updates w from the gradient g and the momentum buffer buf, which is nil
// when Momentum is 0. first says that buf holds nothing yet. Elements whose mask
// is false are not touched, neither in w nor in buf; a nil mask means all.
func (s SGD) Step(w, g, buf []float32, first bool, mask []bool) {
	p := sgdParam{
		lr: float32(s.LR), momentum: float32(s.Momentum), damp: float32(1 - s.Dampening),
		decay: float32(s.WeightDecay), look: 0, keep: 1,
	}
	switch {
	case s.Momentum == 0:
		buf, p.look, p.keep = nil, 1, 0
	case s.Nesterov:
		p.look, p.keep = 1, float32(s.Momentum)
	}
	if first {
		p.damp = 1
		if buf != nil {
			clearMasked(buf[:len(w)], mask)
		}
	}
	chunks(len(w), chunk, func(lo, hi int) {
		var b []float32
		if buf != nil {
			b = buf[lo:hi]
		}
		runs(mask, lo, hi, func(i, j int) {
			if b == nil {
				vec.sgd(w[i:j], g[i:j], nil, &p)
			} else {
				vec.sgd(w[i:j], g[i:j], b[i-lo:j-lo], &p)
			}
		})
	})
}

// clearMasked zeroes the elements of x whose mask is true.
func clearMasked(x []float32, mask []bool) {
	runs(mask, 0, len(x), func(i, j int) { clear(x[i:j]) })
}

// runs calls f for each run of true elements of mask in [lo, hi).
func runs(mask []bool, lo, hi int, f func(i, j int)) {
	if mask == nil {
		f(lo, hi)
		return
	}
	for i := lo; i < hi; {
		if !mask[i] {
			i++
			continue
		}
		j := i + 1
		for j < hi && mask[j] {
			j++
		}
		f(i, j)
		i = j
	}
}

func sgdGo(w, g, buf []float32, p *sgdParam) {
	for i, v := range w {
		d := g[i] + p.decay*v
		if len(buf) > 0 {
			b := p.momentum*buf[i] + p.damp*d
			buf[i] = b
			d = p.look*d + p.keep*b
		}
		w[i] = v - p.lr*d
	}
}

// AdamW is Adam with decoupled weight decay, PyTorch's rules (torch.optim.AdamW):
//
//	w = w*(1 - LR*WeightDecay)
//	m = Beta1*m + (1-Beta1)*g,  v = Beta2*v + (1-Beta2)*g*g
//	w = w - LR/(1-Beta1**t) * m / (sqrt(v)/sqrt(1-Beta2**t) + Eps)
type AdamW struct {
	LR, Beta1, Beta2, Eps, WeightDecay float64
}

type adamwParam struct {
	shrink, beta1, rest1, beta2, rest2 float32
	step, root, eps                    float32 // root is 1/sqrt(1-Beta2**t)
}

// Step updates w from the gradient g and the moments m and v, all zero before
// step t = 1. Elements whose mask is false are not touched, neither in w nor in
// the moments; a nil mask means all.
func (a AdamW) Step(w, g, m, v []float32, t int, mask []bool) {
	p := adamwParam{
		shrink: float32(1 - a.LR*a.WeightDecay),
		beta1:  float32(a.Beta1), rest1: float32(1 - a.Beta1),
		beta2: float32(a.Beta2), rest2: float32(1 - a.Beta2),
		step: float32(a.LR / (1 - math.Pow(a.Beta1, float64(t)))),
		root: float32(1 / math.Sqrt(1-math.Pow(a.Beta2, float64(t)))),
		eps:  float32(a.Eps),
	}
	chunks(len(w), chunk, func(lo, hi int) {
		runs(mask, lo, hi, func(i, j int) {
			vec.adamw(w[i:j], g[i:j], m[i:j], v[i:j], &p)
		})
	})
}

func adamwGo(w, g, m, v []float32, p *adamwParam) {
	for i, d := range g {
		m1 := p.beta1*m[i] + p.rest1*d
		v1 := p.beta2*v[i] + p.rest2*d*d
		m[i], v[i] = m1, v1
		w[i] = p.shrink*w[i] - p.step*m1/(sqrt32(v1)*p.root+p.eps)
	}
}

// GlobalNorm is the Euclidean norm of all gradients taken as one vector.
func GlobalNorm(grads ...[]float32) float64 {
	var s float64
	for _, g := range grads {
		s += SumSquares(g)
	}
	return math.Sqrt(s)
}

// ClipScale is the factor that brings a gradient of the given norm down to at most
// limit, as torch.nn.utils.clip_grad_norm_ computes it; 1 if it is within.
func ClipScale(norm, limit float64) float32 {
	return float32(min(1, limit/(norm+1e-6)))
}
