// Package permafrost fine-tunes pretrained ONNX models by weight freezing.
//
// A model comes in as ONNX, a few of its weights are thawed, it is trained on the user's data, and
// it goes out as ONNX with every frozen weight bit for bit as it was:
//
//	cfg := permafrost.DefaultConfig()
//	cfg.Model, cfg.Data, cfg.Out = "mobilenet.onnx", "photos", "runs/photos"
//	cfg.Thaw = []string{"head", "last:1"}
//	result, err := permafrost.Fit(ctx, cfg)
//
// The run directory then holds model.onnx, which Open reads for prediction, and the proof that
// Verify checks. Inspect shows beforehand what a choice of weights costs. Errors are one line that
// says what is wrong, where, and how to mend it (ErrBadInput, OptionError); nothing is written
// before the input was found good. An error that speaks of an option calls it as run.yaml does:
// option lr_mult.
//
// Long calls take a context and give up between two operations when it ends; a fit saves a
// checkpoint first, from which Resume goes on to the same bits. All functions may be called from
// many goroutines. They use as many threads as Config.Threads says, and results do not depend on
// their number.
package permafrost

import (
	"github.com/permafrost-ml/permafrost/internal/version"
)

// Version is the version of Permafrost.
const Version = version.Version
