package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
)

// TestRunSpeaksToOthers: labels and preparation lie beside the tuned file, and a file with
// probabilities as its output has the answers of the tuned one.
func TestRunSpeaksToOthers(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "2")
	labels, err := os.ReadFile("run/labels.txt")
	if err != nil || string(labels) != "blue\ngreen\nred\n" {
		t.Errorf("labels.txt: %q, %v", labels, err)
	}
	if b, err := os.ReadFile("run/preprocessor_config.json"); err != nil || !strings.Contains(string(b), `"rescale_factor"`) {
		t.Errorf("preprocessor_config.json: %s, %v", b, err)
	}

	v := object(t, succeed(t, "export", "run/model.onnx", "--out", "probabilities.onnx", "--with-softmax", "--json"))
	wantKeys(t, v, "out", "output", "scores", "operator", "labels")
	for _, args := range [][]string{
		{"predict", "photos/val/red/00.png", "photos/val/blue/01.png", "--json"},
		{"verify", "--json"},
	} {
		of := func(model string) map[string]any {
			if args[0] == "verify" {
				return object(t, succeed(t, "verify", "tiny.onnx", model, "--json"))
			}
			return object(t, succeed(t, append(args, "--model", model)...))
		}
		if a, b := of("run/model.onnx"), of("probabilities.onnx"); !reflect.DeepEqual(a, b) {
			t.Errorf("%s gives %v, and with probabilities %v", args[0], a, b)
		}
	}
}

// TestSafetensors: the trained tensors of a run as safetensors, alone and in its delta, have the bytes of
// the tuned model, and the files say of which base they are and what they know.
func TestSafetensors(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "1", "--thaw", "head,last:1")
	succeed(t, "export", "run/model.onnx", "--trained", "--out", "trained.safetensors")
	base, err := onnx.Open("tiny.onnx")
	if err != nil {
		t.Fatal(err)
	}
	tuned, err := onnx.Open("run/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	for path, whole := range map[string]bool{"trained.safetensors": true, "run/delta.safetensors": false} {
		f, err := safetensors.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{"format": "pt", "permafrost.base": base.Digest(), "permafrost.task": "classify", "permafrost.labels": `["blue","green","red"]`, "permafrost.thaw": `["head,last:1"]`} {
			if f.Metadata[key] != want {
				t.Errorf("%s: %s is %q, want %q", path, key, f.Metadata[key], want)
			}
		}
		for _, name := range []string{"head.linear.weight", "head.linear.bias"} {
			if got := f.Tensors[name]; got == nil || string(got.Bytes) != string(tuned.Param(name).Tensor.Bytes) {
				t.Errorf("%s: %s is not the model's", path, name)
			}
		}
		for name, got := range f.Tensors {
			if p := base.Param(name); whole && p != nil && string(p.Tensor.Bytes) == string(got.Bytes) {
				t.Errorf("%s holds %s, which did not change", path, name)
			}
		}
		if len(f.Tensors) < 4 {
			t.Errorf("%s holds %d tensors", path, len(f.Tensors))
		}
	}
	if o := permafrostRun(t, "export", "tiny.onnx", "--trained", "--out", "x.safetensors"); o.code != exitUsage || !strings.Contains(o.stderr, "--trained: tiny.onnx has no record of a fit") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
}

// TestExportTellsTemperature: a state dict has no place for the temperature of a kept head, and a
// note says so.
func TestExportTellsTemperature(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "1")
	m, err := onnx.Open("run/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFile("cool.onnx", &onnx.Patch{Metadata: map[string]string{"permafrost.temperature": "0.5"}}); err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]bool{"run/model.onnx": false, "cool.onnx": true} {
		o := succeed(t, "export", model, "--out", "kept.pth")
		if said := strings.Contains(o.stdout, "temperature 0.5"); said != want {
			t.Errorf("%s: told of a temperature: %v\n%s", model, said, o.stdout)
		}
	}
}
