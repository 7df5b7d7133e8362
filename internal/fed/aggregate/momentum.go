package aggregate

import (
	"fmt"
)

// Momentum adds the change to a decaying sum of the earlier ones and steps by Rate times the sum.
// With Beta 0 and Rate 1 the step is the change itself. Beta 0.9 is FedAvgM (Hsu, Qi, Brown,
// Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification,
// 2019).
type Momentum struct {
	Rate, Beta float64
	sum        []float32
}

// Step returns Rate * sum, where sum = Beta*sum + delta.
func (o *Momentum) Step(delta []float32) []float32 {
	if o.Beta == 0 {
		for i, v := range delta {
			delta[i] = float32(o.Rate * float64(v))
		}
		return delta
	}
	if o.sum == nil {
		o.sum = make([]float32, len(delta))
	}
	for i, v := range delta {
		o.sum[i] = float32(o.Beta*float64(o.sum[i]) + float64(v))
		delta[i] = float32(o.Rate * float64(o.sum[i]))
	}
	return delta
}

// State holds "sum", after the first step with a Beta.
func (o *Momentum) State() map[string][]float32 {
	if o.sum == nil {
		return nil
	}
	return map[string][]float32{"sum": o.sum}
}

// Restore goes on from a State.
func (o *Momentum) Restore(state map[string][]float32) error {
	o.sum = state["sum"]
	return only(state, "sum")
}

// only errors where a state holds other names than these.
func only(state map[string][]float32, names ...string) error {
	for name := range state {
		ok := false
		for _, n := range names {
			ok = ok || n == name
		}
		if !ok {
			return fmt.Errorf("aggregate: the state holds %q, which belongs to another strategy", name)
		}
	}
	return nil
}
