package split

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/sideinput"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// samples gives a model of float32 [N,S] that adds a constant of so many samples.
func samples(n int) func(t *testing.T) string {
	return func(t *testing.T) string {
		g := ir.New("samples")
		x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, -1}})
		x.Dims = []string{"batch", "samples"}
		w := g.NewParam("w", tensor.New(tensor.Float32, 1, n))
		g.Outputs = g.AddNode(&ir.Node{Name: "sum", Op: "Add", Inputs: []*ir.Value{x, w}}, []ir.Type{{DType: tensor.Float32}}).Outputs
		b, err := onnx.Build(g, onnx.BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "m.onnx")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
}

func world(name string) func(t *testing.T) string {
	return func(t *testing.T) string { return shared.Path(t, "world-models", name, "model.onnx") }
}

// An open axis has a size with which the model runs, and the note or the error says how to set it.
func TestOpenAxes(t *testing.T) {
	for _, c := range []struct {
		name   string
		model  func(t *testing.T) string
		sides  sideinput.Options
		shapes string // of a batch of 2 (of sounds of 2 windows), after "="
		want   string // a piece of the notes or of the error
	}{
		{"a usual window", samples(512), sideinput.Options{}, "x=[4,512]", "windows of 0.032 s"},
		{"a size of the model's own", samples(100), sideinput.Options{}, "x=[2,100]", `taken as 100, with which the model runs and with 128 does not: axis 1 (samples) of input "x"; option shape x=1,100,`},
		{"given", samples(100), sideinput.Options{Shapes: []string{"samples=100"}}, "x=[2,100]", ""},
		{"given wrong", samples(100), sideinput.Options{Shapes: []string{"x=1,99"}}, "", `shape: with x=1,99 the model does not run: node "sum" (Add)`},
		{"a table of positions", world("tinybert"), sideinput.Options{}, "", "taken as 64"},
		{"a rate", world("silero-v5"), sideinput.Options{}, "", "give option input sr=16000"},
		{"a rate given", world("silero-v5"), sideinput.Options{Inputs: []string{"sr=8000"}}, "", "samples at 8000 Hz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := OpenShaped(c.model(t), feed.Options{Sides: c.sides})
			if err != nil {
				if c.shapes != "" || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				return
			}
			if notes := strings.Join(b.Notes, "; "); !strings.Contains(notes, c.want) {
				t.Errorf("notes %q, want %q", notes, c.want)
			}
			if name, shape, _ := strings.Cut(c.shapes, "="); c.shapes != "" && b.Shapes(2)[name].String() != shape {
				t.Errorf("shapes %v, want %s", b.Shapes(2), c.shapes)
			}
		})
	}
}
