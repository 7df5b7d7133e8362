package main

import (
	"flag"
	"slices"
	"strings"
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

// TestTopics: help lists and prints the pages about what options take.
func TestTopics(t *testing.T) {
	overview := succeed(t, "help").stdout
	for _, g := range guides() {
		if !strings.Contains(overview, g.Name+" ") || !strings.Contains(overview, g.Short) {
			t.Errorf("help does not list %s", g.Name)
		}
		if o := succeed(t, "help", g.Name); o.stdout != g.Text || o.stderr != "" {
			t.Errorf("help %s prints %q and %q", g.Name, o.stdout, o.stderr)
		}
		if o := succeed(t, "__complete", "help", g.Name[:3]); !strings.Contains(o.stdout, g.Name+"\t") {
			t.Errorf("help %s is not completed: %s", g.Name, o.stdout)
		}
	}
	if o := succeed(t, "help", "fit"); !strings.Contains(o.stdout, "--epochs") {
		t.Error("help fit does not explain the command")
	}
}
