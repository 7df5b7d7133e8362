package permafrost

import (
	"context"
	"io"

	"github.com/permafrost-ml/permafrost/internal/demo"
)

// DemoOptions say how the demonstration is told.
type DemoOptions struct {
	Stdout  io.Writer // of the story, or with JSON of one object
	Stderr  io.Writer // of progress
	Out     string    // folder to write, new or empty; empty: the first of permafrost-demo, permafrost-demo-2, ... that is free
	Seed    uint64    // of the pictures and the training; 0: 1
	Threads int       // 0: one a core; nothing but the times depends on it
	JSON    bool
}

// Demo fine-tunes a small built-in model on built-in pictures under several plans, in under a
// minute, and tells what freezing did. Model, pictures and runs stay in the folder.
func Demo(ctx context.Context, o DemoOptions) error {
	return badInput(demo.Run(ctx, demo.Options{Stdout: o.Stdout, Stderr: o.Stderr, Out: o.Out, Seed: o.Seed, Threads: o.Threads, JSON: o.JSON}))
}

// DemoMaterial writes what the demonstration starts from to a new or empty folder, to try things
// on: the model letters.onnx, which knows Latin letters, and the class folders greek and cyrillic
// with train and val, ten and thirty pictures of each letter, and latin.
func DemoMaterial(ctx context.Context, dir string, seed uint64) error {
	return badInput(demo.Material(ctx, dir, seed))
}
