package main

import (
	"strings"
	"testing"
)

// TestWords: what the commands say is so for the run at hand.
func TestWords(t *testing.T) {
	world(t)
	fit := func(out string, args ...string) outcome {
		return succeed(t, append([]string{"fit", "--model", "tiny.onnx", "--data", "photos", "--out", out}, args...)...)
	}
	for _, c := range []struct {
		name     string
		o        outcome
		says     []string
		not      []string
		toStderr bool
	}{
		{"everything trains", fit("all", "--thaw", "all", "--epochs", "2"), []string{"nothing was frozen"}, []string{"unchanged"}, false},
		{"everything trains", fit("all2", "--thaw", "all", "--epochs", "2"), []string{"training all 1,159 parameters\n"}, []string{"the rest is frozen", "100%)"}, true},
		{"statistics are frozen", fit("norms", "--thaw", "all", "--batchnorm", "frozen", "--epochs", "2"), []string{"every frozen weight has its bytes unchanged"}, nil, false},
		{"the head trains", fit("head", "--epochs", "1"), []string{"every frozen weight has its bytes unchanged", "best of 1 epoch was 1"}, nil, false},
		{"blocks in turn", fit("badam", "--schedule", "badam:1", "--epochs", "4"), []string{"; every weight trained at some time; frozen at the end: 3 of them"}, []string{"nothing was frozen", "unchanged"}, false},
		{"all thaws", fit("gradual", "--schedule", "gradual", "--epochs", "3"), []string{"; every weight trained at some time, and none was frozen at the end"}, []string{"nothing was frozen", "unchanged"}, false},
		{"some freezes", fit("some", "--schedule", "badam:1", "--thaw", "kind:weight", "--epochs", "4"), []string{"every weight that never trained has its bytes unchanged; frozen at the end: "}, []string{"nothing was frozen"}, false},
		{"the last epoch is kept", fit("last", "--epochs", "2", "--keep", "last"), []string{", the last of 2 epochs; the best was "}, []string{"best of"}, false},
		{"merged adapters", fit("merged", "--epochs", "1", "--adapter", "lora:1", "--adapter-merge"), []string{"adapters are merged"}, []string{"; every frozen weight"}, false},
		{"a finished run", succeed(t, "fit", "--resume", "--out", "all"), []string{"the run is over after 2 epochs: nothing is left to train"}, []string{"going on at"}, true},
		{"nothing to verify", succeed(t, "verify", "tiny.onnx", "all/model.onnx"), []string{"the plan freezes no tensor"}, []string{"identical", "all 0"}, false},
		{"nothing frozen to keep", succeed(t, "inspect", "tiny.onnx", "--thaw", "all"), []string{"no part of the network is frozen"}, []string{"the frozen part"}, false},
		{"measured on what it learns", fit("same", "--val", "photos/train", "--epochs", "1"), []string{"the validation examples are the training examples"}, nil, true},
		{"one seed", succeed(t, "compare", "--model", "tiny.onnx", "--data", "photos", "--plan", "head=head", "--epochs", "1", "--seeds", "1"), []string{"1 seed;", "One seed says nothing of chance"}, []string{"+-", "1 seeds"}, false},
	} {
		text := c.o.stdout
		if c.toStderr {
			text = c.o.stderr
		}
		for _, want := range c.says {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, text)
			}
		}
		for _, not := range c.not {
			if strings.Contains(text, not) {
				t.Errorf("%s: %q in\n%s", c.name, not, text)
			}
		}
	}
	v := object(t, fit("auto", "--auto", "--json"))
	if search := v["auto"].(map[string]any)["seconds"].(float64); search <= 0 || v["seconds"].(float64) <= search {
		t.Errorf("the run took %v seconds, its search %v", v["seconds"], search)
	}
}
