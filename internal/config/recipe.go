package config

import (
	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// subject is what the default hyperparameters depend on.
type subject struct {
	headOnly  bool // only a fresh head trains
	examples  int
	params    int  // parameters of the whole model
	attention bool // a transformer
	bare      bool // most of a network trains, and it has no normalisation
	// the plan trains all of some trunk weights, or more than a tenth of the trunk's parameters
	whole bool
}

// SubjectOf derives a subject from a model and its plan.
func SubjectOf(h *split.Headed, set *freeze.Set, plan *freeze.Plan, examples int) subject {
	s := subject{headOnly: h.Fresh, examples: examples, attention: attends(h.Graph)}
	norms := false
	for _, w := range set.Weights {
		s.params += w.Len()
		norms = norms || w.Role == freeze.RoleNorm
	}
	thawed := plan.Thawed(set)
	s.bare = !norms && 2*thawed.Elements() > s.params
	s.whole = plan.Share != nil && plan.Share.Share > 0.1
	thawed.Each(func(w *freeze.Weight, e freeze.Entry) {
		s.headOnly = s.headOnly && w.Head
		s.whole = s.whole || !w.Head && w.Role != freeze.RoleAdapter && plan.Share == nil
	})
	return s
}

// Recipe fills in the options that the user left open. The numbers were found by experiment on
// small and large networks, with and without batch normalisation.
//
// A head alone reads cached features: an epoch costs almost nothing and the loss is convex. It gets
// many epochs at a high rate. Deeper plans start from good weights and get a low rate: lower for
// larger models, and lowest for transformers, which leave their optimum at the rates of
// convolutional networks. A deep stack without normalisation amplifies its own steps and gets half
// the rate. If only few parameters train, each has to move further: a low-rank pair gets two and a
// half times the rate, a share of single weights or scales eight times. Deeper plans get small
// batches, and enough epochs for the steps that a new head needs, however few examples there are.
func (c *Config) Recipe(s subject) {
	rate := func(adamw, sgd float64) {
		if c.LR == 0 {
			c.LR = adamw
			if c.Optimizer == "sgd" {
				c.LR = sgd
			}
			c.LR *= c.peak() * c.reach(s)
		}
	}
	epochs, batch := 100, 32
	switch {
	case s.headOnly:
		rate(0.01, 0.1)
	case s.attention && s.params < 1<<20:
		rate(0.001, 0.01)
	case s.attention:
		rate(0.0003, 0.003)
	case s.params < 1<<20 && !s.bare:
		rate(0.002, 0.01)
	default:
		rate(0.001, 0.01)
	}
	if !s.headOnly && s.examples < 10_000 {
		batch = 16
	}
	if c.Batch == 0 {
		c.Batch = batch
	}
	if !s.headOnly {
		perEpoch := (max(s.examples, 1) + c.Batch - 1) / c.Batch
		epochs = max(5, min(30, (deepSteps+perEpoch-1)/perEpoch))
	}
	if c.Epochs == 0 {
		c.Epochs = epochs
	}
}

// reach is the factor on the learning rate for plans that train less than a layer.
func (c *Config) reach(s subject) float64 {
	switch {
	case s.headOnly || s.whole:
		return 1
	case c.hasLoRA():
		return 2.5
	}
	return 8
}

// hasLoRA reports whether the adapter is or contains LoRA.
func (c *Config) hasLoRA() bool {
	spec, err := adapter.Parse(c.Adapter)
	return err == nil && spec.Has(adapter.LoRA)
}

// deepSteps is the number of optimiser steps for a deeper plan, limited to 30 epochs.
const deepSteps = 1800

// attends reports whether a raw graph contains attention: an attention operator, or a softmax whose
// result enters a matrix product.
func attends(g *ir.Graph) bool {
	for _, n := range g.Nodes {
		switch {
		case n.RawTraits().Attention:
			return true
		case n.Op == "MatMul":
			for _, v := range n.Inputs {
				if v != nil && v.Node != nil && v.Node.Op == "Softmax" {
					return true
				}
			}
		}
	}
	return false
}
