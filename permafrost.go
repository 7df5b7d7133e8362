// Package permafrost fine-tunes pretrained ONNX models by weight freezing.
//
// A model comes in as ONNX, a few of its weights are thawed, it is trained on the user's data, and it
// goes out as ONNX with every frozen weight bit for bit as it was:
//
//	cfg := permafrost.DefaultConfig()
//	cfg.Model, cfg.Data, cfg.Out = "mobilenet.onnx", "photos", "runs/photos"
//	cfg.Thaw = []string{"head", "last:1"}
//	result, err := permafrost.Fit(ctx, cfg)
//
// The run directory then holds model.onnx, which Open reads for prediction, and the proof that Verify
// checks. Inspect shows beforehand what a choice of weights costs. Errors are one line that says what
// is wrong, where, and how to mend it; nothing is written before the input was found good.
//
// Long calls take a context and give up between two operations when it ends; a fit saves a checkpoint
// first, from which Resume goes on to the same bits. Functions of this package use all threads of
// SetThreads by themselves, and results do not depend on their number.
package permafrost

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/race"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/train"
	"github.com/permafrost-ml/permafrost/internal/tuned"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// Version is the version of Permafrost.
const Version = version.Version

type (
	// Config holds every option of a fit. Its YAML form is run.yaml, and the command line has a flag for
	// each field. Zero numbers ask for a choice by the plan.
	Config = train.Config
	// Result is what a fit achieved.
	Result = train.Result
	// DivergedError is the error of a fit whose loss left the numbers: it says where and what is kept.
	DivergedError = train.DivergedError

	// Plan says for every weight whether it is frozen, thawed, partly thawed, or follows the data.
	Plan = freeze.Plan
	// InspectOptions say for what data Inspect predicts.
	InspectOptions = train.InspectOptions
	// Inspection is what Inspect found: layers, blocks, frontier and predicted cost.
	Inspection = train.Inspection
	// BenchOptions say how a model is timed.
	BenchOptions = train.BenchOptions
	// BenchResult holds the times.
	BenchResult = train.BenchResult

	// Event is one thing that happened in a run, as a line of events.jsonl holds it.
	Event = report.Event
	// EpochStart, EpochEvent, StepEvent and Warning are the events that a caller most likely wants;
	// docs/events.md lists all.
	EpochStart = report.EpochStart
	EpochEvent = report.EpochEvent
	StepEvent  = report.StepEvent
	Warning    = report.Warning
	// Sink receives the events of a fit.
	Sink = report.Sink

	// Verification says which frozen tensors of a tuned model differ from its base's.
	Verification = tuned.Verification
	// Prediction is what a tuned model says of one input.
	Prediction = tuned.Prediction
	// Evaluation is how a tuned model does on labelled data.
	Evaluation = tuned.Evaluation
	// Skipped is a damaged file that was left out.
	Skipped = data.Skipped
)

// DefaultConfig holds the value that each option has when it is not given.
func DefaultConfig() Config { return train.DefaultConfig() }

// LoadConfig reads a run.yaml.
func LoadConfig(path string) (Config, error) { return train.LoadConfig(path) }

// SetThreads sets the number of threads that all work is spread over; it starts as GOMAXPROCS.
func SetThreads(n int) { kernel.SetThreads(n) }

// Inspect reads a model, makes the plan that the options describe and, where o.Measure is set, predicts
// what a fit by it costs on this machine. Nothing is written.
func Inspect(ctx context.Context, o InspectOptions) (*Inspection, error) {
	return train.Inspect(ctx, o)
}

// NewPlan reads a model and says what a fit with these options does with each of its weights. Classes
// is the number of classes of the data. It errors on selectors that match nothing, naming the nearest.
func NewPlan(cfg Config, classes int) (*Plan, error) {
	in, err := train.Inspect(context.Background(), train.InspectOptions{Config: cfg, Classes: classes})
	if err != nil {
		return nil, err
	}
	return in.Plan, nil
}

// Bench times a model's forward pass and training step on made-up inputs.
func Bench(ctx context.Context, o BenchOptions) (*BenchResult, error) { return train.Bench(ctx, o) }

// Fit trains as the configuration says. The run goes to the directory cfg.Out, which must not hold
// another run; with an empty Out nothing is written and only the numbers come back. Events go to
// events.jsonl and to the sinks.
//
// When ctx ends, a checkpoint is saved and the context's error is returned. Input that cannot be used
// is an error before anything is written.
//
// With cfg.Auto it first chooses what to thaw, at which rate and for how long, by racing candidates on the training examples;
// Result.Auto says how.
func Fit(ctx context.Context, cfg Config, sinks ...Sink) (*Result, error) {
	if cfg.Auto {
		return race.Fit(ctx, cfg, sinks...)
	}
	if cfg.Out != "" {
		if err := train.CheckRunDir(cfg.Out); err != nil {
			return nil, err
		}
	}
	s, err := prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	var dir *train.RunDir
	if cfg.Out != "" {
		if dir, err = train.CreateRunDir(cfg.Out, &s.Config); err != nil {
			return nil, err
		}
	}
	return s.Fit(ctx, dir, false, sinks...)
}

// LoadRun reads the options of the run in a directory, for Resume.
func LoadRun(dir string) (Config, error) {
	_, cfg, err := train.OpenRunDir(dir)
	if err != nil {
		return Config{}, err
	}
	cfg.Out = dir
	return *cfg, nil
}

// Resume goes on with the run in cfg.Out from its last checkpoint and ends in the bits that an unbroken
// run would have given. It errors, and writes nothing, when model, data, plan or options are not those
// of the run; only the number of threads, the cache and paths may change.
func Resume(ctx context.Context, cfg Config, sinks ...Sink) (*Result, error) {
	if cfg.Out == "" {
		return nil, fmt.Errorf("out: name the directory of the run to go on with")
	}
	dir, _, err := train.OpenRunDir(cfg.Out)
	if err != nil {
		return nil, err
	}
	s, err := prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	found, err := s.CheckResume(dir)
	if err != nil {
		return nil, err
	}
	return s.Fit(ctx, dir, found, sinks...)
}

// prepare reads model and data and makes sure that the plan can be trained.
func prepare(ctx context.Context, cfg Config) (*train.Session, error) {
	s, err := train.Prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return s, s.Check()
}

// Verify compares a tuned model with its base: every tensor that the plan calls frozen must have its
// bytes unchanged. Plan is a plan.json, or "" for the plan that the tuned file carries.
func Verify(base, tunedFile, plan string) (*Verification, error) {
	return tuned.Verify(base, tunedFile, plan)
}

// ExtractDelta writes what a tuned model has that its base has not to a file.
func ExtractDelta(base, tunedFile, delta string) error {
	_, err := tuned.Extract(base, tunedFile, delta)
	return err
}

// ApplyDelta writes the tuned model that a delta was made from, bit for bit.
func ApplyDelta(base, delta, tunedFile string) error { return tuned.Apply(base, delta, tunedFile) }

// Model is a tuned model ready for use. Labels and preprocessing come from its file.
type Model struct{ p *tuned.Predictor }

// Open reads a tuned model. It errors on one that no fit wrote.
func Open(path string) (*Model, error) {
	p, err := tuned.Open(path)
	if err != nil {
		return nil, err
	}
	return &Model{p}, nil
}

// Labels are the names of the classes in the order of the model's scores.
func (m *Model) Labels() []string { return m.p.Record.Labels }

// Predict classifies files and returns up to top guesses for each, most probable first, with the
// damaged files that were left out. It errors when all are damaged.
func (m *Model) Predict(ctx context.Context, files []string, top int) ([]Prediction, []Skipped, error) {
	return m.p.Predict(ctx, files, top)
}

// Eval measures the model on class folders whose names are among its labels; of a folder with train and
// val it takes val.
func (m *Model) Eval(ctx context.Context, path string) (*Evaluation, error) {
	return m.p.Eval(ctx, path)
}
