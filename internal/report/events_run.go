package report

import (
	"encoding/json"
	"math"

	"github.com/permafrost-ml/permafrost/internal/task"
)

// newEvent returns a pointer to a zero event of the named type, nil if there is none.
func newEvent(name string) Event {
	for _, f := range eventTypes {
		if e := f(); e.Type() == name {
			return e
		}
	}
	return nil
}

// eventTypes makes one event of each type, in the order in which a run first emits them.
var eventTypes = []func() Event{
	func() Event { return new(TrialEvent) },
	func() Event { return new(ChoiceEvent) },
	func() Event { return new(RunStart) },
	func() Event { return new(DataEvent) },
	func() Event { return new(PlanEvent) },
	func() Event { return new(Encoded) },
	func() Event { return new(CacheEvent) },
	func() Event { return new(EpochStart) },
	func() Event { return new(StepEvent) },
	func() Event { return new(EpochEvent) },
	func() Event { return new(PlanChange) },
	func() Event { return new(ClientEvent) },
	func() Event { return new(RoundEvent) },
	func() Event { return new(CheckpointEvent) },
	func() Event { return new(Warning) },
	func() Event { return new(Diagnosis) },
	func() Event { return new(RunEnd) },
}

// RunStart starts a run. It is emitted again each time the run resumes.
type RunStart struct {
	Version string          `json:"version" doc:"of permafrost"`
	Model   string          `json:"model" doc:"path of the pretrained model"`
	Data    string          `json:"data" doc:"path of the training data"`
	Config  json.RawMessage `json:"config" doc:"the options, with the keys of run.yaml"`
	Epochs  int             `json:"epochs" doc:"epochs planned; of a federation, rounds"`
	Steps   int             `json:"steps" doc:"optimiser steps planned; 0 of a federation"`
	Threads int             `json:"threads" doc:"threads in use"`
	Resumed bool            `json:"resumed,omitempty" doc:"the run goes on from a checkpoint"`
	Epoch   int             `json:"epoch,omitempty" doc:"epoch, from 1, at which it goes on"`
	Step    int             `json:"step,omitempty" doc:"optimiser steps done before"`
	Over    bool            `json:"over,omitempty" doc:"the run is over already: nothing is left to train"`
}

// DataEvent describes the data.
type DataEvent struct {
	Task    string   `json:"task" doc:"classify, multilabel, regress, lm or ctc"`
	Classes []string `json:"classes,omitempty" doc:"class names in the order of the model's outputs"`
	Train   int      `json:"train" doc:"training examples; 0 of a federation, whose clients tell theirs"`
	Val     int      `json:"val" doc:"validation examples"`
	Counts  []int    `json:"counts,omitempty" doc:"training examples of each class"`
	Damaged int      `json:"damaged,omitempty" doc:"files skipped because they could not be read"`
	Digest  string   `json:"digest,omitempty" doc:"digest of the training examples"`
}

// PlanEvent says what is frozen.
type PlanEvent struct {
	Digest        string   `json:"digest" doc:"digest of the plan"`
	Thaw          []string `json:"thaw" doc:"selectors"`
	Freeze        []string `json:"freeze,omitempty" doc:"selectors of what stays frozen"`
	Schedule      string   `json:"schedule,omitempty" doc:"the schedule of freezing; the plan then lists all that may train"`
	ParamsTotal   int      `json:"params_total" doc:"parameters (elements) of the model"`
	ParamsThawed  int      `json:"params_thawed" doc:"parameters (elements) that train"`
	TensorsThawed []string `json:"tensors_thawed" doc:"names of the tensors that are trained, wholly or partly"`
	Frontier      []string `json:"frontier,omitempty" doc:"values where the frozen part of the network ends"`
	FrozenDigest  string   `json:"frozen_digest,omitempty" doc:"digest of all frozen tensors before training"`
}

// Download reports progress of a file that comes from a hub. It is told before a run begins, so that
// events.jsonl has none.
type Download struct {
	File string
	Done int64 // bytes
	Size int64 // -1 if it is not known
	Up   bool  // it goes to the hub
}

func (*Download) Type() string { return "download" }

// Encoded reports progress of the frozen region before the first epoch.
type Encoded struct {
	Done  int `json:"done" doc:"examples whose frozen activations were computed"`
	Total int `json:"total" doc:"examples in all, training and validation"`
}

// CacheEvent says how much of the frozen activations is kept.
type CacheEvent struct {
	Where           string   `json:"where" doc:"off, ram, or disk where later runs find them too"`
	Values          int      `json:"values" doc:"values kept for each example"`
	BytesPerExample int64    `json:"bytes_per_example" doc:"size of them"`
	Bytes           int64    `json:"bytes" doc:"size of what is kept in all"`
	At              []string `json:"at,omitempty" doc:"the values, if they are not the frontier: an earlier cut that fits the budget; the rest is computed every epoch"`
	Hits            int      `json:"hits" doc:"examples found in the cache"`
	Near            int      `json:"near,omitempty" doc:"examples computed from earlier values that another run kept"`
	Misses          int      `json:"misses" doc:"examples computed from the data"`
	Seconds         float64  `json:"seconds,omitempty" doc:"time spent on filling it"`
}

// EpochStart starts an epoch.
type EpochStart struct {
	Epoch int `json:"epoch" doc:"from 1"`
	Steps int `json:"steps" doc:"optimiser steps in it"`
}

// StepEvent reports one optimiser step.
type StepEvent struct {
	Epoch    int     `json:"epoch" doc:"from 1"`
	Step     int     `json:"step" doc:"optimiser steps done in the run, this one included"`
	Loss     Number  `json:"loss" doc:"mean loss of the batch; of regress in the unit of the numbers, squared"`
	LR       float64 `json:"lr" doc:"learning rate"`
	GradNorm Number  `json:"grad_norm,omitempty" doc:"norm of the thawed gradients before clipping, if it was computed"`
	Examples int     `json:"examples" doc:"examples in the step"`
	Seconds  float64 `json:"seconds" doc:"time the step took"`
}

// EpochEvent ends an epoch.
type EpochEvent struct {
	Epoch         int           `json:"epoch" doc:"from 1"`
	Step          int           `json:"step" doc:"optimiser steps done in the run"`
	TrainLoss     Number        `json:"train_loss" doc:"mean over the epoch's examples, while the weights moved"`
	TrainAccuracy Number        `json:"train_accuracy" doc:"accuracy, measured in the same way; of classify"`
	TrainMetric   *task.Named   `json:"train_metric,omitempty" doc:"the metric of other tasks: name and value"`
	Val           *task.Metrics `json:"val,omitempty" doc:"validation: examples, loss, and of classify accuracy, macro_f1, confusion, ece (expected calibration error) and bins (by probability: examples, right ones, sum of probabilities), of other tasks metric"`
	LR            float64       `json:"lr" doc:"learning rate of the last step"`
	Best          bool          `json:"best" doc:"the best epoch so far"`
	Seconds       float64       `json:"seconds" doc:"time it took, validation included"`
	Rate          float64       `json:"examples_per_second" doc:"training examples a second"`
	PeakRSS       int64         `json:"peak_rss_bytes,omitempty" doc:"largest memory of the process so far"`
}

// PlanChange says that a schedule thawed or froze weights between two optimiser steps.
type PlanChange struct {
	Epoch        int      `json:"epoch" doc:"epoch, from 1, in which the new plan begins"`
	Step         int      `json:"step" doc:"optimiser steps done before"`
	Stage        int      `json:"stage" doc:"number of changes of what trains so far; 0 at the start"`
	Reason       string   `json:"reason" doc:"why, in a sentence"`
	Digest       string   `json:"digest" doc:"digest of the new plan"`
	Thawed       []string `json:"thawed,omitempty" doc:"tensors that begin to train"`
	Frozen       []string `json:"frozen,omitempty" doc:"tensors that stop training"`
	ParamsThawed int      `json:"params_thawed" doc:"parameters (elements) trained from now on"`
	Frontier     []string `json:"frontier,omitempty" doc:"values where the frozen part of the network ends from now on"`
	Seconds      float64  `json:"seconds,omitempty" doc:"time that the change took: compiling, and computing frozen activations anew"`
}

// CheckpointEvent says that a checkpoint has been written to disk.
type CheckpointEvent struct {
	Epoch int    `json:"epoch" doc:"epoch, from 1, at which a resumed run would go on"`
	Step  int    `json:"step" doc:"optimiser steps done"`
	Path  string `json:"path" doc:"file, relative to the run directory"`
	Bytes int64  `json:"bytes" doc:"its size"`
}

// Warning is a message for the user.
type Warning struct {
	Message string `json:"message" doc:"one line"`
}

// RunEnd ends a run.
type RunEnd struct {
	Status       string          `json:"status" doc:"done, stopped (patience), interrupted or failed"`
	Error        string          `json:"error,omitempty" doc:"why it failed"`
	Epochs       int             `json:"epochs" doc:"epochs finished"`
	BestEpoch    int             `json:"best_epoch" doc:"epoch, from 1, whose weights are the best; 0 without one"`
	Seconds      float64         `json:"seconds" doc:"time since the run started or was resumed"`
	FrozenDigest string          `json:"frozen_digest,omitempty" doc:"digest of all frozen tensors after training"`
	ParamsThawed int             `json:"params_thawed" doc:"parameters (elements) trained"`
	PeakRSS      int64           `json:"peak_rss_bytes,omitempty" doc:"largest memory of the process"`
	ModelBytes   int64           `json:"model_bytes,omitempty" doc:"size of model.onnx"`
	Result       json.RawMessage `json:"result,omitempty" doc:"what fit --json prints"`
}

func (*RunStart) Type() string        { return "run_start" }
func (*DataEvent) Type() string       { return "data" }
func (*PlanEvent) Type() string       { return "plan" }
func (*Encoded) Type() string         { return "encoded" }
func (*CacheEvent) Type() string      { return "cache" }
func (*EpochStart) Type() string      { return "epoch_start" }
func (*StepEvent) Type() string       { return "step" }
func (*EpochEvent) Type() string      { return "epoch" }
func (*PlanChange) Type() string      { return "plan_change" }
func (*CheckpointEvent) Type() string { return "checkpoint" }
func (*Warning) Type() string         { return "warning" }
func (*RunEnd) Type() string          { return "run_end" }

// Number is a float64 whose JSON form is null if it is NaN or infinite.
type Number float64

func (n Number) MarshalJSON() ([]byte, error) { return json.Marshal(task.Finite(float64(n))) }

// UnmarshalJSON reads null as NaN.
func (n *Number) UnmarshalJSON(b []byte) error {
	var v *float64
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*n = Number(math.NaN())
	if v != nil {
		*n = Number(*v)
	}
	return nil
}
