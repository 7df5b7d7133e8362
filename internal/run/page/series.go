package page

import (
	"math"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Series are the numbers of epochs, each a column.
type Series struct {
	Metric    string  `json:"metric"` // what val and train are: accuracy, or the metric of the task
	Epoch     []int   `json:"epoch"`
	Val       Numbers `json:"val"`
	Train     Numbers `json:"train"`
	ValLoss   Numbers `json:"val_loss"`
	TrainLoss Numbers `json:"train_loss"`
	Seconds   Numbers `json:"seconds"`
	LR        Numbers `json:"lr"`
}

// Numbers are written as JSON with null for those that are not finite.
type Numbers []float64

// MarshalJSON writes seven digits of each.
func (n Numbers) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 2+9*len(n)), '[')
	for i, v := range n {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendFloat(b, v, 'g', 7, 64)
		}
	}
	return append(b, ']'), nil
}

// Series are the numbers of all epochs.
func (r *Run) Series() *Series {
	s := &Series{Metric: r.metricName(), Epoch: []int{}}
	val, train := r.metrics()
	valLoss, trainLoss := r.losses()
	s.Val, s.Train, s.ValLoss, s.TrainLoss = val, train, valLoss, trainLoss
	s.Seconds = r.by(func(e *report.EpochEvent) float64 { return e.Seconds })
	s.LR = r.by(func(e *report.EpochEvent) float64 { return e.LR })
	for _, e := range r.Curve {
		s.Epoch = append(s.Epoch, e.Epoch)
	}
	return s
}

// SeriesOf are the numbers of some epochs.
func SeriesOf(epochs []*report.EpochEvent) *Series {
	var val *task.Metrics
	for _, e := range epochs {
		if e.Val != nil {
			val = e.Val
		}
	}
	return (&Run{Listed: &run.Listed{Curve: epochs}, Val: val}).Series()
}
