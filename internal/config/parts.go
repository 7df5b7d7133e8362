package config

import (
	"cmp"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/sideinput"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Decay returns the weight decay, and whether it applies to every thawed weight. If the user gave
// the number, it applies to all; otherwise norms and biases are spared. With l2_sp, the decay is
// l2_sp, and pulls towards the pretrained values.
func (c *Config) Decay() (decay float64, everything bool) {
	switch {
	case c.L2SP != 0:
		return c.L2SP, true
	case c.WeightDecay != nil:
		return *c.WeightDecay, true
	case c.Optimizer == "adamw":
		return 0.01, false
	}
	return 0, false
}

// NewOptimizer returns the optimiser that the options describe, with no parameters yet.
func (c *Config) NewOptimizer() *optim.Optimizer {
	decay, _ := c.Decay()
	if c.Optimizer == "sgd" {
		return optim.NewSGD(optim.SGD{Momentum: c.Momentum, Nesterov: c.Nesterov, WeightDecay: decay})
	}
	return optim.NewAdamW(optim.AdamW{WeightDecay: decay})
}

// LRs returns the learning-rate schedule for a run of that many optimiser steps.
func (c *Config) LRs(steps int) optim.LRSchedule {
	return optim.LRSchedule{Kind: c.LRSchedule, Base: c.LR, Steps: steps, Warmup: c.Warmup}
}

// Prepares returns the name of an option that says how inputs are prepared, "" where none is given.
func (c *Config) Prepares() string {
	for _, o := range []struct {
		name  string
		given bool
	}{
		{"preprocess", c.Preprocess != ""}, {"layout", c.Layout != ""}, {"size", c.Size != ""},
		{"tokenizer", c.Tokenizer != ""}, {"max_length", c.MaxLength != 0}, {"input", len(c.Input) > 0}, {"shape", len(c.Shape) > 0},
		{"text_column", c.TextColumn != ""}, {"label_column", c.LabelColumn != ""},
	} {
		if o.given {
			return o.name
		}
	}
	return ""
}

// FeedOptions returns the options for preparing the data.
func (c *Config) FeedOptions() feed.Options {
	return feed.Options{Preprocess: c.Preprocess, Layout: c.Layout, Size: c.Size, Augment: c.Augment, Sides: sideinput.Options{Inputs: c.Input, Shapes: c.Shape},
		Text: feed.TextOptions{Tokenizer: c.Tokenizer, MaxLength: c.MaxLength}, Table: data.Columns{Text: c.TextColumn, Label: c.LabelColumn, Group: c.Group}}
}

// NetworkOptions returns the options for turning the model into a network that trains.
func (c *Config) NetworkOptions() split.Options {
	return split.Options{
		Cut: c.Cut, Skip: c.Skip, Head: c.Head, HeadActivation: c.HeadActivation, HeadDropout: c.HeadDropout, Attach: c.Attach, Pool: c.Pool, Thaw: c.Thaw, Freeze: c.Freeze, BatchNorm: c.BatchNorm,
		Adapter: c.Adapter, AdapterAlpha: c.AdapterAlpha, AdapterTargets: c.AdapterTargets, AdapterMerge: c.AdapterMerge,
		LRMult: c.LRMult, LayerDecay: c.LayerDecay, Mixed: c.Mixup > 0, Memory: int(c.Memory), Seed: c.Seed,
	}
}

// KeepOptions returns the options for keeping values at the frontier.
func (c *Config) KeepOptions() keep.Options {
	return keep.Options{Where: c.Cache, Budget: c.CacheBudget, Precision: c.CachePrecision, Variants: c.CacheVariants, Augment: cmp.Or(c.Augment, "none"), Seed: c.Seed, Model: filepath.Base(c.Model)}
}
