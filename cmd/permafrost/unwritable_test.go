package main

import (
	"path/filepath"
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

// TestUnwritableEverywhere: every command refuses a place below a file, or in a folder that is not there
// where it makes none, before it says or writes anything else.
func TestUnwritableEverywhere(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--epochs", "1", "--out", "run")
	stateDictOf(t, "tiny.onnx", "tiny.safetensors", "", nil)
	fit := " --model tiny.onnx --data photos --epochs 1 --out "
	for _, c := range []struct {
		command, ending string // of a file; a folder has none and is made
	}{
		{"fit" + fit, ""},
		{"fit --auto" + fit, ""},
		{"compare --plan a=head" + fit, ""},
		{"search --trials 1" + fit, ""},
		{"federate simulate --val photos/val --clients 2 --rounds 1 --min-clients 1" + fit, ""},
		{"federate server --model tiny.onnx --val photos/val --rounds 1 --min-clients 1 --out ", ""},
		{"demo --out ", ""},
		{"push run --out ", ""},
		{"export run/model.onnx --out ", ".safetensors"},
		{"export run/model.onnx --with-softmax --out ", ".onnx"},
		{"import tiny.safetensors --model tiny.onnx --out ", ".onnx"},
		{"delta extract tiny.onnx run/model.onnx ", ".safetensors"},
		{"delta apply tiny.onnx run/delta.safetensors ", ".onnx"},
		{"report run --out ", ".html"},
		{"predict --model run/model.onnx photos/val --out ", ".csv"},
		{"eval --model run/model.onnx --data photos --errors ", ".csv"},
		{"eval --model run/model.onnx --data photos --outcomes ", ".csv"},
	} {
		for _, place := range []string{"tiny.onnx/below", "nowhere/below"} {
			parent, below := filepath.Split(place)
			if c.ending == "" && parent == "nowhere/" {
				continue
			}
			o := permafrostRun(t, strings.Fields(c.command+parent+below+c.ending)...)
			if o.code != exitUsage || o.stdout != "" || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, filepath.Clean(parent)) || strings.Contains(o.stderr, ".tmp") {
				t.Errorf("%s%s: exit %d: %s%s", c.command, place, o.code, o.stdout, o.stderr)
			}
			if strings.HasSuffix(c.command, "--out ") && c.ending == "" && !strings.Contains(o.stderr, "--out") {
				t.Errorf("%s%s does not name the flag: %s", c.command, place, o.stderr)
			}
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
