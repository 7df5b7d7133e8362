package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestVerifyChain: a model that was tuned again is verified against every one of its bases.
func TestVerifyChain(t *testing.T) {
	world(t)
	fit := func(model, out string, args ...string) {
		t.Helper()
		succeed(t, append([]string{"fit", "--model", model, "--data", "photos", "--out", out, "--epochs", "2"}, args...)...)
	}
	fit("tiny.onnx", "one", "--thaw", "last:1")
	fit("one/model.onnx", "two", "--thaw", "head,channels:blocks.0.conv.weight[0:2]")
	fit("two/model.onnx", "three", "--head", "keep")

	verify := func(base, tuned string) map[string]any {
		t.Helper()
		return object(t, succeed(t, "verify", base, tuned, "--json"))
	}
	names := func(v any) (out []string) {
		for _, n := range v.([]any) {
			out = append(out, n.(string))
		}
		return out
	}
	v := verify("tiny.onnx", "three/model.onnx")
	fits := v["fits"].([]any)
	if v["identical"] != true || len(fits) != 3 || v["partly"] != 1.0 {
		t.Errorf("against the first base: %v", v)
	}
	for i, want := range [][]string{{"blocks.1.conv.weight", "blocks.1.norm.weight"}, {"blocks.0.conv.weight"}, nil} {
		trained := names(fits[i].(map[string]any)["trained"])
		for _, n := range want {
			if !slices.Contains(trained, n) {
				t.Errorf("fit %d trained %v, want %v", i+1, trained, want)
			}
		}
		if i > 0 && slices.ContainsFunc(trained, func(n string) bool { return strings.HasPrefix(n, "blocks.1") }) {
			t.Errorf("fit %d trained %v", i+1, trained)
		}
	}
	if v := verify("one/model.onnx", "three/model.onnx"); len(v["fits"].([]any)) != 2 || slices.Contains(names(v["thawed"]), "blocks.1.conv.weight") {
		t.Errorf("against the second base: %v", v)
	}
	if v := verify("two/model.onnx", "three/model.onnx"); len(v["fits"].([]any)) != 1 || len(names(v["thawed"])) != 2 {
		t.Errorf("against its direct base: %v", v)
	}
	o := succeed(t, "verify", "tiny.onnx", "three/model.onnx")
	for _, want := range []string{"identical", "fits        3, from this base on:", "  1. --thaw last:1 on ", "  2. --thaw head,channels:blocks.0.conv.weight[0:2] on ", "trained nothing of this base"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in\n%s", want, o.stdout)
		}
	}

	// a change that no plan allows is found through the chain
	b := readFile(t, "three/model.onnx")
	frozen := slices.Index(names(v["thawed"]), "blocks.0.norm.bias")
	if frozen >= 0 {
		t.Fatal("blocks.0.norm.bias is not frozen")
	}
	flip(t, b, "blocks.0.norm.bias")
	if err := os.WriteFile("flipped.onnx", b, 0o644); err != nil {
		t.Fatal(err)
	}
	if o := permafrostRun(t, "verify", "tiny.onnx", "flipped.onnx"); o.code != exitFailed || !strings.Contains(o.stderr, "blocks.0.norm.bias") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
	if o := permafrostRun(t, "verify", "three/model.onnx", "one/model.onnx"); o.code != exitUsage || !strings.Contains(o.stderr, "another model") {
		t.Errorf("the wrong way round: exit %d: %s", o.code, o.stderr)
	}
	succeed(t, "delta", "extract", "tiny.onnx", "three/model.onnx", "d.safetensors")
	succeed(t, "delta", "apply", "tiny.onnx", "d.safetensors", "again.onnx")
	sameFiles(t, "three/model.onnx", "again.onnx")
}

// TestVerifyAdapters: the fits of a chain are named with their adapters, and merging is why frozen
// tensors changed.
func TestVerifyAdapters(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "one", "--epochs", "1", "--adapter", "lora:2")
	succeed(t, "fit", "--model", "one/model.onnx", "--data", "photos", "--out", "two", "--epochs", "1", "--thaw", "last:1")
	o := succeed(t, "verify", "tiny.onnx", "two/model.onnx")
	for _, want := range []string{"identical", "  1. --thaw head --adapter lora:2 on ", "  2. --thaw last:1 on "} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in\n%s", want, o.stdout)
		}
	}
	if strings.Contains(o.stdout, "why ") {
		t.Errorf("a reason for no change:\n%s", o.stdout)
	}
	succeed(t, "fit", "--model", "two/model.onnx", "--data", "photos", "--out", "three", "--epochs", "1", "--adapter", "ia3", "--adapter-merge")
	o = permafrostRun(t, "verify", "tiny.onnx", "three/model.onnx")
	for _, want := range []string{"changed", "why         fit 3 merged its adapters (ia3) into frozen weights", "  3. --thaw head --adapter ia3 --adapter-merge on "} {
		if o.code != exitFailed || !strings.Contains(o.stdout, want) {
			t.Errorf("exit %d, no %q in\n%s", o.code, want, o.stdout)
		}
	}
}
