package permafrost

import (
	"encoding/json"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/schedule"
)

// Schedule is a caller's own schedule, which chooses what trains during a run; see
// RegisterSchedule. It sees the model as units. Its JSON form is its state, which is saved in
// checkpoints and loaded into the Schedule of a resumed run. It is used from one goroutine.
type Schedule interface {
	// Every returns the number of optimiser steps between calls of Next. The first call comes
	// before the first step.
	Every() int

	// Measures returns the statistic that Next needs in Moment.Values.
	Measures() Statistic

	// Next decides what trains from now on. It returns false if nothing changes. At step 0 it must
	// decide.
	Next(m Moment) (Decision, bool)

	// Rate returns the learning-rate multiplier of a unit in a step, counted from 0. At 0 the
	// unit's weights do not change.
	Rate(unit, step int) float64
}

// Unit is what a Schedule freezes or thaws together: the thawed weights of one block, or the head.
type Unit struct {
	Name      string
	Head      bool // the classifier; there is at most one, and it is the last unit
	Embedding bool // it looks something up by index, like the first block of a language model
}

// ScheduleRun is what a Schedule knows of the model and the run.
type ScheduleRun struct {
	Units  []Unit // from the input to the head
	Epochs int    // of the run
	Steps  int    // optimiser steps per epoch
	Seed   uint64
}

// Statistic is what a Schedule wants to know of every unit that trains, measured since it was last
// asked.
type Statistic int

// The statistics.
const (
	NoStatistic  Statistic = iota
	GradientNorm           // Euclidean norm of the sum of the gradients
	// sum of |w - w'| over the sum of |w'|, with w' the weights at the last question
	WeightChange
)

// Moment is the state of a run when its Schedule is asked.
type Moment struct {
	Step   int       // optimiser steps done
	LR     float64   // learning rate of the next step
	Values []float64 // the statistic of each unit, NaN if it was frozen; nil at the start
}

// Decision says what trains from now on.
type Decision struct {
	Live   []bool // by unit; at least one
	Reason string // one sentence for people
	Steps  int    // number of steps for which it will surely last; 0 if unknown
}

// RegisterSchedule registers a schedule under a name for Config.Schedule, where an argument may
// follow the name after a colon. make is called when a run starts. It is also called earlier, with
// a zero run, to check the argument. Call RegisterSchedule from an init function: it must not run
// at the same time as other calls of this package. It errors if the name is taken.
func RegisterSchedule(name string, make func(arg string, run ScheduleRun) (Schedule, error)) error {
	registering.Lock()
	defer registering.Unlock()
	return badInput(schedule.Register(name, schedule.Kind{
		Check: func(arg string) error {
			_, err := make(arg, ScheduleRun{})
			return err
		},
		Make: func(r schedule.Run, arg string) (schedule.Schedule, error) {
			own, err := make(arg, ScheduleRun{each(r.Units, func(u schedule.Unit) Unit { return Unit(u) }), r.Epochs, r.Steps, r.Seed})
			if err != nil {
				return nil, err
			}
			return &ownSchedule{own, len(r.Units)}, nil
		},
	}))
}

// ownSchedule is a Schedule as runs take it.
type ownSchedule struct {
	own   Schedule
	units int
}

func (s *ownSchedule) Every() int { return max(1, s.own.Every()) }

func (s *ownSchedule) Measures() schedule.Statistic {
	return map[Statistic]schedule.Statistic{GradientNorm: schedule.Gradient, WeightChange: schedule.Change}[s.own.Measures()]
}

func (s *ownSchedule) Next(m schedule.Moment) (schedule.Decision, bool) {
	d, changed := s.own.Next(Moment(m))
	if changed && len(d.Live) != s.units {
		panic(fmt.Sprintf("permafrost: a schedule decides on %d units of %d", len(d.Live), s.units))
	}
	return schedule.Decision(d), changed
}

func (s *ownSchedule) Rate(unit, step int) float64  { return s.own.Rate(unit, step) }
func (s *ownSchedule) Refer() bool                  { return false }
func (s *ownSchedule) MarshalJSON() ([]byte, error) { return json.Marshal(s.own) }

func (s *ownSchedule) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, s.own) }
