package freezing

import (
	"fmt"
	"math"
)

// APF freezes weights that have settled, each by itself, and thaws them again to see whether they
// move (Chen, Wang, Wang, Li, Communication-Efficient Federated Learning with Adaptive Parameter
// Freezing, ICDCS 2021). A weight has settled where its changes take back each other: where the
// running mean of its changes is below Threshold of the running mean of their magnitudes. It then
// sleeps for some rounds. If it has still settled after them it sleeps for longer by one check, else
// its next sleep is halved.
//
// It is for one goroutine.
type APF struct {
	Threshold float64 // 0.05 in the paper; halved when most weights sleep
	Decay     float64 // of the running means, 0.95
	Every     int     // rounds between two checks

	round  int
	mean   []float32 // of the changes
	size   []float32 // of their magnitudes
	sleep  []int32   // checks that a sleep lasts
	until  []int32   // the round at which the weight is active again
	halved int       // how often the threshold was
}

// NewAPF begins with all of n weights active.
func NewAPF(n int) *APF {
	return &APF{Threshold: 0.05, Decay: 0.95, Every: 3, mean: make([]float32, n), size: make([]float32, n), sleep: make([]int32, n), until: make([]int32, n)}
}

// Mask is what takes part in the next round.
func (a *APF) Mask() Mask {
	m := make(Mask, len(a.until))
	for i, r := range a.until {
		m[i] = int(r) <= a.round
	}
	return m
}

// Observe ends a round, in which delta was added to the weights.
func (a *APF) Observe(delta []float32) error {
	if len(delta) != len(a.mean) {
		return fmt.Errorf("freezing: a change of %d weights, there are %d", len(delta), len(a.mean))
	}
	d := float32(a.Decay)
	for i, v := range delta {
		if int(a.until[i]) <= a.round {
			a.mean[i] = d*a.mean[i] + (1-d)*v
			a.size[i] = d*a.size[i] + (1-d)*max(v, -v)
		}
	}
	a.round++
	if a.round%a.Every == 0 {
		a.check()
	}
	return nil
}

// check lets weights that have settled sleep.
func (a *APF) check() {
	limit := float32(a.Threshold / math.Pow(2, float64(a.halved)))
	asleep := 0
	for i := range a.mean {
		if r := int(a.until[i]); r > 0 && r >= a.round { // it sleeps, or wakes now and has to show itself first
			asleep++
			continue
		}
		if m := max(a.mean[i], -a.mean[i]); m <= limit*a.size[i] {
			a.sleep[i]++
		} else {
			a.sleep[i] /= 2
		}
		if a.sleep[i] > 0 {
			a.until[i] = int32(a.round + int(a.sleep[i])*a.Every)
			asleep++
		}
	}
	if float64(asleep) > 0.8*float64(len(a.mean)) {
		a.halved++
	}
}

// State is the memory of the rounds so far, by name, for a checkpoint.
func (a *APF) State() map[string][]float32 {
	ints := func(x []int32) []float32 {
		out := make([]float32, len(x))
		for i, v := range x {
			out[i] = float32(v)
		}
		return out
	}
	return map[string][]float32{"mean": a.mean, "size": a.size, "sleep": ints(a.sleep), "until": ints(a.until), "at": {float32(a.round), float32(a.halved)}}
}

// Restore goes on from a State.
func (a *APF) Restore(state map[string][]float32) error {
	n := len(a.mean)
	for _, name := range []string{"mean", "size", "sleep", "until"} {
		if len(state[name]) != n {
			return fmt.Errorf("freezing: the state has %d values of %q for %d weights", len(state[name]), name, n)
		}
	}
	if len(state["at"]) != 2 {
		return fmt.Errorf("freezing: the state has no round")
	}
	copy(a.mean, state["mean"])
	copy(a.size, state["size"])
	for i := range n {
		a.sleep[i], a.until[i] = int32(state["sleep"][i]), int32(state["until"][i])
	}
	a.round, a.halved = int(state["at"][0]), int(state["at"][1])
	return nil
}
