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
// is wrong, where, and how to mend it (ErrBadInput, OptionError); nothing is written before the input was
// found good. An error that speaks of an option calls it as run.yaml does: option lr_mult.
//
// Long calls take a context and give up between two operations when it ends; a fit saves a checkpoint
// first, from which Resume goes on to the same bits. All functions may be called from many goroutines.
// They use as many threads as Config.Threads says, and results do not depend on their number.
package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/tuned"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// Version is the version of Permafrost.
const Version = version.Version

type (
	// Prediction is what a tuned model says of one input.
	Prediction = tuned.Prediction
	// Evaluation is how a tuned model does on labelled data.
	Evaluation = tuned.Evaluation
	// Skipped is a damaged file that was left out.
	Skipped = data.Skipped
)

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
