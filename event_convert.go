package permafrost

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/permafrost-ml/permafrost/internal/report"
)

// configOf reads a configuration that a run wrote.
func configOf(b json.RawMessage) Config {
	var c Config
	if err := json.Unmarshal(b, &c); err != nil {
		panic(fmt.Sprintf("permafrost: the run's own options do not read back: %v", err))
	}
	return c
}

// eventOf converts an event for callers. It is nil for one that they do not see.
func eventOf(at time.Time, e report.Event) Event {
	switch e := e.(type) {
	case *report.RunStart:
		return &RunStart{at, e.Version, e.Model, e.Data, configOf(e.Config), e.Epochs, e.Steps, e.Threads, e.Resumed, e.Epoch, e.Step, e.Over}
	case *report.DataEvent:
		return &DataRead{at, e.Task, e.Classes, e.Train, e.Val, e.Counts, e.Damaged, e.Digest}
	case *report.PlanEvent:
		return &PlanMade{at, e.Digest, e.Thaw, e.Freeze, e.Schedule, e.ParamsTotal, e.ParamsThawed, e.TensorsThawed, e.Frontier, e.FrozenDigest}
	case *report.Encoded:
		return &Encoded{at, e.Done, e.Total}
	case *report.CacheEvent:
		return &Cached{at, e.Where, e.Values, e.BytesPerExample, e.Bytes, e.At, e.Hits, e.Near, e.Misses, e.Seconds}
	case *report.EpochStart:
		return &EpochStart{at, e.Epoch, e.Steps}
	case *report.StepEvent:
		return &Step{at, e.Epoch, e.Step, float64(e.Loss), e.LR, float64(e.GradNorm), e.Examples, e.Seconds}
	case *report.EpochEvent:
		return &EpochEnd{at, e.Epoch, e.Step, float64(e.TrainLoss), float64(e.TrainAccuracy), metricOf(e.TrainMetric), metricsOf(e.Val), e.LR, e.Best, e.Seconds, e.Rate, e.PeakRSS}
	case *report.PlanChange:
		return &PlanChange{at, e.Epoch, e.Step, e.Stage, e.Reason, e.Digest, e.Thawed, e.Frozen, e.ParamsThawed, e.Frontier, e.Seconds}
	case *report.CheckpointEvent:
		return &CheckpointSaved{at, e.Epoch, e.Step, e.Path, e.Bytes}
	case *report.Warning:
		return &Warning{at, e.Message}
	case *report.TrialEvent:
		return &Trial{at, e.Rung, e.Thaw, e.LR, e.Epochs, e.Folds, float64(e.Score), e.HeldOut, e.Seconds}
	case *report.ChoiceEvent:
		return &Choice{at, e.Thaw, e.LR, e.Epochs, e.Text, e.Why, e.Seconds}
	case *report.Diagnosis:
		return &Diagnosed{at, Diagnosis(*e)}
	case *report.RunEnd:
		return &RunEnd{at, e.Status, e.Error, e.Epochs, e.BestEpoch, e.Seconds, e.FrozenDigest, e.ParamsThawed, e.PeakRSS, e.ModelBytes, e.Result}
	}
	return nil
}
