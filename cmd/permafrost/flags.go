package main

import (
	"flag"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/permafrost-ml/permafrost"
)

// configFlags are the flags of a permafrost.Config on a command. It records the given flags in
// order, so that they can be applied to a configuration that is read only after parsing.
type configFlags struct{ given [][2]string }

// bindConfig defines the flags of the named options on fs, all of them without names, with the
// defaults of permafrost.DefaultConfig.
func bindConfig(fs *pflag.FlagSet, names ...string) *configFlags {
	c := &configFlags{}
	scratch := permafrost.DefaultConfig() // flags are checked against it as they are parsed
	std := flag.NewFlagSet("", flag.ContinueOnError)
	scratch.Bind(std)
	for _, g := range fitGroups {
		for _, name := range g.names {
			if len(names) > 0 && !slices.Contains(names, name) {
				continue
			}
			p := pflag.PFlagFromGoFlag(std.Lookup(name))
			p.Value = &recorder{p.Value, name, c}
			if name == "thaw" || name == "budget" {
				p.DefValue = "" // its help says it
			}
			fs.AddFlag(p)
		}
	}
	return c
}

// bindAllBut defines the flags of a fit, without some, under their headings. Call grouped after the
// command's own flags are grouped, so that their headings come first.
func bindAllBut(fs *pflag.FlagSet, without ...string) (c *configFlags, grouped func()) {
	var names []string
	for _, g := range fitGroups {
		for _, name := range g.names {
			if !slices.Contains(without, name) {
				names = append(names, name)
			}
		}
	}
	c = bindConfig(fs, names...)
	return c, func() {
		for _, g := range fitGroups {
			for _, name := range g.names {
				if slices.Contains(names, name) && len(fs.Lookup(name).Annotations[flagGroup]) == 0 {
					group(fs, g.heading, name)
				}
			}
		}
	}
}

// over applies the given flags to a configuration.
func (c *configFlags) over(cfg *permafrost.Config) error {
	std := flag.NewFlagSet("", flag.ContinueOnError)
	cfg.Bind(std)
	for _, g := range c.given {
		if err := std.Set(g[0], g[1]); err != nil {
			return fmt.Errorf("--%s: %w", g[0], err)
		}
	}
	return nil
}

// has reports whether a flag was given.
func (c *configFlags) has(name string) bool {
	return slices.ContainsFunc(c.given, func(g [2]string) bool { return g[0] == name })
}

// config returns the default configuration with the given flags.
func (c *configFlags) config() (permafrost.Config, error) {
	cfg := permafrost.DefaultConfig()
	return cfg, c.over(&cfg)
}

// recorder is a flag's value that remembers what it was given.
type recorder struct {
	pflag.Value
	name string
	to   *configFlags
}

func (r *recorder) Set(s string) error {
	if err := r.Value.Set(s); err != nil {
		return err
	}
	r.to.given = append(r.to.given, [2]string{r.name, s})
	return nil
}

// fitGroups are the headings under which the options of a fit are shown.
var fitGroups = []struct {
	heading string
	names   []string
}{
	{"Model and data", []string{"model", "data", "val", "out", "tensorboard", "extends", "preprocess", "layout", "size", "augment", "tokenizer", "max-length", "input", "shape", "text-column", "label-column", "group", "task"}},
	{"What trains", []string{"thaw", "freeze", "schedule", "auto", "budget", "batchnorm", "start"}},
	{"Removed layers, and the head", []string{"cut", "skip", "head", "head-activation", "head-dropout", "attach", "pool"}},
	{"Adapters", []string{"adapter", "adapter-targets", "adapter-alpha", "adapter-merge"}},
	{"How it trains", []string{"epochs", "batch", "accumulate", "optimizer", "lr", "lr-schedule", "warmup", "momentum", "nesterov",
		"weight-decay", "calibrate", "label-smoothing", "class-weights", "clip", "patience", "keep", "seed"}},
	{"Rates and regularisation around frozen weights", []string{"lr-mult", "layer-decay", "rates", "l2-sp", "average", "wise-ft", "mixup"}},
	{"Resources", []string{"threads", "memory", "cache", "cache-budget", "cache-precision", "cache-variants"}},
}
