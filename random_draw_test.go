package permafrost_test

import (
	"math/rand/v2"
	"slices"

	"github.com/permafrost-ml/permafrost"
)

// dice draws options.
type dice struct{ *rand.Rand }

// chance is true with a probability p.
func (d dice) chance(p float64) bool { return d.Float64() < p }

// of draws one of some values, each as likely.
func of[T any](d dice, values ...T) T { return values[d.IntN(len(values))] }

// some sets an option to one of some values with a probability p.
func some[T any](d dice, p float64, option *T, values ...T) {
	if v := of(d, values...); d.chance(p) {
		*option = v
	}
}

// draw is a random configuration of a fit of a subject, without Out. Most are legal; options that
// cannot go together are drawn as well.
func draw(d dice, s subject) permafrost.Config {
	c := permafrost.DefaultConfig()
	task := s.tasks[0]
	some(d, 0.5, &task, s.tasks...)
	c.Model, c.Data = of(d, s.models...), s.data[task]
	c.Seed = d.Uint64N(1000)
	some(d, 0.3, &c.Task, task)
	some(d, 0.02, &c.Task, "classify", "multilabel", "regress", "lm", "ctc")
	d.trains(&c, s)
	d.head(&c, s, task)
	d.steps(&c)
	d.regularisation(&c, s)
	d.resources(&c, s)
	d.shortens(&c, s, task)
	return c
}

// shortens draws what is left of the model, and what its head is made of.
func (d dice) shortens(c *permafrost.Config, s subject, task string) {
	if len(c.Attach) == 0 && c.Head != "keep" && task != "lm" || d.chance(0.02) {
		some(d, 0.15, &c.Cut, "last:1", "last:1", "blocks.0")
	}
	if s.tokens || d.chance(0.02) {
		some(d, 0.2, &c.Skip, []string{"blocks.0"}, []string{"blocks.0"}, []string{"blocks.1"}, []string{"blocks.0,blocks.1"})
	}
	if c.Head != "keep" && task != "lm" || d.chance(0.02) {
		some(d, 0.1, &c.Head, "mlp:6,4")
		some(d, 0.15, &c.HeadDropout, 0.2, 0.5)
		some(d, 0.15, &c.HeadActivation, "gelu", "silu", "tanh")
	}
}

// trains draws what trains.
func (d dice) trains(c *permafrost.Config, s subject) {
	selector := func() string {
		return of(d, append(s.names, "head", "head", "head", "all", "all", "last:1", "last:1", "last:2", "first:1", "depth:50%-100%", "kind:bias", "kind:weight",
			"kind:norm", "kind:shift", "fisher:10%", "magnitude:10%", "re:weight$", "none")...)
	}
	if d.chance(0.8) {
		c.Thaw = nil
		for range 1 + d.IntN(3) {
			c.Thaw = append(c.Thaw, selector())
		}
		if d.chance(0.1) {
			c.Thaw = append(c.Thaw, of(d, "!kind:weight", "!first:1", "!head"))
		}
	}
	if d.chance(0.15) {
		c.Freeze = []string{of(d, append(s.names, "kind:bias", "first:1", "last:1", "head")...)}
	}
	some(d, 0.3, &c.Schedule, "gradual", "gradual:2", "lpft", "lpft:1", "autofreeze", "autofreeze:90%", "freezeout", "freezeout:30%", "egeria", "egeria:50%",
		"slimfit", "slimfit:30%", "lisa:1", "lisa:2", "badam", "badam:2")
	some(d, 0.2, &c.Adapter, "lora:1", "lora:3", "ia3")
	if c.Adapter != "" || d.chance(0.01) {
		some(d, 0.3, &c.AdapterAlpha, 1, 8)
		some(d, 0.3, &c.AdapterMerge, true)
		if d.chance(0.2) {
			c.AdapterTargets = []string{of(d, append(s.names, "all", "last:1", "first:1")...)}
		}
	}
	some(d, 0.2, &c.BatchNorm, "frozen")
}

// head draws what the classifier is and reads.
func (d dice) head(c *permafrost.Config, s subject, task string) {
	p := 1.0
	if task == "lm" {
		p = 0.1 // most is illegal there
	}
	some(d, 0.3*p, &c.Head, "mlp:4", "mlp:7", "keep")
	some(d, 0.2*p, &c.Start, "probe")
	some(d, 0.2*p, &c.Pool, "mean", "cls", "last", "max")
	if d.chance(0.15 * p) {
		for range 1 + d.IntN(2) {
			c.Attach = append(c.Attach, of(d, s.values...))
		}
	}
	if s.tokens {
		some(d, 0.4, &c.MaxLength, 6, 12, 20)
	}
	if task == "lm" && d.chance(0.9) {
		c.MaxLength = 12
	}
}

// steps draws how a step moves weights.
func (d dice) steps(c *permafrost.Config) {
	c.Epochs, c.Batch = 1+d.IntN(3), of(d, 1, 3, 4, 5, 8, 32)
	some(d, 0.2, &c.Epochs, 8) // enough for an average over the last quarter
	some(d, 0.2, &c.Accumulate, 2, 3)
	some(d, 0.4, &c.Optimizer, "sgd")
	if c.Optimizer == "sgd" || d.chance(0.02) {
		some(d, 0.5, &c.Momentum, 0.5, 0.9)
		if c.Momentum > 0 || d.chance(0.05) {
			some(d, 0.3, &c.Nesterov, true)
		}
	}
	some(d, 0.8, &c.LR, 1e-3, 3e-3, 1e-2)
	some(d, 0.4, &c.LRSchedule, "constant", "step")
	some(d, 0.3, &c.Warmup, 0.2, 2)
	if d.chance(0.2) {
		c.WeightDecay = new(float64)
		*c.WeightDecay = of(d, 0, 0.1)
	}
	some(d, 0.2, &c.LabelSmoothing, 0.1)
	some(d, 0.15, &c.ClassWeights, "balanced")
	some(d, 0.2, &c.Clip, 0.1, 2)
	some(d, 0.15, &c.Patience, 1, 2)
	some(d, 0.3, &c.Keep, "last")
}

// regularisation draws rates of single weights and what keeps them near the pretrained ones.
func (d dice) regularisation(c *permafrost.Config, s subject) {
	if d.chance(0.15) {
		c.LRMult = []string{of(d, "kind:bias=2", "first:1=0.1", "head=3", "last:1=0.5")}
	}
	some(d, 0.1, &c.LayerDecay, 0.5, 0.9)
	some(d, 0.1, &c.Rates, "auto-rgn")
	if c.WeightDecay == nil || d.chance(0.1) {
		some(d, 0.15, &c.L2SP, 0.01)
	}
	some(d, 0.2, &c.Average, "ema:0.8", "swa")
	if d.chance(0.1) {
		c.WiseFT = new(float64)
		*c.WiseFT = of(d, 0.3, 0.8)
	}
	if !s.varies || d.chance(0.02) {
		some(d, 0.2, &c.Mixup, 0.4)
	}
}

// resources draws where frozen activations are kept and how much memory a step may take.
func (d dice) resources(c *permafrost.Config, s subject) {
	some(d, 0.7, &c.Cache, "off", "ram", "disk")
	some(d, 0.15, &c.CachePrecision, "float16")
	if len(s.change) > 0 || d.chance(0.02) {
		some(d, 0.35, &c.Augment, append(slices.Clone(s.change), "flip")...)
	}
	if c.Augment != "none" || d.chance(0.02) {
		some(d, 0.6, &c.CacheVariants, 1, 2, 3)
	}
	some(d, 0.2, &c.Memory, 1<<10, 1<<14, 1<<18)
	some(d, 0.1, &c.CacheBudget, 1<<12, 1<<20)
}

// seeded is the dice of the configuration with an index.
func seeded(seed uint64, index int) dice { return dice{rand.New(rand.NewPCG(seed, uint64(index)))} }
