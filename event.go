package permafrost

import (
	"encoding/json"
	"time"
)

// Event is something that happened in a run: a pointer to one of the types below. It contains
// everything that its line in events.jsonl does.
type Event interface {
	// Type is the event's name, the value of "type" in events.jsonl.
	Type() string
}

// RunStart starts a run. It is sent again each time the run resumes.
type RunStart struct {
	Time    time.Time
	Version string // of permafrost
	Model   string // path of the pretrained model
	Data    string // path of the training data
	Config  Config // every option, fully resolved
	Epochs  int    // planned
	Steps   int    // optimiser steps planned
	Threads int    // in use
	Resumed bool   // the run resumes from a checkpoint
	Epoch   int    // from 1, at which it continues
	Step    int    // optimiser steps done before
	Over    bool   // it is over already: nothing is left to train
}

// DataRead describes the data.
type DataRead struct {
	Time    time.Time
	Task    string   // classify, multilabel, regress, lm or ctc
	Classes []string // in the order of the model's scores
	Train   int      // training examples
	Val     int      // validation examples
	Counts  []int    // training examples of each class
	Damaged int      // files skipped because they could not be read
	Digest  string   // of the training examples
}

// PlanMade says what is frozen.
type PlanMade struct {
	Time   time.Time
	Digest string   // of the plan
	Thaw   []string // selectors
	Freeze []string // selectors of weights kept frozen
	// changes what trains during the run; the plan then describes everything that may train
	Schedule      string
	ParamsTotal   int      // elements of all weights
	ParamsThawed  int      // elements that train
	TensorsThawed []string // tensors that train, at least partly
	Frontier      []string // values where the frozen part of the network ends
	FrozenDigest  string   // of all frozen tensors before training
}

// Encoded reports progress through the frozen part of the network before the first epoch.
type Encoded struct {
	Time  time.Time
	Done  int // examples whose frozen activations are known
	Total int // examples in all, training and validation
}

// Cached says how much of the frozen activations is kept.
type Cached struct {
	Time            time.Time
	Where           string // off, ram, or disk, where later runs can use them
	Values          int    // number kept per example
	BytesPerExample int64  // their size
	Bytes           int64  // of everything that is kept
	// the values, if they are not the frontier but an earlier cut that fits the budget
	At      []string
	Hits    int     // examples found in the cache
	Near    int     // examples computed from earlier values that another run kept
	Misses  int     // examples computed from the data
	Seconds float64 // time to fill it
}

// EpochStart starts an epoch.
type EpochStart struct {
	Time  time.Time
	Epoch int // from 1
	Steps int // optimiser steps in it
}

// Step reports one optimiser step.
type Step struct {
	Time     time.Time
	Epoch    int     // from 1
	Step     int     // optimiser steps done in the run, including this one
	Loss     float64 // mean of the batch
	LR       float64 // learning rate
	GradNorm float64 // norm of the thawed gradients before clipping; 0 if not computed
	Examples int     // in the step
	Seconds  float64 // duration
}

// EpochEnd ends an epoch.
type EpochEnd struct {
	Time          time.Time
	Epoch         int      // from 1
	Step          int      // optimiser steps done in the run
	TrainLoss     float64  // mean over the epoch's examples, while the weights changed
	TrainAccuracy float64  // likewise; classify only
	TrainMetric   *Metric  // likewise, of other tasks; nil for classify
	Val           *Metrics // of the validation examples
	LR            float64  // of the last step
	Best          bool     // the best epoch so far
	Seconds       float64  // including validation
	Rate          float64  // training examples per second
	PeakRSS       int64    // peak memory of the process so far, in bytes
}

// PlanChange says that a schedule thawed or froze weights between two optimiser steps.
type PlanChange struct {
	Time         time.Time
	Epoch        int      // from 1, in which the new plan starts
	Step         int      // optimiser steps done before
	Stage        int      // how often the plan has changed; 0 at the start
	Reason       string   // in a sentence
	Digest       string   // of the new plan
	Thawed       []string // tensors that start to train
	Frozen       []string // tensors that stop training
	ParamsThawed int      // elements trained after the change
	Frontier     []string // values where the frozen part of the network ends after the change
	Seconds      float64  // duration of the change: compiling, and recomputing frozen activations
}

// CheckpointSaved says that a checkpoint has been written to disk.
type CheckpointSaved struct {
	Time  time.Time
	Epoch int    // from 1, at which a resumed run would continue
	Step  int    // optimiser steps done
	Path  string // relative to the run folder
	Bytes int64  // its size
}

// Warning is a message for the user.
type Warning struct {
	Time    time.Time
	Message string // one line
}

// Trial reports how a candidate did in the search of Config.Auto, on examples held out of the
// training data.
type Trial struct {
	Time    time.Time
	Round   int      // number of the trial, from 1
	Thaw    []string // the candidate's selectors
	LR      float64  // its learning rate
	Epochs  int      // epochs that it trained for
	Folds   int      // held-out parts on which it was measured: 1
	Score   float64  // on them, larger is better; NaN if its loss was NaN
	HeldOut int      // examples on which it was measured
	Seconds float64  // duration
}

// Choice ends the search of Config.Auto. It says what the following fit does.
type Choice struct {
	Time    time.Time
	Thaw    []string // the chosen selectors
	LR      float64  // learning rate
	Epochs  int      // of the fit that follows
	Text    string   // the choice in one line
	Why     string   // the reason in sentences
	Seconds float64  // duration of the search
}

// Diagnosed says what is wrong with a fit.
type Diagnosed struct {
	Time time.Time
	Diagnosis
}

// RunEnd ends a run.
type RunEnd struct {
	Time         time.Time
	Status       string          // done, stopped (by Patience), interrupted or failed
	Error        string          // why it failed
	Epochs       int             // finished
	BestEpoch    int             // from 1; 0 without one
	Seconds      float64         // since the run started or was resumed
	FrozenDigest string          // of all frozen tensors after training
	ParamsThawed int             // elements trained
	PeakRSS      int64           // peak memory of the process, in bytes
	ModelBytes   int64           // size of model.onnx
	Result       json.RawMessage // the Result as JSON
}

func (*RunStart) Type() string        { return "run_start" }
func (*DataRead) Type() string        { return "data" }
func (*PlanMade) Type() string        { return "plan" }
func (*Encoded) Type() string         { return "encoded" }
func (*Cached) Type() string          { return "cache" }
func (*EpochStart) Type() string      { return "epoch_start" }
func (*Step) Type() string            { return "step" }
func (*EpochEnd) Type() string        { return "epoch" }
func (*PlanChange) Type() string      { return "plan_change" }
func (*CheckpointSaved) Type() string { return "checkpoint" }
func (*Warning) Type() string         { return "warning" }
func (*Trial) Type() string           { return "trial" }
func (*Choice) Type() string          { return "choice" }
func (*Diagnosed) Type() string       { return "diagnosis" }
func (*RunEnd) Type() string          { return "run_end" }
