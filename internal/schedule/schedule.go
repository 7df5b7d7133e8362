// Package schedule decides during a run what trains and what is frozen. A schedule sees the model as units, the blocks from the input to
// the head, and turns what was measured since it was last asked into the set of units that train from now on. It is pure logic: whoever
// trains measures, applies the decision, and keeps the schedule's state, its JSON form, in checkpoints.
package schedule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Unit is what a schedule freezes or thaws as a whole: the thawed weights of one block, or the head.
type Unit struct {
	Name      string
	Head      bool // the classifier; there is at most one, and it is the last unit
	Embedding bool // it looks something up by index, as the first block of a language model
}

// Run is what a schedule knows of the model and the run.
type Run struct {
	Units  []Unit // from the input to the head; never empty
	Epochs int    // of the run
	Steps  int    // optimiser steps of an epoch
	Seed   uint64
}

// total is the number of optimiser steps of the run.
func (r *Run) total() int { return r.Epochs * r.Steps }

// blocks is the number of units below the one that always trains: the head, or the last block where the head is frozen.
func (r *Run) blocks() int { return len(r.Units) - 1 }

// last is the set of units that train when all but the last n below the top one are frozen.
func (r *Run) last(n int) []bool {
	live := make([]bool, len(r.Units))
	for i := max(0, r.blocks()-n); i < len(live); i++ {
		live[i] = true
	}
	return live
}

// part is the number of steps between two questions where a run is to have so many.
func (r *Run) part(questions int) int { return max(1, (r.total()+questions/2)/questions) }

// Statistic is what a schedule wants to know of every unit that trains.
type Statistic int

// The statistics, each over the steps since the schedule was last asked.
const (
	Nothing    Statistic = iota
	Gradient             // Euclidean norm of the sum of the gradients
	Change               // sum of |w - w'| over the sum of |w'|, with w' the weights when it was last asked
	Plasticity           // distance of the unit's result from that of a reference, see Reference
)

// Moment is where a run stands when its schedule is asked.
type Moment struct {
	Step   int       // optimiser steps done
	LR     float64   // learning rate of the step to come
	Values []float64 // the statistic of each unit, NaN where it was frozen; nil at the start
}

// Decision says what trains from now on.
type Decision struct {
	Live   []bool // by unit; at least one
	Reason string // one sentence for people
	Steps  int    // how many steps it is sure to last; 0 where that is not known
}

// Schedule is one way to choose. Its JSON form is its state.
type Schedule interface {
	// Every is the number of optimiser steps from one question to the next; the first is asked before the first step.
	Every() int

	// Measures is what Next reads.
	Measures() Statistic

	// Next is what trains from now on. It returns false where nothing changes; at step 0 it always decides.
	Next(m Moment) (Decision, bool)

	// Rate is what the learning rate of a unit is multiplied with in a step, from 0.
	Rate(unit, step int) float64

	// Refer reports whether the weights as they are become the reference of Plasticity. It is asked right after Next.
	Refer() bool
}

// Spec is a schedule as a user names it.
type Spec struct {
	Name string
	Arg  string
}

// Kind is a way to make schedules, under a name.
type Kind struct {
	Make  func(r Run, arg string) (Schedule, error) // arg has passed Check
	Check func(arg string) error                    // of an argument, which may be empty
	Peak  float64                                   // the highest rate as a multiple of that at which everything trains; 0: 1
	Flat  bool                                      // it anneals by itself: the run's own schedule of the rate is constant
	Form  string                                    // as help writes it, lisa:K; "": the name
}

var kinds = map[string]Kind{}

// Register adds a schedule. It errors on a name that is taken or cannot be written. It must not run
// beside other calls of this package.
func Register(name string, k Kind) error {
	if name == "" || strings.ContainsAny(name, ": \t\n") {
		return fmt.Errorf("schedule %q: a name has no colon and no space", name)
	}
	if _, taken := kinds[name]; taken {
		return fmt.Errorf("schedule %s is known already", name)
	}
	kinds[name] = k
	return nil
}

// register is Register for the init function of a schedule's file. It panics where that errors.
func register(name string, k Kind) {
	if err := Register(name, k); err != nil {
		panic(err)
	}
}

// Names lists the schedules.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// Forms lists the schedules as they are written, an argument that must not lack as a capital.
func Forms() []string {
	out := Names()
	for i, name := range out {
		out[i] = cmp.Or(kinds[name].Form, name)
	}
	return out
}

// Parse reads NAME or NAME:ARG. It errors on a name that does not exist and on an argument that the schedule cannot use.
func Parse(text string) (Spec, error) {
	name, arg, colon := strings.Cut(text, ":")
	k, ok := kinds[name]
	if !ok {
		return Spec{}, fmt.Errorf("%q is none of %s", text, strings.Join(Names(), ", "))
	}
	if colon && arg == "" {
		return Spec{}, fmt.Errorf("%q: nothing follows the colon", text)
	}
	if err := k.Check(arg); err != nil {
		return Spec{}, fmt.Errorf("%q: %w", text, err)
	}
	return Spec{name, arg}, nil
}

// Peak is the highest learning rate as a multiple of that at which everything trains.
func (s Spec) Peak() float64 {
	if p := kinds[s.Name].Peak; p != 0 {
		return p
	}
	return 1
}

// Flat reports whether the schedule anneals the rates by itself.
func (s Spec) Flat() bool { return kinds[s.Name].Flat }

// New makes the schedule for a run. It errors where the model cannot be trained so.
func (s Spec) New(r Run) (Schedule, error) {
	k, ok := kinds[s.Name]
	if !ok {
		return nil, fmt.Errorf("schedule: %q is none of %s", s.Name, strings.Join(Names(), ", "))
	}
	if len(r.Units) < 2 {
		return nil, fmt.Errorf("schedule %s: only %q trains, there is nothing to choose from: thaw more", s.Name, r.Units[0].Name)
	}
	return k.Make(r, s.Arg)
}

// base is what most schedules have in common.
type base struct {
	run   Run
	every int
}

func (b *base) Every() int                { return b.every }
func (*base) Measures() Statistic         { return Nothing }
func (*base) Rate(unit, step int) float64 { return 1 }
func (*base) Refer() bool                 { return false }

// all is the decision to train everything.
func (b *base) all(reason string) Decision {
	return Decision{Live: b.run.last(b.run.blocks()), Reason: reason}
}
