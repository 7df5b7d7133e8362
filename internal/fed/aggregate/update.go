package aggregate

import (
	"fmt"
	"math"
)

// Update is what one client sends after its training in a round.
type Update struct {
	Client   string
	Examples int       // that it trained on
	Loss     float64   // mean loss of the weights that it was sent, on its training examples
	Delta    []float32 // its thawed weights after training minus before
}

// Rule combines the updates of a round.
type Rule interface {
	// Needs is how many updates the rule takes at least.
	Needs() int
	// Combine makes one change out of the changes of the updates, all of one length. It does not
	// keep or change them. It errors on fewer updates than Needs.
	Combine(updates []Update) (Change, error)
}

// Change is what a rule makes of a round.
type Change struct {
	Delta []float32
	// Left are the clients whose updates had no part in Delta, in order.
	Left []string
}

// Optimizer makes a step of the server out of the change of a round. It keeps state between rounds.
// It is for one goroutine.
type Optimizer interface {
	// Step returns what to add to the weights, and may reuse delta for it.
	Step(delta []float32) []float32
	// State is the memory of the rounds so far, by name, for a checkpoint. It is shared, not copied.
	State() map[string][]float32
	// Restore goes on from a State.
	Restore(state map[string][]float32) error
}

// Check errors where an update cannot be part of a round of n weights: another length, a number
// that is not finite, or no examples.
func (u *Update) Check(n int) error {
	if len(u.Delta) != n {
		return fmt.Errorf("aggregate: client %s: %d weights, the plan thaws %d", u.Client, len(u.Delta), n)
	}
	if u.Examples <= 0 {
		return fmt.Errorf("aggregate: client %s: %d examples", u.Client, u.Examples)
	}
	if math.IsNaN(u.Loss) || math.IsInf(u.Loss, 0) {
		return fmt.Errorf("aggregate: client %s: its loss is %g", u.Client, u.Loss)
	}
	for i, v := range u.Delta {
		if v-v != 0 { // infinite or not a number
			return fmt.Errorf("aggregate: client %s: weight %d changes by %g", u.Client, i, v)
		}
	}
	return nil
}

// Norm is the Euclidean length of a change.
func Norm(delta []float32) float64 {
	var sum float64
	for _, v := range delta {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

func enough(r Rule, updates []Update, name string) error {
	if n := len(updates); n < r.Needs() {
		return fmt.Errorf("aggregate: %s needs %d clients in a round, %d sent an update", name, r.Needs(), n)
	}
	return nil
}
