package run

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/taskname"
)

// chosenTask is what the examples are for.
type chosenTask struct {
	Task    task.Task
	targets map[*data.Dataset][]data.Target // the right answers, by example
	notes   []string
}

// ChooseTask finds what the examples are for, with the options of its loss, and their right answers. It
// settles the options that follow from the task.
func ChooseTask(cfg *Config, f feed.Feed, train, val *data.Dataset) (*chosenTask, error) {
	s := &chosenTask{targets: map[*data.Dataset][]data.Target{}}
	o := task.Options{Smoothing: cfg.LabelSmoothing}
	balanced := cfg.ClassWeights == "balanced"
	name := train.Task
	if name == "" {
		name = taskname.Classify
	}
	if cfg.Task == "" && name != taskname.Classify {
		s.notes = append(s.notes, fmt.Sprintf("task %s, as the data look (option task says another)", name))
	}
	cfg.Task = name
	if balanced && name != taskname.Classify && name != taskname.Multilabel {
		return nil, fmt.Errorf("option class_weights balanced: the task %s has no classes", name)
	}
	if o.Smoothing != 0 && (name == taskname.Regress || name == taskname.CTC) {
		return nil, option.Errorf("label_smoothing", "the task %s has nothing to smooth", name)
	}
	var answers []string
	for _, d := range []*data.Dataset{train, val} {
		for _, e := range d.Examples {
			answers = append(answers, e.Answer)
		}
	}
	var multilabel *task.Multilabel
	switch name {
	case taskname.Classify:
		if balanced {
			o.Weights = train.Weights()
		}
		s.Task = &task.Classify{Classes: train.Classes, Options: o}
	case taskname.Multilabel:
		multilabel = task.NewMultilabel(answers, o)
		if len(multilabel.Answers) == 0 {
			return nil, fmt.Errorf("%s: no example has a label", train.Root)
		}
		s.Task = multilabel
	case taskname.Regress:
		s.Task = &task.Regress{Std: 1}
	case taskname.CTC:
		t := task.NewCTC(answers)
		if len(t.Symbols) == 0 {
			return nil, fmt.Errorf("%s: every transcript is empty", train.Root)
		}
		s.Task = t
	case taskname.LM:
		if cfg.Head != "linear" && cfg.Head != "keep" {
			return nil, fmt.Errorf("option head %s: a language model keeps its own", cfg.Head)
		}
		cfg.Head = "keep"
		s.Task = &task.LM{Options: o}
	default:
		return nil, option.Errorf("task", "%q is none of classify, multilabel, regress, lm, ctc", name)
	}
	var err error
	for _, d := range []*data.Dataset{train, val} {
		if s.targets[d], err = feed.Targets(s.Task, d, f); err != nil {
			return nil, fmt.Errorf("option task %s: %w", name, err)
		}
	}
	if multilabel != nil && balanced {
		multilabel.Balance(s.targets[train])
	}
	if name == taskname.Regress && cfg.Head != "keep" { // the model's own head speaks in the number's unit
		s.Task = task.NewRegress(s.targets[train])
	}
	return s, nil
}
