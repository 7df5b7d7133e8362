package train

import "github.com/permafrost-ml/permafrost/internal/freeze"

// recipe fills in what the user left open, by what the plan trains. The numbers were found on real
// models and data (docs/benchmarks.md, "Defaults").
//
// A head alone reads cached features, so an epoch costs nearly nothing and the loss is convex: many
// epochs at a high rate. Deeper plans start from good weights: few epochs at a low rate, but on few
// examples as many as it takes to make the steps that a new head needs.
func (c *Config) recipe(headOnly bool, examples int) {
	set := func(v *int, n int) {
		if *v == 0 {
			*v = n
		}
	}
	rate := func(adamw, sgd float64) {
		if c.LR == 0 {
			c.LR = adamw
			if c.Optimizer == "sgd" {
				c.LR = sgd
			}
		}
	}
	if headOnly {
		set(&c.Epochs, 100)
		set(&c.Batch, 32)
		rate(0.01, 0.1)
		return
	}
	set(&c.Batch, 32)
	perEpoch := (max(examples, 1) + c.Batch - 1) / c.Batch
	set(&c.Epochs, max(12, min(40, (minSteps+perEpoch-1)/perEpoch)))
	rate(0.001, 0.01)
}

// minSteps is the number of optimiser steps that a deeper plan gets, as far as 40 epochs give them.
const minSteps = 300

// headOnly reports whether nothing but a fresh head trains.
func headOnly(h *Headed, set *freeze.Set, plan *freeze.Plan) bool {
	only := h.Fresh
	plan.Thawed(set).Each(func(w *freeze.Weight, _ freeze.Entry) { only = only && w.Head })
	return only
}
