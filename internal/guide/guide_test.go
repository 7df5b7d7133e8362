package guide

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/data/sound"
	"github.com/permafrost-ml/permafrost/internal/freeze"
)

var update = flag.Bool("update", false, "write docs/preprocess.md")

// flagName is what the command line calls an option.
func flagName(option string) string { return "--" + strings.ReplaceAll(option, "_", "-") }

// TestPreprocessPage: docs/preprocess.md is what the lists say that preprocessor files are read by.
func TestPreprocessPage(t *testing.T) {
	page := preprocess.named(flagName)
	path := filepath.Join("..", "..", "docs", "preprocess.md")
	if *update {
		if err := os.WriteFile(path, []byte(page.Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page.Markdown() {
		t.Error("docs/preprocess.md is not what the lists of keys say; go test ./internal/guide -run PreprocessPage -update writes it")
	}
	text := page.Text()
	for _, key := range append(append([]string{}, picture.Harmless...), sound.Harmless...) {
		if !strings.Contains(text, key) {
			t.Errorf("help does not have %s", key)
		}
	}
}

// TestText: no line of a page is wider than it may be, and names are set apart from meanings.
func TestText(t *testing.T) {
	names := map[string]bool{}
	for _, p := range Pages(flagName) {
		if names[p.Name] || p.Short == "" {
			t.Errorf("page %q: given twice, or about nothing", p.Name)
		}
		names[p.Name] = true
		for line := range strings.Lines(p.Text()) {
			if line = strings.TrimRight(line, "\n"); len(line) > width+4 || line != strings.TrimRight(line, " ") || strings.ContainsAny(line, "`") || option.MatchString(line) {
				t.Errorf("%s: %q", p.Name, line)
			}
		}
	}
}

// TestSelectorsListed: the page has every kind of selector.
func TestSelectorsListed(t *testing.T) {
	text := selectors.Text()
	for _, example := range freeze.SelectorExamples() {
		kind, _, _ := strings.Cut(example, ":")
		if !strings.Contains(text, kind) {
			t.Errorf("the page does not have %s", example)
		}
	}
}

// TestOptions: every option that a page names exists.
func TestOptions(t *testing.T) {
	c := config.DefaultConfig()
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	c.Bind(fs)
	Pages(func(option string) string {
		if fs.Lookup(strings.ReplaceAll(option, "_", "-")) == nil {
			t.Errorf("no option %s", option)
		}
		return option
	})
}

// TestAugmentFlag: the help of the option names every step.
func TestAugmentFlag(t *testing.T) {
	c := config.DefaultConfig()
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	c.Bind(fs)
	usage := fs.Lookup("augment").Usage
	for _, s := range append(append(picture.AugmentSteps[:0:0], picture.AugmentSteps...), sound.AugmentSteps...) {
		if name, _, _ := strings.Cut(s.Name, ":"); !strings.Contains(usage, name) {
			t.Errorf("%q does not name %s", usage, name)
		}
	}
}
