package permafrost

import (
	"context"
	"io"

	"github.com/permafrost-ml/permafrost/internal/demo"
)

// DemoOptions say how the demonstration runs.
type DemoOptions struct {
	Stdout io.Writer // for the story or, with JSON, one object
	Stderr io.Writer // for progress
	// folder to write, new or empty; empty: the first of permafrost-demo, permafrost-demo-2, ...
	// that does not exist
	Out     string
	Seed    uint64 // of the pictures and the training; 0: 1
	Threads int    // 0: one per core; only the times depend on it
	JSON    bool
}

// Demo fine-tunes a small built-in model on built-in pictures with several plans, in under a
// minute, and explains what freezing did. Model, pictures and runs stay in the folder.
func Demo(ctx context.Context, o DemoOptions) error {
	return badInput(demo.Run(ctx, demo.Options{Stdout: o.Stdout, Stderr: o.Stderr, Out: o.Out, Seed: o.Seed, Threads: o.Threads, JSON: o.JSON}))
}

// Practice writes a small pretrained model and data to practise on to a new or empty folder. The
// kind is pictures (letters.onnx, and alphabets in class folders), texts (topics.onnx, and tables of
// messages) or sounds (sounds.onnx, and calls of birds in class folders). All of it is made up, from
// the seed; 0 is 1. The models of texts and sounds are trained as they are written, in seconds.
func Practice(ctx context.Context, kind, dir string, seed uint64) error {
	return badInput(demo.Practice(ctx, kind, dir, seed))
}

// DemoMaterial writes the starting material of the demonstration to a new or empty folder: the
// model letters.onnx, which knows Latin letters, the class folders greek and cyrillic with train
// and val, ten and thirty pictures of each letter, and latin.
func DemoMaterial(ctx context.Context, dir string, seed uint64) error {
	return badInput(demo.Material(ctx, dir, seed))
}
