package train

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// chooseTask sets what the examples are for, with the options of its loss, and their right answers.
func (s *Session) chooseTask(cfg *Config) error {
	o := task.Options{Smoothing: cfg.LabelSmoothing}
	balanced := cfg.ClassWeights == "balanced"
	name := s.Train.Task
	if name == "" {
		name = task.NameClassify
	}
	if cfg.Task == "" && name != task.NameClassify {
		s.Notes = append(s.Notes, fmt.Sprintf("task %s, as the data look (--task says another)", name))
	}
	cfg.Task = name
	if balanced && name != task.NameClassify && name != task.NameMultilabel {
		return fmt.Errorf("--class-weights balanced: the task %s has no classes", name)
	}
	if o.Smoothing != 0 && (name == task.NameRegress || name == task.NameCTC) {
		return fmt.Errorf("--label-smoothing: the task %s has nothing to smooth", name)
	}
	var answers []string
	for _, d := range []*data.Dataset{s.Train, s.Val} {
		for _, e := range d.Examples {
			answers = append(answers, e.Answer)
		}
	}
	var multilabel *task.Multilabel
	switch name {
	case task.NameClassify:
		if balanced {
			o.Weights = s.Train.Weights()
		}
		s.Task = &task.Classify{Classes: s.Train.Classes, Options: o}
	case task.NameMultilabel:
		multilabel = task.NewMultilabel(answers, o)
		if len(multilabel.Answers) == 0 {
			return fmt.Errorf("%s: no example has a label", s.Train.Root)
		}
		s.Task = multilabel
	case task.NameRegress:
		s.Task = &task.Regress{Std: 1}
	case task.NameCTC:
		t := task.NewCTC(answers)
		if len(t.Symbols) == 0 {
			return fmt.Errorf("%s: every transcript is empty", s.Train.Root)
		}
		s.Task = t
	case task.NameLM:
		if cfg.Head != "linear" && cfg.Head != "keep" {
			return fmt.Errorf("--head %s: a language model keeps its own", cfg.Head)
		}
		cfg.Head = "keep"
		s.Task = &task.LM{Options: o}
	default:
		return fmt.Errorf("task: %q is none of classify, multilabel, regress, lm, ctc", name)
	}
	var err error
	s.targets = map[*data.Dataset][]data.Target{}
	for _, d := range []*data.Dataset{s.Train, s.Val} {
		if s.targets[d], err = feed.Targets(s.Task, d, s.Base.Feed); err != nil {
			return fmt.Errorf("--task %s: %w", name, err)
		}
	}
	if multilabel != nil && balanced {
		multilabel.Balance(s.targets[s.Train])
	}
	if name == task.NameRegress && cfg.Head != "keep" { // the model's own head speaks in the number's unit
		s.Task = task.NewRegress(s.targets[s.Train])
	}
	return nil
}

// foldAnswers rewrites the last layer of a fresh head that trained on standardised numbers as one that gives the
// numbers themselves.
func (s *Session) foldAnswers(changed map[string]*tensor.Tensor) {
	r, ok := s.Task.(*task.Regress)
	if !ok {
		return
	}
	names := s.Headed.Weights[len(s.Headed.Weights)-2:]
	for _, name := range names {
		changed[name] = changed[name].Clone()
	}
	r.Fold(changed[names[0]].F32(), changed[names[1]].F32())
}
