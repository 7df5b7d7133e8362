package permafrost

import (
	"encoding/json"
	"time"
)

// Event is one thing that happened in a run: a pointer to one of the types below. It holds
// everything that its line of events.jsonl does.
type Event interface {
	// Type is the event's name, the value of "type" in events.jsonl.
	Type() string
}

// RunStart opens a run, and once more each time it is resumed.
type RunStart struct {
	Time    time.Time
	Version string // of permafrost
	Model   string // path of the pretrained model
	Data    string // path of the training data
	Config  Config // every option, with nothing left to choose
	Epochs  int    // planned
	Steps   int    // optimiser steps planned
	Threads int    // in use
	Resumed bool   // the run goes on from a checkpoint
	Epoch   int    // from 0, at which it goes on
	Step    int    // optimiser steps done before
}

// DataRead says what the data turned out to be.
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
	Time          time.Time
	Digest        string   // of the plan
	Thaw          []string // selectors
	Freeze        []string // selectors taken away
	Schedule      string   // what changes during the run what trains; the plan is then of all that may train
	ParamsTotal   int      // elements of all weights
	ParamsThawed  int      // of them, trained
	TensorsThawed []string // tensors that are trained, wholly or partly
	Frontier      []string // values where the frozen part of the network ends
	FrozenDigest  string   // of all frozen tensors before training
}

// Encoded reports progress through the frozen part of the network before the first epoch.
type Encoded struct {
	Time  time.Time
	Done  int // examples whose frozen activations are known
	Total int // examples in all, training and validation
}

// Cached says how far frozen activations are kept.
type Cached struct {
	Time            time.Time
	Where           string   // off, ram, or disk where later runs find them too
	Values          int      // kept for each example
	BytesPerExample int64    // of them
	Bytes           int64    // of what is kept in all
	At              []string // the values, where they are not the frontier but an earlier cut that fits the budget
	Hits            int      // examples found in the cache
	Near            int      // examples computed from earlier values that another run kept
	Misses          int      // examples computed from the data
	Seconds         float64  // spent on filling it
}

// EpochStart opens an epoch.
type EpochStart struct {
	Time  time.Time
	Epoch int // from 0
	Steps int // optimiser steps in it
}

// Step reports one optimiser step.
type Step struct {
	Time     time.Time
	Epoch    int     // from 0
	Step     int     // optimiser steps done in the run, this one included
	Loss     float64 // mean of the batch
	LR       float64 // learning rate
	GradNorm float64 // norm of the thawed gradients before clipping, 0 where it was not computed
	Examples int     // in the step
	Seconds  float64 // that it took
}

// EpochEnd closes an epoch.
type EpochEnd struct {
	Time          time.Time
	Epoch         int      // from 0
	Step          int      // optimiser steps done in the run
	TrainLoss     float64  // mean over the epoch's examples, as the weights moved
	TrainAccuracy float64  // likewise; of classify
	TrainMetric   *Metric  // likewise, of other tasks; nil for classify
	Val           *Metrics // of the validation examples
	LR            float64  // of the last step
	Best          bool     // the best epoch so far
	Seconds       float64  // validation included
	Rate          float64  // training examples a second
	PeakRSS       int64    // largest memory of the process so far, in bytes
}

// PlanChange says that a schedule thawed or froze weights between two optimiser steps.
type PlanChange struct {
	Time         time.Time
	Epoch        int      // from 0, in which the new plan begins
	Step         int      // optimiser steps done before
	Stage        int      // how often the plan has changed; 0 at the start
	Reason       string   // in a sentence
	Digest       string   // of the new plan
	Thawed       []string // tensors that training takes in
	Frozen       []string // tensors that it leaves
	ParamsThawed int      // elements trained after the change
	Frontier     []string // values where the frozen part of the network then ends
	Seconds      float64  // that the change took: compiling, and computing frozen activations again
}

// CheckpointSaved says that a checkpoint lies on the disk.
type CheckpointSaved struct {
	Time  time.Time
	Epoch int    // from 0, at which a resumed run would go on
	Step  int    // optimiser steps done
	Path  string // relative to the run folder
	Bytes int64  // its size
}

// Warning is something that a person should read.
type Warning struct {
	Time    time.Time
	Message string // one line
}

// Trial says how a candidate did in the race of Config.Auto, on examples held out of the training
// data.
type Trial struct {
	Time    time.Time
	Round   int      // of the race, from 0
	Thaw    []string // the candidate's selectors
	LR      float64  // its learning rate
	Epochs  int      // that it trained for
	Folds   int      // held-out parts that it was measured on so far in this round
	Score   float64  // on them, larger is better; NaN where its loss was not a number
	HeldOut int      // examples that it was measured on
	Seconds float64  // that it took
}

// Choice closes the race of Config.Auto: what the fit that follows does.
type Choice struct {
	Time    time.Time
	Thaw    []string // the chosen selectors
	LR      float64  // learning rate
	Epochs  int      // of the fit that follows
	Text    string   // the choice in a line
	Why     string   // the reason in sentences
	Seconds float64  // that the choice took
}

// Diagnosed says what ails a fit.
type Diagnosed struct {
	Time time.Time
	Diagnosis
}

// RunEnd closes a run.
type RunEnd struct {
	Time         time.Time
	Status       string          // done, stopped (by Patience), interrupted or failed
	Error        string          // why it failed
	Epochs       int             // finished
	BestEpoch    int             // from 0; -1 without one
	Seconds      float64         // since the run started or was resumed
	FrozenDigest string          // of all frozen tensors after training
	ParamsThawed int             // elements trained
	PeakRSS      int64           // largest memory of the process, in bytes
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
