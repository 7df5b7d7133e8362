package privacy

import (
	"math"
)

// orders are the Renyi orders at which is counted. The best of them gives the bound, so more of
// them only tighten it.
var orders = func() []float64 {
	var a []float64
	for x := 1.1; x < 10.95; x += 0.1 {
		a = append(a, math.Round(x*10)/10)
	}
	for x := 11; x <= 64; x++ {
		a = append(a, float64(x))
	}
	for x := 72.; x <= 1024; x *= 1.125 {
		a = append(a, math.Round(x))
	}
	return a
}()

// divergence is the Renyi divergence of order a between a Gaussian mechanism of sensitivity 1 and
// noise sigma on a Poisson sample of rate q, with and without one client: the larger of both
// directions (Mironov, Talwar, Zhang, Renyi Differential Privacy of the Sampled Gaussian Mechanism,
// 2019, theorem 4).
func divergence(q, sigma, a float64) float64 {
	switch {
	case q == 0:
		return 0
	case sigma == 0:
		return math.Inf(1)
	case q == 1:
		return a / (2 * sigma * sigma)
	case a == math.Trunc(a):
		return binomial(q, sigma, a) / (a - 1)
	}
	return integral(q, sigma, a) / (a - 1)
}

// binomial is the logarithm of E[((1-q) + q L)^a] for a whole a, where L is the ratio of the
// densities of N(1, sigma^2) and N(0, sigma^2) and the mean is over the latter (section 3.3).
func binomial(q, sigma, a float64) float64 {
	sum := math.Inf(-1)
	for k := 0.; k <= a; k++ {
		term := choose(a, k) + k*math.Log(q) + (a-k)*math.Log1p(-q) + (k*k-k)/(2*sigma*sigma)
		sum = logAdd(sum, term)
	}
	return sum
}

// integral is the same for any a, by the trapezoid rule, whose error falls exponentially for a
// function that is smooth and ends on both sides.
func integral(q, sigma, a float64) float64 {
	s2 := sigma * sigma
	step := min(sigma/4, s2/2) // half of it changes nothing up to rounding
	lo, hi := -12*sigma, a+12*sigma
	n := int(math.Ceil((hi - lo) / step))
	sum := math.Inf(-1)
	for i := range n + 1 {
		z := lo + float64(i)*step
		mixed := logAdd(math.Log1p(-q), math.Log(q)+(2*z-1)/(2*s2))
		sum = logAdd(sum, -z*z/(2*s2)+a*mixed)
	}
	return sum + math.Log(step) - math.Log(sigma*math.Sqrt(2*math.Pi))
}

// choose is the logarithm of the binomial coefficient.
func choose(n, k float64) float64 {
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return a - b - c
}

// logAdd is log(e^a + e^b).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(a, -1) || math.IsInf(a, 1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// epsilonAt and deltaAt turn a divergence of one order into differential privacy (Canonne, Kamath,
// Steinke, The Discrete Gaussian for Differential Privacy, NeurIPS 2020, proposition 12).
func epsilonAt(a, rdp, delta float64) float64 {
	return max(0, rdp+math.Log1p(-1/a)-(math.Log(delta)+math.Log(a))/(a-1))
}

func deltaAt(a, rdp, epsilon float64) float64 {
	return min(1, math.Exp((a-1)*(rdp-epsilon+math.Log1p(-1/a))-math.Log(a)))
}
