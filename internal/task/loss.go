package task

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// LossFunc builds a scalar to minimise, like Task.Loss.
type LossFunc func(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value

// WithLoss returns a task that minimises another loss. Metrics still use the task's own loss. It
// errors on a task that has an answer at every position, and on options of the replaced loss.
func WithLoss(t Task, loss LossFunc) (Task, error) {
	if t.PerPosition() {
		return nil, fmt.Errorf("the task %s has a loss of its own, which another cannot replace", t.Name())
	}
	var o Options
	if t, ok := t.(interface{ lossOptions() Options }); ok {
		o = t.lossOptions()
	}
	if o.Smoothing != 0 {
		return nil, option.Errorf("label_smoothing", "it belongs to the loss that another replaces")
	}
	if o.Weights != nil {
		return nil, option.Errorf("class_weights", "they belong to the loss that another replaces")
	}
	return ownLoss{t, loss}, nil
}

// ownLoss is a task with a loss given by the caller.
type ownLoss struct {
	Task
	loss LossFunc
}

func (o ownLoss) Loss(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value {
	return o.loss(b, scores, labels)
}
