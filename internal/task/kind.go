package task

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
)

// Kind describes a task to the other packages before a task is made for data. Each task registers
// its Kind in its own file.
type Kind struct {
	// Name is the task's name in the option task, in tuned files and in events.
	Name string

	// Answers says how right answers are given in folders and tables.
	Answers data.Answers

	// Metric is the number that measures how good a model is.
	Metric Metric

	// Guess returns the loss of an answer that knows nothing of the examples but what their answers
	// look like. Nil: there is no such number.
	Guess func(m *Metrics) float64

	// New makes the task from examples. It errors on answers that cannot be learned.
	New func(e Examples) (Task, error)

	// Named makes the task from the names of its scores, as a tuned file records them. Numbers are
	// in their own unit, not standardised. Of the options only the smoothing is used.
	Named func(names []string, o Options) Task

	Weighs    bool // class weights apply to it
	Smooths   bool // label smoothing applies to it
	KeepsHead bool // it trains the model's own head, never a fresh one
	Tokens    bool // the right answer to a text is its own tokens
}

// Metric is the number that measures how good a model is at a task.
type Metric struct {
	Name  string // name in events and --json
	Text  string // as sentences have it; "" for the name
	Lower bool   // lower is better
	Of    func(m *Metrics) float64
}

// Examples are the input from which a task is made.
type Examples struct {
	Train, Val *data.Dataset
	Smoothing  float64 // label smoothing
	Balanced   bool    // rare classes get larger weights
	KeepHead   bool    // the model's own head is trained, so the meaning of its scores is fixed
}

// answers returns the answers of all examples.
func (e *Examples) answers() []string {
	var out []string
	for _, d := range []*data.Dataset{e.Train, e.Val} {
		for _, x := range d.Examples {
			out = append(out, x.Answer)
		}
	}
	return out
}

// targets returns the right answers to the training examples.
func (e *Examples) targets(t Task) ([]data.Target, error) {
	out := make([]data.Target, len(e.Train.Examples))
	for i, x := range e.Train.Examples {
		var err error
		if out[i], err = t.Target(x); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
	}
	return out, nil
}

var kinds []*Kind

// Register adds a task. It panics if the name is taken. Call it only from init functions.
func Register(k Kind) {
	data.RegisterTask(k.Name, k.Answers)
	kinds = append(kinds, &k)
}

// Names lists the tasks.
func Names() []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.Name)
	}
	return out
}

// Lookup returns the kind with a name; "" is the default. It errors on an unknown name.
func Lookup(name string) (*Kind, error) {
	if name == "" {
		name = data.DefaultTask
	}
	for _, k := range kinds {
		if k.Name == name {
			return k, nil
		}
	}
	return nil, fmt.Errorf("the task %q is none of %s", name, strings.Join(Names(), ", "))
}

// KindOf returns the kind of a task.
func KindOf(t Task) *Kind { return kindOf(t.Name()) }

// kindOf returns the kind of a name that comes from a task.
func kindOf(name string) *Kind {
	k, err := Lookup(name)
	if err != nil {
		panic("task: " + err.Error() + ": it is not registered")
	}
	return k
}

// LearnsTokens reports whether the task's right answers are the tokens of the texts themselves. It
// is false for "", as the data have not yet decided the task.
func LearnsTokens(name string) bool {
	k, err := Lookup(name)
	return name != "" && err == nil && k.Tokens
}
