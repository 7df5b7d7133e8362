package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/onnx"
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
