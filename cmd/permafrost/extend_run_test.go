package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExtend: a finished run is extended by a new one. At a constant rate that is the run that had
// all epochs from the beginning, bit for bit.
func TestExtend(t *testing.T) {
	world(t)
	begin := func(out string, args ...string) outcome {
		return permafrostRun(t, append([]string{"fit", "--model", "tiny.onnx", "--data", "photos", "--out", out, "--batch", "4"}, args...)...)
	}
	for name, args := range map[string][]string{
		"head":    nil,
		"deep":    {"--thaw", "last:1"},
		"average": {"--thaw", "last:1", "--average", "ema:0.9"},
		"share":   {"--thaw", "head,fisher:10%"},
		"sgd":     {"--optimizer", "sgd", "--momentum", "0.9", "--keep", "last", "--augment", "flip"},
	} {
		constant := append(args, "--lr-schedule", "constant")
		begin(name+"-whole", append(constant, "--epochs", "5")...)
		begin(name, append(constant, "--epochs", "2")...)
		short := readFile(t, name+"/model.onnx")
		o := succeed(t, "fit", "--extend", "3", "--out", name, "--json")
		v := object(t, o)
		if out := filepath.ToSlash(v["out"].(string)); out != name+"-extended" || v["epochs"] != 5.0 || len(v["epoch_seconds"].([]any)) != 5 {
			t.Errorf("%s: out %v, %v epochs", name, v["out"], v["epochs"])
		}
		for _, want := range []string{"run folder " + name + "-extended", "3 epochs behind its 2", "constant", "going on at epoch 3 of 5"} {
			if !strings.Contains(o.stderr, want) {
				t.Errorf("%s: no %q in\n%s", name, want, o.stderr)
			}
		}
		sameFiles(t, name+"-whole/model.onnx", name+"-extended/model.onnx")
		if string(readFile(t, name+"/model.onnx")) != string(short) {
			t.Errorf("%s: the first run has changed", name)
		}
		succeed(t, "verify", "tiny.onnx", name+"-extended/model.onnx")
	}

	// the rates begin again, and the new run can be replayed and resumed
	begin("cosine", "--epochs", "3", "--thaw", "last:1")
	o := succeed(t, "fit", "--extend", "2", "--out", "cosine", "--lr", "0.001")
	if !strings.Contains(o.stderr, "the learning rates begin again: cosine from 0.001 over these") {
		t.Errorf("the rates are not said:\n%s", o.stderr)
	}
	succeed(t, "fit", "--config", "cosine-extended/run.yaml", "--out", "replay")
	sameFiles(t, "cosine-extended/model.onnx", "replay/model.onnx")
	succeed(t, "fit", "--resume", "--out", "cosine-extended")
	sameFiles(t, "cosine-extended/model.onnx", "replay/model.onnx")
	again := succeed(t, "fit", "--extend", "1", "--out", "cosine")
	if !strings.Contains(again.stdout, "cosine-extended-2") {
		t.Errorf("a second extension: %s", again.stdout)
	}
	succeed(t, "fit", "--extend", "1", "--out", "cosine-extended")
	if v := object(t, succeed(t, "runs", ".", "--json")); len(v["runs"].([]any)) < 12 {
		t.Errorf("%d runs", len(v["runs"].([]any)))
	}

	// what cannot be extended
	begin("gradual", "--epochs", "3", "--thaw", "last:2", "--schedule", "gradual")
	begin("swa", "--epochs", "4", "--average", "swa", "--thaw", "last:1")
	for _, c := range []struct{ args, want []string }{
		{[]string{"--extend", "2"}, []string{"--out DIR"}},
		{[]string{"--extend", "0", "--out", "cosine"}, []string{"--extend", "at least 1"}},
		{[]string{"--extend", "2", "--out", "nowhere"}, []string{"nowhere holds no run"}},
		{[]string{"--extend", "2", "--out", "cosine", "--epochs", "9"}, []string{"--extend and --epochs"}},
		{[]string{"--extend", "2", "--out", "cosine", "--batch", "7"}, []string{"--extends", "batch was 4, is 7"}},
		{[]string{"--extend", "2", "--out", "cosine", "--thaw", "all"}, []string{"--extends", "thaw was"}},
		{[]string{"--extend", "2", "--out", "cosine", "--auto"}, []string{"--extends", "--auto"}},
		{[]string{"--extend", "2", "--out", "gradual"}, []string{"gradual", "begin another run"}},
		{[]string{"--extend", "2", "--out", "swa"}, []string{"swa", "begin another run"}},
		{[]string{"--extend", "2", "--config", "cosine/run.yaml"}, []string{"--config and --extend"}},
		{[]string{"--resume", "--extend", "3", "--out", "cosine"}, []string{"--resume and --extend", "give one of the two"}},
		{[]string{"--resume", "--out", "cosine", "--epochs", "9"}, []string{"epochs was 3, is 9", "--extend"}},
	} {
		before := len(listing(t))
		o := permafrostRun(t, append([]string{"fit"}, c.args...)...)
		for _, want := range c.want {
			if o.code != exitUsage || !strings.Contains(o.stderr, want) || strings.Count(o.stderr, "\n") != 1 {
				t.Errorf("fit %v: exit %d, no %q in %s", c.args, o.code, want, o.stderr)
			}
		}
		if len(listing(t)) != before {
			t.Errorf("fit %v wrote something", c.args)
		}
	}
	if err := os.Remove("cosine/checkpoints/last.safetensors"); err != nil {
		t.Fatal(err)
	}
	if o := permafrostRun(t, "fit", "--extend", "2", "--out", "cosine"); o.code != exitUsage || !strings.Contains(o.stderr, "no checkpoint") {
		t.Errorf("without a checkpoint: exit %d, %s", o.code, o.stderr)
	}
}
