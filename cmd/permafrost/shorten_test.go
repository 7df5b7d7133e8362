package main

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// TestShorten: what is left out is not in the tuned file, which verify tells apart from what changed;
// the file predicts, is tuned again, and comes back from its delta.
func TestShorten(t *testing.T) {
	world(t)
	if err := fixture.WriteResidualModel("residual.onnx"); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WriteStripes("stripes", 4, 8); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, thaw string
		args       []string
		gone, left string // names of weights
		cut        string
		skip       []any
	}{
		{"cut", "head", []string{"--cut", "layer1.0"}, "layer2.0.", "layer1.0.conv1.weight", "layer1.0", nil},
		{"last", "all", []string{"--cut", "last:1"}, "layer2.0.", "layer1.0.conv1.weight", "layer1.0", nil},
		{"skip", "head", []string{"--skip", "layer1.0"}, "layer1.0.", "layer2.0.conv1.weight", "", []any{"layer1.0"}},
		{"keep", "last:1", []string{"--skip", "layer2.0", "--head", "keep"}, "layer2.0.", "layer1.0.conv1.weight", "", []any{"layer2.0"}},
	} {
		fit := []string{"fit", "--model", "residual.onnx", "--data", "stripes", "--thaw", c.thaw, "--epochs", "2", "--out", c.name}
		succeed(t, append(fit, c.args...)...)
		model := c.name + "/model.onnx"
		whole, err := os.ReadFile(model)
		if err != nil {
			t.Fatal(err)
		}
		graph, _, _ := bytes.Cut(whole, []byte("permafrost.")) // the metadata name what was left out
		if bytes.Contains(graph, []byte(c.gone)) || !bytes.Contains(graph, []byte(c.left)) {
			t.Errorf("%s: the file has a trace of %s, or lacks %s", c.name, c.gone, c.left)
		}
		v := object(t, succeed(t, "verify", "residual.onnx", model, "--json"))
		first := v["fits"].([]any)[0].(map[string]any)
		cut, _ := first["cut"].(string)
		skip, _ := first["skip"].([]any)
		if v["identical"] != true || cut != c.cut || !slices.Equal(skip, c.skip) {
			t.Errorf("%s: verify says %v", c.name, v)
		}
		if o := succeed(t, "verify", "residual.onnx", model); !bytes.Contains([]byte(o.stdout), []byte("left out ")) {
			t.Errorf("%s: %s", c.name, o.stdout)
		}
		succeed(t, "fit", "--config", c.name+"/run.yaml", "--out", c.name+"2")
		if again, err := os.ReadFile(c.name + "2/model.onnx"); err != nil || !bytes.Equal(again, whole) {
			t.Errorf("%s: the run.yaml gives another model (%v)", c.name, err)
		}
		succeed(t, "delta", "apply", "residual.onnx", c.name+"/delta.safetensors", c.name+"3.onnx")
		if again, err := os.ReadFile(c.name + "3.onnx"); err != nil || !bytes.Equal(again, whole) {
			t.Errorf("%s: the delta gives another model (%v)", c.name, err)
		}
		succeed(t, "predict", "--model", model, "stripes/val/class1/000.png")
		succeed(t, "fit", "--model", model, "--data", "stripes", "--epochs", "1", "--out", c.name+"4")
		if v := object(t, succeed(t, "verify", "residual.onnx", c.name+"4/model.onnx", "--json")); v["identical"] != true {
			t.Errorf("%s, tuned again: verify says %v", c.name, v)
		}
	}
	// another wire than the plan says is a change
	succeed(t, "fit", "--model", "residual.onnx", "--data", "stripes", "--epochs", "1", "--out", "plain")
	if o := permafrostRun(t, "verify", "residual.onnx", "skip/model.onnx", "--plan", "plain/plan.json"); o.code != 1 {
		t.Errorf("by the plan of the whole model: exit %d, %s", o.code, o.stdout)
	}
}
