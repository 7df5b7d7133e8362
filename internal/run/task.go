package run

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// chosenTask is a task with the right answers of the examples.
type chosenTask struct {
	Task    task.Task
	targets map[*data.Dataset][]data.Target // the right answers, by example
	notes   []string
}

// ChooseTask determines the task of the examples, with the options of its loss, and their right
// answers. It sets the options that follow from the task, and errors on options that do not fit it.
func ChooseTask(cfg *config.Config, f feed.Feed, train, val *data.Dataset) (*chosenTask, error) {
	s := &chosenTask{targets: map[*data.Dataset][]data.Target{}}
	kind, err := task.Lookup(train.Task)
	if err != nil {
		return nil, err
	}
	if cfg.Task == "" && kind.Name != data.DefaultTask {
		s.notes = append(s.notes, fmt.Sprintf("task %s, as the data look (option task says another)", kind.Name))
	}
	cfg.Task = kind.Name
	balanced := cfg.ClassWeights == "balanced"
	switch {
	case balanced && !kind.Weighs:
		return nil, fmt.Errorf("option class_weights balanced: the task %s has no classes", kind.Name)
	case cfg.LabelSmoothing != 0 && !kind.Smooths:
		return nil, option.Errorf("label_smoothing", "the task %s has nothing to smooth", kind.Name)
	case kind.KeepsHead && cfg.Head != "linear" && cfg.Head != "keep":
		return nil, fmt.Errorf("option head %s: the task %s keeps its own, that of the model", cfg.Head, kind.Name)
	case kind.KeepsHead:
		cfg.Head = "keep"
	}
	s.Task, err = kind.New(task.Examples{Train: train, Val: val, Smoothing: cfg.LabelSmoothing, Balanced: balanced, KeepHead: cfg.Head == "keep"})
	if err != nil {
		return nil, fmt.Errorf("option task %s: %w", kind.Name, err)
	}
	for _, d := range []*data.Dataset{train, val} {
		if s.targets[d], err = feed.Targets(s.Task, d, f); err != nil {
			return nil, fmt.Errorf("option task %s: %w", kind.Name, err)
		}
	}
	return s, nil
}
