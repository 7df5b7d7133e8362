package train

import (
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// task is the task that the training examples are for, with the options of its loss.
func (c *Config) task(tr *data.Dataset) task.Task {
	o := task.Options{Smoothing: c.LabelSmoothing}
	if c.ClassWeights == "balanced" {
		o.Weights = tr.Weights()
	}
	return &task.Classify{Classes: tr.Classes, Options: o}
}
