// Package compare fits plans side by side over several seeds.
//
// Comes in: plans and the configuration that they share. Goes out: how they differ in accuracy,
// with its spread and a paired test, in time, in memory, and in the gap between training and
// validation. It must not know how a plan is chosen.
package compare

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
)

// Plan is a way to fit, by name.
type Plan struct {
	Name   string
	Config config.Config
}

// The plans that are always compared.
const (
	Head = "head" // the head alone
	Full = "full" // full fine-tuning: everything, at the recipe's smaller learning rate for that
)

// own are the options that a plan cannot set: they are the same for all plans, or compare has its
// own.
var own = []string{"model", "data", "val", "out", "seed", "task", "text-column", "label-column", "group", "auto", "budget", "threads", "preprocess", "tokenizer", "max-length"}

// Parse reads a plan, NAME=SELECTORS or NAME=SELECTORS@OPTION=VALUE,... Its options are those of
// fit, and override the common configuration.
func Parse(text string, common config.Config) (Plan, error) {
	name, rest, ok := strings.Cut(text, "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return Plan{}, fmt.Errorf("option plan %q: want NAME=SELECTORS, as deep=head,last:2 or deep=head,last:2@lr=0.001,epochs=5", text)
	}
	selectors, options, _ := strings.Cut(rest, "@")
	if selectors = strings.TrimSpace(selectors); selectors == "" {
		return Plan{}, fmt.Errorf("option plan %s: name what trains, as %s=head,last:2", name, name)
	}
	p := Plan{name, common}
	p.Config.Thaw = []string{selectors}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	p.Config.Bind(fs)
	for option := range strings.SplitSeq(options, ",") {
		if option = strings.TrimSpace(option); option == "" {
			continue
		}
		key, value, _ := strings.Cut(option, "=")
		key = strings.ReplaceAll(strings.TrimSpace(key), "_", "-")
		switch f := fs.Lookup(key); {
		case slices.Contains(own, key):
			return Plan{}, fmt.Errorf("option plan %s: %s is the same for all plans: give it as option %s", name, key, strings.ReplaceAll(key, "-", "_"))
		case f == nil || key == "thaw":
			return Plan{}, fmt.Errorf("option plan %s: %q is no option of a plan; it has those of fit, as lr=0.001 or epochs=5", name, key)
		case value == "":
			return Plan{}, fmt.Errorf("option plan %s: %s has no value: write %s=VALUE", name, key, key)
		}
		if err := fs.Set(key, strings.TrimSpace(value)); err != nil {
			return Plan{}, fmt.Errorf("option plan %s: %s: %w", name, key, err)
		}
	}
	if err := p.Config.Validate(); err != nil {
		return Plan{}, fmt.Errorf("option plan %s: %w", name, err)
	}
	return p, nil
}

// Plans gives the plans to compare: the head alone first, the written ones, and full fine-tuning
// last. A written plan with the name of one of these replaces it.
func Plans(texts []string, common config.Config) ([]Plan, error) {
	var out []Plan
	named := func(name string) bool { return slices.ContainsFunc(out, func(p Plan) bool { return p.Name == name }) }
	for _, text := range texts {
		p, err := Parse(text, common)
		if err != nil {
			return nil, err
		}
		if named(p.Name) {
			return nil, fmt.Errorf("option plan %s: two plans have this name", p.Name)
		}
		out = append(out, p)
	}
	if !named(Head) {
		p := Plan{Head, common}
		p.Config.Thaw = []string{"head"}
		if common.Adapter == "" {
			p.Config.Schedule = "" // there is nothing to change
		}
		out = slices.Insert(out, 0, p)
	}
	if !named(Full) {
		p := Plan{Full, common}
		p.Config.Thaw = []string{"all"}
		out = append(out, p)
	}
	return out, nil
}
