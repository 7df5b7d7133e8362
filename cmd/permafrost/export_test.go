package main

import (
	"os"
	"reflect"
	"strings"
	"testing"
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
