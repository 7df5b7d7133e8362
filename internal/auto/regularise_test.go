package auto

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/run"
)

func TestWeighs(t *testing.T) {
	for _, test := range []struct {
		name   string
		counts []int
		want   bool
	}{
		{"few and uneven", []int{10, 6, 2}, true},
		{"even", []int{8, 8, 8}, false},
		{"many", []int{1250, 86, 1000}, false},
		{"single examples", []int{90, 90, 1}, false},
		{"a class without examples", []int{10, 6, 0}, false},
		{"no classes", nil, false},
	} {
		if got := weighs(test.counts); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestRegularise: what the user settled stays, and what is added is noted and in the choices.
func TestRegularise(t *testing.T) {
	for _, given := range []string{"", "none", "flip"} {
		cfg := blind(t, 12)
		cfg.Augment = given
		s, err := run.Prepare(context.Background(), cfg)
		must(t, err)
		a, err := begin(s, cfg, run.Sets{}, nil, nil)
		must(t, err)
		want := given
		if given == "" {
			want = augment
		}
		for _, c := range a.choices {
			if w := want; c.cfg.Augment != w && !(c.head && given == "" && c.cfg.Augment == "none") {
				t.Errorf("given %q: %s has %q", given, c.name, c.cfg.Augment)
			}
		}
		noted := slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, "option augment "+augment) })
		if noted != (given == "") {
			t.Errorf("given %q: notes %q", given, s.Notes)
		}
	}
}

// TestChangedAgain: files that change between the two readings are an error, not another fit.
func TestChangedAgain(t *testing.T) {
	cfg := blind(t, 12)
	s, err := run.Prepare(context.Background(), cfg)
	must(t, err)
	c := changed{session: s, augment: augment}
	all, err := c.train(context.Background())
	must(t, err)
	if all.Len() != s.Train.Len() {
		t.Fatalf("%d examples, then %d", s.Train.Len(), all.Len())
	}
	files, err := filepath.Glob(filepath.Join(cfg.Data, "train", "*", "*"))
	must(t, err)
	must(t, os.Remove(files[0]))
	c.all = nil
	if _, err := c.train(context.Background()); err == nil || !strings.Contains(err.Error(), "changed while") {
		t.Errorf("error %v", err)
	}
}
