package run

import "github.com/permafrost-ml/permafrost/internal/task"

// Metrics is how a model does at its task.
type Metrics = task.Metrics

// NewMetrics returns metrics of a classifier over no example yet.
func NewMetrics(classes int) *Metrics { return task.NewMetrics(classes) }

// finite is nil for what JSON cannot hold.
func finite(v float64) *float64 { return task.Finite(v) }
