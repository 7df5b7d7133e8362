package permafrost

import (
	"encoding/json"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/schedule"
)

// Schedule chooses during a run what trains: a caller's own, see RegisterSchedule. It sees the
// model as units. Its JSON form is its state: it goes into checkpoints and is read back into the
// Schedule of a resumed run. It is used by one goroutine.
type Schedule interface {
	// Every is the number of optimiser steps from one call of Next to the next. The first comes
	// before the first step.
	Every() int

	// Measures is the statistic that Next wants in Moment.Values.
	Measures() Statistic

	// Next is what trains from now on. It returns false where nothing changes. At step 0 it has to
	// decide.
	Next(m Moment) (Decision, bool)

	// Rate is what the learning rate of a unit is multiplied with in a step, counted from 0. With 0
	// the unit's weights stay as they are.
	Rate(unit, step int) float64
}

// Unit is what a Schedule freezes or thaws as a whole: the thawed weights of one block, or the
// head.
type Unit struct {
	Name      string
	Head      bool // the classifier; there is at most one, and it is the last unit
	Embedding bool // it looks something up by index, as the first block of a language model
}

// ScheduleRun is what a Schedule knows of the model and the run.
type ScheduleRun struct {
	Units  []Unit // from the input to the head
	Epochs int    // of the run
	Steps  int    // optimiser steps of an epoch
	Seed   uint64
}

// Statistic is what a Schedule wants to know of every unit that trains, over the steps since it was
// last asked.
type Statistic int

// The statistics.
const (
	NoStatistic  Statistic = iota
	GradientNorm           // Euclidean norm of the sum of the gradients
	WeightChange           // sum of |w - w'| over the sum of |w'|, with w' the weights when it was last asked
)

// Moment is where a run stands when its Schedule is asked.
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

// RegisterSchedule makes a schedule known under a name for Config.Schedule, where an argument may
// follow the name behind a colon. Make is called when a run begins, and earlier, with a zero run,
// to check the argument. RegisterSchedule is for an init function: it must not run beside other
// calls of this package. It errors on a name that is taken.
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
