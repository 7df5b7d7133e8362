package main

import (
	"strings"
	"testing"
)

// TestExtending runs the command of docs/extending.md, which help lists among its group.
func TestExtending(t *testing.T) {
	world(t)
	if o := succeed(t, "blocks", "tiny.onnx"); o.stdout != "blocks.0\nblocks.1\n" {
		t.Errorf("%q", o.stdout)
	}
	if o := object(t, succeed(t, "blocks", "tiny.onnx", "--json")); len(o["blocks"].([]any)) != 2 {
		t.Errorf("%v", o)
	}
	if o := permafrostRun(t, "blocks", "missing.onnx"); o.code != exitUsage || !strings.HasPrefix(o.stderr, "permafrost blocks: ") {
		t.Errorf("a missing model: exit %d, %q", o.code, o.stderr)
	}
	_, list, _ := strings.Cut(succeed(t, "help").stdout, "Fine-tuning:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	if !strings.Contains(list, "  blocks       List the blocks of a model\n") {
		t.Errorf("help lists\n%s", list)
	}
}

// TestRegisterTwice: the program does not begin with two commands of one name.
func TestRegisterTwice(t *testing.T) {
	before := registered
	defer func() {
		registered = before
		if recover() == nil {
			t.Error("two commands have one name")
		}
	}()
	register(groupUse, "blocks", blocksCommand)
}
