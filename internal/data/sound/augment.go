package sound

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/spec"
)

// Augment augments training sounds. Whatever their order in the text, the steps are: gain, shift,
// noise.
type Augment struct {
	Gain float64 // the sound is made louder or softer by up to this many dB
	// it is moved earlier or later by up to this many seconds; silence fills the gap, and samples
	// beyond the ends are dropped
	Shift float64
	Noise float64 // least signal-to-noise ratio in dB, see Noisy
	Noisy bool    // white noise is added, with a ratio between Noise and Noise+20 dB
}

// AugmentSteps are the steps that ParseAugment accepts.
var AugmentSteps = []spec.Entry{
	{Name: "noise:LEAST_SNR_DB (-20 to 100)", Meaning: "add white noise, with a signal-to-noise ratio from LEAST_SNR_DB to 20 dB more"},
	{Name: "gain:DB (0 to 60)", Meaning: "make it louder or softer by up to this many dB"},
	{Name: "shift:SECONDS (0 to 10)", Meaning: "move it earlier or later by up to this long"},
}

// AugmentHelp lists what ParseAugment accepts.
var AugmentHelp = "none, " + spec.Names(AugmentSteps)

// ParseAugment reads a comma-separated list such as noise:10,gain:6,shift:0.1. "none" and "" return
// nil. An error lists what is accepted.
func ParseAugment(list string) (*Augment, error) {
	a := new(Augment)
	some, err := spec.Steps(list, func(name, arg string) (bool, error) {
		var err error
		switch name {
		case "noise":
			a.Noisy = true
			a.Noise, err = number(arg, -20, 100)
		case "gain":
			a.Gain, err = number(arg, 0, 60)
		case "shift":
			a.Shift, err = number(arg, 0, 10)
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return nil, fmt.Errorf("%w; known for sounds: %s", err, AugmentHelp)
	}
	if !some {
		return nil, nil
	}
	return a, nil
}

func number(s string, least, most float64) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= least && v <= most) {
		return 0, fmt.Errorf("%q is not a number from %g to %g", s, least, most)
	}
	return v, nil
}

// String returns the text that ParseAugment reads.
func (a *Augment) String() string {
	if a == nil {
		return "none"
	}
	var s []string
	if a.Gain > 0 {
		s = append(s, fmt.Sprintf("gain:%v", a.Gain))
	}
	if a.Shift > 0 {
		s = append(s, fmt.Sprintf("shift:%v", a.Shift))
	}
	if a.Noisy {
		s = append(s, fmt.Sprintf("noise:%v", a.Noise))
	}
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ",")
}

// apply changes x, which holds n samples of sound starting at first, with silence around them.
func (a *Augment) apply(x []float32, first, n, rate int, rng *rand.Rand) {
	power := 0.0
	gain := decibels(a.Gain * (2*rng.Float64() - 1))
	for i, v := range x[first : first+n] {
		x[first+i] = float32(float64(v) * gain)
		power += float64(v) * float64(v) * gain * gain
	}
	shift := int(math.Round(a.Shift * (2*rng.Float64() - 1) * float64(rate)))
	shift = min(max(shift, -len(x)), len(x))
	if shift > 0 {
		copy(x[shift:], x)
		clear(x[:shift])
	} else {
		copy(x, x[-shift:])
		clear(x[len(x)+shift:])
	}
	if !a.Noisy || n == 0 {
		return
	}
	level := math.Sqrt(power/float64(n)) / decibels(a.Noise+20*rng.Float64())
	for i := range x {
		x[i] += float32(level * rng.NormFloat64())
	}
}

// decibels returns the amplitude factor for db.
func decibels(db float64) float64 { return math.Pow(10, db/20) }
