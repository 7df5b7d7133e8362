package choose

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

func init() {
	Register(Criterion{"logme", func(e *Evidence) (float64, error) { return LogME(e.Sample) }})
}

// LogME is the log evidence of a Bayesian linear model from features to one-hot labels, per example
// and averaged over the classes. It says how well the labels follow from the features, without
// training a head. Larger is better.
//
//	L(α,β) = N/2 log β + D/2 log α − N/2 log 2π − β/2 |F m − y|² − α/2 |m|² − ½ log|A|
//	A = α I + β Fᵀ F,   m = β A⁻¹ Fᵀ y
//
// It is maximised over α and β by MacKay's fixed point α = γ/|m|², β = (N−γ)/|F m − y|², γ = Σ
// βσ²/(α+βσ²), in the basis of the singular values σ of F. Features are not centred.
//
// You, Liu, Wang, Long: LogME: Practical Assessment of Pre-trained Models for Transfer Learning,
// ICML 2021, equation 2 and algorithm 1; the fixed point in the singular basis: You et al., Ranking
// and Tuning Pre-trained Models, JMLR 2022, algorithm 3.
func LogME(s *Sample) (float64, error) {
	sv, ut, err := spectrum(s.X, s.oneHot())
	if err != nil {
		return 0, err
	}
	return evidence(sv, ut, s), nil
}

func evidence(sv []float64, ut *mat.Dense, s *Sample) float64 {
	const tiny = 1e-12 // keeps a perfect fit, and one that uses no feature, finite
	n := float64(s.Len())
	counts := make([]float64, s.Classes)
	for _, y := range s.Y {
		counts[y]++
	}
	var sigma []float64
	for _, v := range sv {
		if v > sv[0]*1e-10 {
			sigma = append(sigma, v*v)
		}
	}
	sum, classes := 0.0, 0
	for c := range s.Classes {
		if counts[c] == 0 {
			continue
		}
		x2, outside := make([]float64, len(sigma)), counts[c] // |y|², less what U spans
		for j := range sigma {
			x2[j] = ut.At(j, c) * ut.At(j, c)
			outside -= x2[j]
		}
		outside = max(outside, 0)
		alpha, beta := 1.0, 1.0
		var m2, res2 float64
		for range 100 {
			t := alpha / beta
			gamma := 0.0
			m2, res2 = 0, outside
			for j, v := range sigma {
				gamma += v / (v + t)
				m2 += v * x2[j] / ((t + v) * (t + v))
				res2 += x2[j] * (t / (t + v)) * (t / (t + v))
			}
			alpha = (gamma + tiny) / (m2 + tiny)
			beta = (n - gamma + tiny) / (res2 + tiny*n)
			if math.Abs(alpha/beta-t) <= 1e-9*t {
				break
			}
		}
		l := n/2*math.Log(beta) - n/2*math.Log(2*math.Pi) - beta/2*res2 - alpha/2*m2
		for _, v := range sigma { // D/2 log α cancels where σ is 0
			l += (math.Log(alpha) - math.Log(alpha+beta*v)) / 2
		}
		sum += l / n
		classes++
	}
	return sum / float64(classes)
}
