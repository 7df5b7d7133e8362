package main

import (
	"strings"
	"testing"
)

func TestUnknownFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"fit --learning-rate 0.1", "--lr"},
		{"fit --learning_rate=0.1", "--lr"},
		{"fit --batch-size 8", "--batch"},
		{"fit --num-epochs 3", "--epochs"},
		{"fit --epcohs 3", "--epochs"},
		{"fit --Epochs 3", "--epochs"},
		{"fit --lr_schedule step", "--lr-schedule"},
		{"fit --output runs/a", "--out"},
		{"fit --dataset photos", "--data"},
		{"fit --workers 4", "--threads"},
		{"fit --unfreeze all", "--thaw"},
		{"eval --dataset photos", "--data"},
		{"bench --iterations 9", "--steps"},
		{"export m.onnx --softmax", "--with-softmax"},
		{"bench --learning-rate 0.1", ""}, // it has none
		{"fit --wings", ""},
		{"fit --device cuda", ""},
	} {
		o := permafrostRun(t, strings.Fields(c.args)...)
		if o.code != exitUsage || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, "--help lists the flags") {
			t.Errorf("%s: exit %d: %s", c.args, o.code, o.stderr)
		}
		if meant := strings.Contains(o.stderr, "is "+c.want+" meant?"); meant != (c.want != "") || c.want == "" && strings.Contains(o.stderr, "meant?") {
			t.Errorf("%s: %q, want %q", c.args, o.stderr, c.want)
		}
	}
}

// TestOtherNames: every flag of the table exists, and no name stands for itself.
func TestOtherNames(t *testing.T) {
	for flag, others := range otherNames {
		if !allFlags()[flag] {
			t.Errorf("no command has --%s", flag)
		}
		for _, name := range others {
			if name == flag {
				t.Errorf("--%s stands for itself", flag)
			}
		}
	}
}

func TestVersionFlag(t *testing.T) {
	flag, command := succeed(t, "--version"), succeed(t, "version")
	if flag.stdout != command.stdout || !strings.HasPrefix(flag.stdout, "permafrost ") {
		t.Errorf("--version prints %q, version %q", flag.stdout, command.stdout)
	}
}
