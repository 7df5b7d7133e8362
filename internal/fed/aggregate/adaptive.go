package aggregate

import (
	"fmt"
	"math"
)

// Adaptive divides a running mean of the changes, weight by weight, by the root of a running
// measure of their squares. Kind says which: "adagrad" sums the squares, "adam" takes their
// exponential mean, and "yogi" moves toward the square by at most a share of it (Reddi, Charles,
// Zaheer, Garrett, Rush, Konecny, Kumar, McMahan, Adaptive Federated Optimization, ICLR 2021,
// algorithm 2). There is no correction for the start, as there.
//
// Tau keeps the divisor from zero. The measure begins at Tau squared.
type Adaptive struct {
	Kind                    string
	Rate, Beta1, Beta2, Tau float64
	mean, square            []float32
}

// Step returns Rate * mean / (sqrt(square) + Tau).
func (o *Adaptive) Step(delta []float32) []float32 {
	if o.mean == nil {
		o.mean, o.square = make([]float32, len(delta)), make([]float32, len(delta))
		for i := range o.square {
			o.square[i] = float32(o.Tau * o.Tau)
		}
	}
	for i, d := range delta {
		m := o.Beta1*float64(o.mean[i]) + (1-o.Beta1)*float64(d)
		v, q := float64(o.square[i]), float64(d)*float64(d)
		switch o.Kind {
		case "adagrad":
			v += q
		case "adam":
			v = o.Beta2*v + (1-o.Beta2)*q
		case "yogi":
			if v > q {
				v -= (1 - o.Beta2) * q
			} else {
				v += (1 - o.Beta2) * q
			}
		default:
			panic(fmt.Sprintf("aggregate: no kind %q", o.Kind))
		}
		o.mean[i], o.square[i] = float32(m), float32(v)
		delta[i] = float32(o.Rate * m / (math.Sqrt(v) + o.Tau))
	}
	return delta
}

// State holds "mean" and "square", after the first step.
func (o *Adaptive) State() map[string][]float32 {
	if o.mean == nil {
		return nil
	}
	return map[string][]float32{"mean": o.mean, "square": o.square}
}

// Restore goes on from a State.
func (o *Adaptive) Restore(state map[string][]float32) error {
	o.mean, o.square = state["mean"], state["square"]
	if len(o.mean) != len(o.square) {
		return fmt.Errorf("aggregate: the state has %d means and %d squares", len(o.mean), len(o.square))
	}
	return only(state, "mean", "square")
}
