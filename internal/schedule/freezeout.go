package schedule

import (
	"fmt"
	"math"
)

func init() { register("freezeout", Kind{Make: newFreezeOut, Check: optional(fraction), Flat: true}) }

// freezeout anneals the learning rate of each block along a cosine of its own, and freezes the
// block when the rate reaches 0. The nearer a block is to the input, the sooner. Of n blocks below
// the head, block i is annealed until the share
//
//	t(i) = (t0 + (1-t0) i/n)^3
//
// of the run. It starts at 1/t(i) times the common rate, so that all blocks move as far. t0 is 0.8,
// or the argument.
//
// It decides twenty times in a run. Between its last step and the next decision, a block does not
// move but is not frozen yet.
//
// Source: Brock, Lim, Ritchie and Weston, FreezeOut: Accelerate Training by Progressively Freezing
// Layers, 2017 (cubic, scaled).
type freezeout struct {
	base
	first float64 // t0

	Frozen int `json:"frozen"` // blocks
}

func newFreezeOut(r Run, arg string) (Schedule, error) {
	return &freezeout{base: base{r, r.interval(20)}, first: share(arg, 0.8)}, nil
}

// until is t(i).
func (f *freezeout) until(unit int) float64 {
	t := f.first + (1-f.first)*float64(unit)/float64(f.run.blocks())
	return t * t * t
}

func (f *freezeout) Rate(unit, step int) float64 {
	t, until := float64(step)/float64(f.run.total()), f.until(unit)
	if t >= until {
		return 0
	}
	return (1 + math.Cos(math.Pi*t/until)) / 2 / until
}

func (f *freezeout) Next(m Moment) (Decision, bool) {
	t := float64(m.Step) / float64(f.run.total())
	n := f.Frozen
	for n < f.run.blocks() && f.until(n) <= t {
		n++
	}
	if n == f.Frozen && m.Step > 0 {
		return Decision{}, false
	}
	f.Frozen = n
	// steps until the next block is frozen
	left := f.until(n)*float64(f.run.total()) - float64(m.Step)
	d := Decision{Live: f.run.last(f.run.blocks() - n), Steps: max(1, int(math.Ceil(left/float64(f.every)))) * f.every}
	if n == 0 {
		d.Reason = fmt.Sprintf("each block is annealed by itself, the first within %.0f%% of the run", 100*f.until(0))
		return d, true
	}
	d.Reason = fmt.Sprintf("annealed to the end and frozen up to %s", f.run.Units[n-1].Name)
	return d, true
}
