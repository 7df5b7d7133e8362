package main

import (
	"flag"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
)

// TestEveryOptionIsAFlag holds the groups of fit's help to the options that there are.
func TestEveryOptionIsAFlag(t *testing.T) {
	var shown []string
	for _, g := range fitGroups {
		shown = append(shown, g.names...)
	}
	cfg := config.DefaultConfig()
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	cfg.Bind(fs)
	fs.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(shown, f.Name) {
			t.Errorf("the option %s is in no group of flags", f.Name)
		}
	})
	for _, name := range shown {
		if fs.Lookup(name) == nil {
			t.Errorf("the flag %s stands for no option", name)
		}
	}
}
