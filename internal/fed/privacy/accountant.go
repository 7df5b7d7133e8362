package privacy

import (
	"errors"
	"fmt"
	"math"
)

// Sampling says how the clients of a round are drawn.
type Sampling string

// What the accountant knows.
const (
	// Poisson: every client takes part with the same probability, by itself.
	Poisson Sampling = "poisson"
	// Fixed: a fixed number of clients, or whoever is there. It counts as if every client took part.
	Fixed Sampling = "fixed"
)

// Mechanism says what is done in every round of a federation, as far as privacy depends on it.
type Mechanism struct {
	// Noise is the standard deviation of what is added to a sum of changes, in units of the length
	// to which a change is clipped.
	Noise    float64
	Sampling Sampling
	Rate     float64 // probability that a client takes part, with Poisson
	// Local says that every client adds the noise to its own change. Two changes of one client
	// differ by twice the length, and no sampling helps against one who sees who sends.
	Local bool
}

// Check errors where the mechanism protects nothing or cannot be counted.
func (m Mechanism) Check() error {
	switch {
	case !(m.Noise > 0) || math.IsInf(m.Noise, 1):
		return fmt.Errorf("privacy: a noise of %g protects nothing: give one above 0", m.Noise)
	case m.Sampling != Poisson && m.Sampling != Fixed:
		return fmt.Errorf("privacy: sampling %q cannot be counted: give %s or %s", m.Sampling, Poisson, Fixed)
	case m.Sampling == Poisson && !(m.Rate > 0 && m.Rate <= 1):
		return fmt.Errorf("privacy: a rate of %g is no probability above 0", m.Rate)
	}
	return nil
}

// effective are the rate and noise of a central mechanism of sensitivity 1 that gives away as much.
func (m Mechanism) effective() (q, sigma float64) {
	switch {
	case m.Local:
		return 1, m.Noise / 2
	case m.Sampling == Poisson:
		return m.Rate, m.Noise
	}
	return 1, m.Noise
}

// Accountant sums what rounds give away. The zero value has counted none. It is for one goroutine.
type Accountant struct{ rdp []float64 }

// Add counts rounds with a mechanism.
func (a *Accountant) Add(m Mechanism, rounds int) error {
	if err := m.Check(); err != nil {
		return err
	}
	if rounds < 0 {
		return errors.New("privacy: fewer than no rounds")
	}
	if a.rdp == nil {
		a.rdp = make([]float64, len(orders))
	}
	q, sigma := m.effective()
	for i, order := range orders {
		a.rdp[i] += float64(rounds) * divergence(q, sigma, order)
	}
	return nil
}

// Epsilon bounds how much more likely anything is with a client than without it: by a factor of
// e^epsilon, but for a probability of delta. It errors unless delta is between 0 and 1.
func (a *Accountant) Epsilon(delta float64) (float64, error) {
	if !(delta > 0 && delta < 1) {
		return 0, fmt.Errorf("privacy: a delta of %g is not between 0 and 1", delta)
	}
	if a.rdp == nil {
		return 0, nil
	}
	best := math.Inf(1)
	for i, order := range orders {
		best = min(best, epsilonAt(order, a.rdp[i], delta))
	}
	return best, nil
}

// Delta is the delta for an epsilon.
func (a *Accountant) Delta(epsilon float64) float64 {
	best := 1.
	if a.rdp == nil {
		return 0
	}
	for i, order := range orders {
		best = min(best, deltaAt(order, a.rdp[i], epsilon))
	}
	return best
}

// NoiseFor is the smallest noise, to a thousandth of it, with which rounds of a mechanism stay
// within epsilon and delta. The noise of m is not heeded. It errors where no noise up to 1e6 does.
func NoiseFor(m Mechanism, rounds int, epsilon, delta float64) (float64, error) {
	if !(epsilon > 0) || math.IsInf(epsilon, 1) {
		return 0, fmt.Errorf("privacy: an epsilon of %g is not above 0", epsilon)
	}
	within := func(noise float64) (bool, error) {
		m.Noise = noise
		var a Accountant
		if err := a.Add(m, rounds); err != nil {
			return false, err
		}
		e, err := a.Epsilon(delta)
		return e <= epsilon, err
	}
	lo, hi := 0., 0.25
	for {
		ok, err := within(hi)
		if err != nil {
			return 0, err
		}
		if ok {
			break
		}
		if lo, hi = hi, 2*hi; hi > 1e6 {
			return 0, fmt.Errorf("privacy: no noise keeps %d rounds within epsilon %g at delta %g", rounds, epsilon, delta)
		}
	}
	for hi-lo > hi/1000 {
		mid := (lo + hi) / 2
		ok, err := within(mid)
		if err != nil {
			return 0, err
		}
		if ok {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi, nil
}
