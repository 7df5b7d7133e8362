package task

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
)

// Kind is all that others ask of a task before one is made for data. The file of a task registers
// it.
type Kind struct {
	// Name is what the option task, tuned files and events call it.
	Name string

	// Answers say how right answers stand in folders and tables.
	Answers data.Answers

	// Metric is the number that tells how good a model is.
	Metric Metric

	// New makes the task of examples. It errors on answers that cannot be learned.
	New func(e Examples) (Task, error)

	// Named makes the task of the names of its scores alone, as a tuned file records them. Numbers
	// are as they are, not standardised. Of the options it takes the smoothing.
	Named func(names []string, o Options) Task

	Weighs    bool // class weights fit it
	Smooths   bool // label smoothing fits it
	KeepsHead bool // it trains the model's own head, never a fresh one
	Tokens    bool // the right answer to a text is the text: its tokens
}

// Metric is the number that tells how good a model is at a task.
type Metric struct {
	Name  string // as events and --json have it
	Text  string // as sentences have it; "" for the name
	Lower bool   // less is better
	Of    func(m *Metrics) float64
}

// Examples are what a task is made from.
type Examples struct {
	Train, Val *data.Dataset
	Smoothing  float64 // of labels
	Balanced   bool    // rare classes count more
	KeepHead   bool    // the model's own head is trained, whose scores are what they are
}

// answers are those of all examples.
func (e *Examples) answers() []string {
	var out []string
	for _, d := range []*data.Dataset{e.Train, e.Val} {
		for _, x := range d.Examples {
			out = append(out, x.Answer)
		}
	}
	return out
}

// targets are the right answers to the training examples.
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

// Register makes a task known. It panics on a name that is taken. It is called from init functions
// only.
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

// Lookup is the kind of a name, "" being the default. It errors on a name that is none.
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

// KindOf is the kind of a task.
func KindOf(t Task) *Kind { return kindOf(t.Name()) }

// kindOf is the kind of a name that a task gave.
func kindOf(name string) *Kind {
	k, err := Lookup(name)
	if err != nil {
		panic("task: " + err.Error() + ": it is not registered")
	}
	return k
}

// LearnsTokens reports whether a task's right answers are the tokens of the texts themselves. ""
// has no such answers: the data have not said yet.
func LearnsTokens(name string) bool {
	k, err := Lookup(name)
	return name != "" && err == nil && k.Tokens
}
