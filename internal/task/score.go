package task

import "math"

// Score is how good weights are on the validation examples.
type Score struct {
	Metric float64 `json:"metric"` // accuracy or another number of which more is better
	Loss   float64 `json:"loss"`   // decides between equal metrics; less is better
}

// Better reports whether s is strictly better than t. One that is not finite is worse than any that
// is.
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

// Finite reports whether both numbers are.
func (s Score) Finite() bool { return Finite(s.Metric) != nil && Finite(s.Loss) != nil }

// Finite is a pointer to v, nil for what JSON cannot hold.
func Finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
