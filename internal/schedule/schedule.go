// Package schedule decides during a run what trains and what is frozen.
//
// Comes in: the model as units, which are the blocks from the input to the head, and measurements
// since the last decision. Goes out: the units that train from now on, and a factor on the learning
// rate of each. It must not know how a model is trained: the training loop measures, applies the
// decisions, and keeps the schedule's state, its JSON form, in checkpoints.
package schedule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Unit is what a schedule freezes or thaws together: the thawed weights of one block, or the head.
type Unit struct {
	Name      string
	Head      bool // the classifier; there is at most one, and it is the last unit
	Embedding bool // looks rows up by index, as the first block of a language model does
}

// Run is what a schedule knows of the model and the run.
type Run struct {
	Units  []Unit // from the input to the head; never empty
	Epochs int    // of the run
	Steps  int    // optimiser steps of an epoch
	Seed   uint64
}

// total is the number of optimiser steps in the run.
func (r *Run) total() int { return r.Epochs * r.Steps }

// blocks is the number of units without the one that always trains: the head, or the last block
// where the head is frozen.
func (r *Run) blocks() int { return len(r.Units) - 1 }

// last is the set of units that train when, of the blocks, only the last n do.
func (r *Run) last(n int) []bool {
	live := make([]bool, len(r.Units))
	for i := max(0, r.blocks()-n); i < len(live); i++ {
		live[i] = true
	}
	return live
}

// interval is the number of steps between decisions, for so many decisions in a run.
func (r *Run) interval(decisions int) int { return max(1, (r.total()+decisions/2)/decisions) }

// Statistic is what a schedule measures of every unit that trains.
type Statistic int

// The statistics, each over the steps since the last decision.
const (
	Nothing  Statistic = iota
	Gradient           // Euclidean norm of the sum of the gradients
	// sum of |w - w'| over the sum of |w'|, with w' the weights at the last decision
	Change
	Plasticity // distance of the unit's result from that of a reference, see Distance
)

// Moment is the state of a run at a decision.
type Moment struct {
	Step   int       // optimiser steps done
	LR     float64   // learning rate of the next step
	Values []float64 // the statistic of each unit, NaN where it was frozen; nil at the start
}

// Decision says what trains from now on.
type Decision struct {
	Live   []bool // by unit; at least one
	Reason string // one sentence for the user
	Steps  int    // for how many steps it will stand at least; 0 where that is not known
}

// Schedule decides what trains. Its JSON form is its state. Its methods are called by one goroutine
// at a time.
type Schedule interface {
	// Every is the number of optimiser steps between decisions. The first decision is before the
	// first step.
	Every() int

	// Measures is the statistic that Next reads.
	Measures() Statistic

	// Next decides what trains from now on. It returns false where nothing changes. At step 0 it
	// always decides.
	Next(m Moment) (Decision, bool)

	// Rate is the factor on the learning rate of a unit in a step. Steps count from 0.
	Rate(unit, step int) float64

	// Refer reports whether the current weights become the reference of Plasticity. It is called
	// right after Next.
	Refer() bool
}

// Spec is a schedule as the user writes it.
type Spec struct {
	Name string
	Arg  string
}

// Kind makes the schedules of one name.
type Kind struct {
	Make  func(r Run, arg string) (Schedule, error) // arg has passed Check
	Check func(arg string) error                    // of an argument, which may be empty
	// highest learning rate, as a multiple of the one at which everything trains; 0 means 1
	Peak float64
	// it anneals the learning rate by itself, so the run's own schedule is constant
	Flat bool
	// how help writes it, as lisa:K; "" means the name
	Form string
}

var kinds = map[string]Kind{}

// Register adds a schedule under a name. It errors where the name is taken or cannot be written. It
// must not be called concurrently with other functions of this package.
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

// Names lists the names of all schedules, sorted.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// Forms lists the schedules as they are written, with a capital for an argument that each run must
// give.
func Forms() []string {
	out := Names()
	for i, name := range out {
		out[i] = cmp.Or(kinds[name].Form, name)
	}
	return out
}

// Parse reads NAME or NAME:ARG. It errors on an unknown name, and on an argument that the schedule
// refuses.
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

// Peak is the highest learning rate, as a multiple of the one at which everything trains.
func (s Spec) Peak() float64 {
	if p := kinds[s.Name].Peak; p != 0 {
		return p
	}
	return 1
}

// Flat reports whether the schedule anneals the learning rate by itself.
func (s Spec) Flat() bool { return kinds[s.Name].Flat }

// New makes the schedule of a run. It errors where the model cannot be trained with it.
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

// base holds what most schedules share.
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
