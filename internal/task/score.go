package task

import "math"

// Score measures how good weights are on the validation examples.
type Score struct {
	Metric float64 `json:"metric"` // accuracy or another metric; higher is better
	Loss   float64 `json:"loss"`   // decides between equal metrics; lower is better
}

// Better reports whether s is strictly better than t. A score that is not finite is worse than any
// finite one.
func (s Score) Better(t Score) bool {
	switch {
	case !s.Finite():
		return false
	case !t.Finite():
		return true
	case s.Metric != t.Metric:
		return s.Metric > t.Metric
	}
	return s.Loss < t.Loss
}

// Finite reports whether both numbers are finite.
func (s Score) Finite() bool { return Finite(s.Metric) != nil && Finite(s.Loss) != nil }

// Finite returns a pointer to v, or nil if v is NaN or infinite, which JSON cannot hold.
func Finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
