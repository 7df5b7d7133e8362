package main

import (
	"strings"
	"testing"
)

// TestUnwritable: a folder that cannot be written is refused before anything is computed, and a file
// that gives an option is named with what is wrong in it.
func TestUnwritable(t *testing.T) {
	world(t)
	write(t, "bad.yaml", []byte("thaw: [head]\nlearning: 3\n"))
	for _, c := range []struct{ args, want string }{
		{"compare --plan all=all --out tiny.onnx/below", "--out: "},
		{"search --trials 2 --out tiny.onnx/below", "--out: "},
		{"search --trials 2 --out found --space bad.yaml", "--space: bad.yaml: "},
		{"search --trials 2 --dry-run --space bad.yaml", "--space: bad.yaml: "},
	} {
		o := permafrostRun(t, append(strings.Fields(c.args), "--model", "tiny.onnx", "--data", "photos", "--epochs", "1")...)
		last := lastLine(o.stderr)
		if o.code != 2 || !strings.Contains(last, c.want) || strings.Contains(o.stderr, "seed 1") || strings.Contains(o.stderr, "search.jsonl") {
			t.Errorf("%s: exit %d: %s, want %q", c.args, o.code, o.stderr, c.want)
		}
	}
}

// lastLine is the last line of a text.
func lastLine(s string) string {
	s = strings.TrimRight(s, "\n")
	return s[strings.LastIndex(s, "\n")+1:]
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.00412: "0.00412", 0.0483: "0.0483", 0.48: "0.480", 3: "3", 12.34: "12.3", 1234.5: "1234"} {
		if got := digits(v); got != want {
			t.Errorf("digits(%v) is %q, want %q", v, got, want)
		}
	}
}
