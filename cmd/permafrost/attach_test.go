package main

import (
	"os"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// TestAttachLogits: a new head may read the model's own scores, also where these have the name that
// a new head gives to its own.
func TestAttachLogits(t *testing.T) {
	world(t)
	g := fixture.Graph(5, 1)
	g.Outputs[0].Name = "logits"
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("scores.onnx", b, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ base, attach, out, scores string }{
		{"scores.onnx", "logits", "one", "logits_tuned"},
		{"one/model.onnx", "logits_tuned", "two", "logits_tuned_tuned"},
		{"one/model.onnx", "logits", "three", "logits_tuned"},
		{"scores.onnx", "/Flatten_output_0", "four", "logits"},
	} {
		succeed(t, "fit", "--model", c.base, "--data", "photos", "--attach", c.attach, "--out", c.out, "--epochs", "1")
		m, err := onnx.Open(c.out + "/model.onnx")
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Outputs[0].Name; len(m.Outputs) != 1 || got != c.scores {
			t.Errorf("%s on %s of %s gives %q, want %q", c.out, c.attach, c.base, got, c.scores)
		}
		succeed(t, "verify", c.base, c.out+"/model.onnx")
		succeed(t, "eval", "--model", c.out+"/model.onnx", "--data", "photos")
	}
	succeed(t, "verify", "scores.onnx", "two/model.onnx")
}
