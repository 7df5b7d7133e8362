package permafrost

import (
	"time"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// The states of a run, as its folder tells them.
const (
	RunDone        = run.Done        // it has its result
	RunInterrupted = run.Interrupted // it was stopped and can be resumed
	RunFailed      = run.Failed      // it ended with an error
	RunUnfinished  = run.Unfinished  // it has no end: it is running, or was killed
)

// RunInfo is what a run folder tells of its run. Its JSON form is part of what runs --json prints.
type RunInfo struct {
	Out   string `json:"out"`             // the folder
	State string `json:"state"`           // RunDone, RunInterrupted, RunFailed or RunUnfinished
	Error string `json:"error,omitempty"` // why it failed

	Model   string   `json:"model"`
	Data    string   `json:"data"`
	Task    string   `json:"task,omitempty"` // empty if it has not read its data
	Thaw    []string `json:"thaw"`           // selectors
	Adapter string   `json:"adapter,omitempty"`
	// Freeze are selectors of what was taken away from Thaw. Schedule says what changed it.
	Freeze   []string `json:"freeze,omitempty"`
	Schedule string   `json:"schedule,omitempty"`
	LR       float64  `json:"lr"`

	Epochs    int `json:"epochs"`         // finished
	Planned   int `json:"epochs_planned"` // in all
	BestEpoch int `json:"best_epoch"`     // from 1, 0 without one

	// ValAccuracy (of classify), ValMetric (of other tasks) and ValLoss are of the written weights
	// or, before there are any, of the best epoch so far. They are nil without one.
	ValAccuracy *float64 `json:"val_accuracy,omitempty"`
	ValMetric   *Metric  `json:"val_metric,omitempty"`
	ValLoss     *float64 `json:"val_loss,omitempty"`

	ParamsTotal  int       `json:"params_total"`
	ParamsThawed int       `json:"params_thawed"`
	Began        time.Time `json:"began"`
	Seconds      float64   `json:"seconds"` // of work, in all sittings

	Curve []EpochEnd `json:"-"` // the epochs, in order; for a run that extends another, its own
}

// DamagedRun is a run folder that cannot be read.
type DamagedRun struct {
	Out string `json:"out"`
	Why string `json:"why"`
}

// ListRuns describes the runs in a folder and in those below it, in the order in which they began.
// Run folders that cannot be read are listed apart. It errors if the folder itself cannot be read.
func ListRuns(dir string) ([]RunInfo, []DamagedRun, error) {
	found, bad, err := run.List(dir)
	if err != nil {
		return nil, nil, badInput(err)
	}
	runs := each(found, func(l run.Listed) RunInfo {
		return RunInfo{
			Out: l.Out, State: l.State, Error: l.Error, Model: l.Config.Model, Data: l.Config.Data, Task: l.Task, Thaw: l.Config.Thaw, Adapter: l.Config.Adapter, Freeze: l.Config.Freeze, Schedule: l.Config.Schedule, LR: l.Config.LR,
			Epochs: l.Epochs, Planned: l.Planned, BestEpoch: l.BestEpoch, ValAccuracy: l.Accuracy, ValMetric: metricOf(l.Metric), ValLoss: l.Loss,
			ParamsTotal: l.ParamsTotal, ParamsThawed: l.ParamsThawed, Began: l.Began, Seconds: l.Seconds,
			Curve: each(l.Curve, func(e *report.EpochEvent) EpochEnd { return *eventOf(time.Time{}, e).(*EpochEnd) }),
		}
	})
	return runs, each(bad, func(d run.Damaged) DamagedRun { return DamagedRun{d.Out, d.Err.Error()} }), nil
}
