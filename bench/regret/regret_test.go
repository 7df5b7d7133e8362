package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReport: regrets are against the best of a whole grid, a plan that a model does not have is no
// part of it, and a grid with fits missing is left out.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	s, err := load(filepath.Join(dir, "regret.json"))
	if err != nil {
		t.Fatal(err)
	}
	add := func(pair, plan, rate string, accuracy, seconds float64, failed string) {
		f := &fit{key: key{pair, 1, plan, rate}, Accuracy: accuracy, Train: 0.95, CPU: seconds, Failed: failed}
		if plan == "auto" {
			f.Thaw = []string{"head,last:1"}
		}
		if err := s.add(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, pair := range []string{"one", "two"} {
		add(pair, "auto", "", 0.90, 10, "")
		for _, plan := range plans[:4] {
			for _, rate := range rates {
				if pair == "two" && plan == "last:2" && rate == 3 {
					continue
				}
				accuracy := 0.80
				if plan == "last:1" && rate == 3 {
					accuracy = 0.91
				}
				add(pair, plan, figures(rate), accuracy, 5, "")
			}
		}
		if pair == "two" {
			add(pair, "all", "1", 0, 1, "the model has none")
			continue
		}
		for _, rate := range rates {
			add(pair, "all", figures(rate), 0.88, 5, "")
		}
	}
	if s, err = load(s.path); err != nil || len(s.outcomes()) != 1 {
		t.Fatalf("%d outcomes: %v", len(s.outcomes()), err)
	}
	path := filepath.Join(dir, "regret.md")
	if err := s.report(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| one | 1 | last:1 x3 | 91.0 | last:1 | 90.0 | 1.00 | 1.00 | 0.13 |", "| `fit --auto` | 1.00 | 1.00 | 0.13 |", "| always the head | 11.00 | 11.00 | 0.07 |",
		"| one | 7.0 | 88.0 | 5.0 | 90.0 | `--auto` wins by 2.0 |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "| Auto-RGN") || strings.Contains(string(text), "| two") {
		t.Errorf("the report has what was not fitted:\n%s", text)
	}
}

func TestThin(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "train", "a"), filepath.Join(dir, "some")
	if err := os.MkdirAll(from, 0o777); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := os.WriteFile(filepath.Join(from, string(rune('A'+i))), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := thinFolder(filepath.Dir(from), to, 30); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join(to, "a"))
	if err != nil || len(files) < 14 || len(files) > 16 || files[0].Name() != "A" {
		t.Errorf("%d files of 50 are 30%%: %v", len(files), err)
	}
	table := filepath.Join(dir, "t.csv")
	if err := os.WriteFile(table, []byte("text,label\n"+strings.Repeat("\"a,b\",c\n", 20)), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := thinTable(table, filepath.Join(dir, "u.csv"), 10); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "u.csv"))
	if err != nil || !strings.HasPrefix(string(text), "text,label\n\"a,b\",c\n") || strings.Count(string(text), "\n") < 3 || strings.Count(string(text), "\n") > 4 {
		t.Errorf("%q %v", text, err)
	}
}
