package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// kindWorld writes a model and data of every kind into the working directory.
func kindWorld(t *testing.T) {
	t.Helper()
	world(t)
	pair := fixture.VectorGraph(tensor.Float32, 3, 1)
	other := pair.AddInput("other", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 3}})
	pair.AddNode(&ir.Node{Name: "sum", Op: "Add", Version: 17, Inputs: []*ir.Value{pair.Outputs[0], other}}, []ir.Type{pair.Outputs[0].Type}, "sum")
	pair.Outputs = pair.Nodes[len(pair.Nodes)-1].Outputs
	two, err := onnx.Build(pair, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	errs := []error{
		os.Mkdir("texts", 0o755),
		fixture.WriteSoundModel("sound.onnx", 3, 1), fixture.WriteTextModel("text.onnx", false, 1), fixture.WriteBytesModel("bytes.onnx", 3, 1),
		fixture.WriteVectorModel("vector.onnx", 3, 1), os.WriteFile("tensor.onnx", two, 0o644),
		fixture.WriteSounds("sounds", 4, 1), fixture.WriteTexts("texts", 8, 1), fixture.WriteVectors("vectors", 8, 1), fixture.WriteProse("prose", 40, 1),
		fixture.WriteAnswers("photos", "phototable", "label", fixture.Classes), fixture.WriteAnswers("sounds", "soundtable", "label", fixture.Classes),
	}
	for _, class := range fixture.Classes {
		for _, name := range []string{"a", "b", "c"} {
			var b bytes.Buffer
			errs = append(errs, safetensors.Write(&b, safetensors.File{Tensors: map[string]*tensor.Tensor{
				"numbers": tensor.New(tensor.Float32, fixture.VectorWidth), "other": tensor.New(tensor.Float32, 3)}}))
			write(t, filepath.Join("tensors", class, name+".safetensors"), b.Bytes())
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// kinds are the models and the data of kindWorld, with what messages call them.
var (
	kindModels = map[string]string{
		"tiny.onnx": "takes pictures", "sound.onnx": "takes sounds", "text.onnx": "takes texts", "bytes.onnx": "takes files of any kind, as bytes",
		"vector.onnx": "takes vectors", "tensor.onnx": "takes tensors",
	}
	kindData = []struct {
		path, says string
		file       string   // one of them to predict for
		fits       []string // the models that take it
	}{
		{"photos", "holds pictures (.png)", "photos/val/red/00.png", []string{"tiny.onnx", "bytes.onnx"}},
		{"phototable", "holds a table of pictures (.png)", "", []string{"tiny.onnx", "bytes.onnx"}},
		{"sounds", "holds sounds (.wav)", "sounds/val/red/00.wav", []string{"sound.onnx", "bytes.onnx"}},
		{"soundtable", "holds a table of sounds (.wav)", "", []string{"sound.onnx", "bytes.onnx"}},
		{"texts", "holds a table of texts (column text)", "texts/val.csv", []string{"text.onnx"}},
		{"texts/train.csv", "is a table of texts (column text)", "", []string{"text.onnx"}},
		{"prose", "holds texts (.txt)", "prose/val.txt", []string{"text.onnx", "bytes.onnx"}},
		{"vectors", "holds a table of numbers (6 columns)", "vectors/val.csv", []string{"vector.onnx"}},
		{"tensors", "holds tensors (.safetensors)", "tensors/red/a.safetensors", []string{"tensor.onnx", "bytes.onnx"}},
	}
)

// TestWrongKind: data of another kind than the model takes are refused in one line that says both
// and what would fit, by every command that reads data, and nothing is written.
func TestWrongKind(t *testing.T) {
	kindWorld(t)
	for model, takes := range kindModels {
		for _, d := range kindData {
			for _, args := range [][]string{
				{"fit", "--model", model, "--out", "new", "--data", d.path},
				{"inspect", model, "--data", d.path},
				{"advise", "--model", model, "--data", d.path},
				{"compare", "--model", model, "--plan", "a=head", "--plan", "b=all", "--data", d.path},
				{"rank", "--data", d.path, model},
			} {
				switch {
				case slices.Contains(d.fits, model):
				case model == "bytes.onnx" && d.path == "vectors": // it takes whole numbers
					refusedKind(t, args, d.path, "6 columns of numbers", "takes vectors, 32 numbers", "give ")
				default:
					refusedKind(t, args, d.path, d.says, takes, "give ")
				}
			}
		}
	}
}

func refusedKind(t *testing.T, args []string, want ...string) {
	t.Helper()
	before := listing(t)
	o := permafrostRun(t, args...)
	name := strings.Join(args, " ")
	if o.code != exitUsage || o.stdout != "" || strings.Count(o.stderr, "\n") != 1 {
		t.Errorf("%s: exit %d, want 2 and one line\n%s%s", name, o.code, o.stdout, o.stderr)
	}
	for _, piece := range want {
		if !strings.Contains(o.stderr, piece) {
			t.Errorf("%s: %q does not say %q", name, o.stderr, piece)
		}
	}
	if after := listing(t); !slices.Equal(before, after) {
		t.Errorf("%s: something was written: %v, before: %v", name, after, before)
	}
}

// TestInputBesidePictures: an input that nothing reads changes nothing; for one that is read, the
// refusal names the option that fixes it, and with that the model fits.
func TestInputBesidePictures(t *testing.T) {
	kindWorld(t)
	beside := func(path string, shape tensor.Shape, read bool) {
		edited(t, path, func(g *ir.Graph) {
			in := g.AddInput("gain", ir.Type{DType: tensor.Float32, Shape: shape})
			if read {
				fixture.BehindInput(g, func(g *ir.Graph, x *ir.Value) *ir.Value {
					return g.AddNode(&ir.Node{Name: "times", Op: "Mul", Version: 17, Inputs: []*ir.Value{x, in}}, []ir.Type{x.Type}, "times").Outputs[0]
				})
			}
		})
	}
	fit := func(model string, args ...string) []string {
		return append([]string{"fit", "--model", model, "--data", "photos", "--epochs", "1", "--out", strings.TrimSuffix(model, ".onnx")}, args...)
	}
	beside("unread.onnx", tensor.Shape{-1, 7}, false)
	beside("unreadscalar.onnx", tensor.Shape{}, false)
	beside("read.onnx", tensor.Shape{-1, 3, fixture.Side, fixture.Side}, true)
	plain := object(t, succeed(t, fit("tiny.onnx", "--json")...))
	for _, model := range []string{"unread.onnx", "unreadscalar.onnx"} {
		o := succeed(t, fit(model, "--json")...)
		if got := object(t, o); got["val_loss"] != plain["val_loss"] || !strings.Contains(o.stderr, `input "gain" is not fed: nothing in the model reads it`) {
			t.Errorf("%s: loss %v, want %v\n%s", model, got["val_loss"], plain["val_loss"], o.stderr)
		}
		tuned := filepath.Join(strings.TrimSuffix(model, ".onnx"), "model.onnx")
		if o := succeed(t, "eval", "--model", tuned, "--data", "photos"); strings.Contains(o.stderr, "gain") {
			t.Errorf("%s, tuned: %s", model, o.stderr)
		}
	}
	refusedKind(t, fit("read.onnx"), "holds pictures (.png)", `"gain" float32[?,3,8,8]`, "--input", "gain=1")
	if got := object(t, succeed(t, fit("read.onnx", "--input", "gain=1", "--json")...)); got["val_loss"] != plain["val_loss"] {
		t.Errorf("a gain of 1: loss %v, want %v", got["val_loss"], plain["val_loss"])
	}
}

// TestWrongKindTuned: a tuned model is measured and asked in the same words.
func TestWrongKindTuned(t *testing.T) {
	kindWorld(t)
	for model, takes := range kindModels {
		out := strings.TrimSuffix(model, ".onnx")
		for _, d := range kindData {
			if !slices.Contains(d.fits, model) || d.path == "prose" {
				continue
			}
			succeed(t, "fit", "--model", model, "--data", d.path, "--out", out, "--epochs", "1", "--task", "classify")
			break
		}
		tuned := filepath.Join(out, "model.onnx")
		for _, d := range kindData {
			if slices.Contains(d.fits, model) {
				continue
			}
			refusedKind(t, []string{"eval", "--model", tuned, "--data", d.path}, d.path, d.says, takes, "give ")
			if d.file != "" && model != "bytes.onnx" { // which answers for any file
				refusedKind(t, []string{"predict", "--model", tuned, d.file}, d.file, takes)
			}
		}
	}
}

// TestRankInCompany: models of other kinds are listed with the reason, and the others are ranked.
func TestRankInCompany(t *testing.T) {
	kindWorld(t)
	for data, fits := range map[string][]string{"photos": {"tiny.onnx", "bytes.onnx"}, "vectors": {"vector.onnx"}, "sounds": {"sound.onnx", "bytes.onnx"}} {
		args := []string{"rank", "--json", "--data", data}
		for model := range kindModels {
			args = append(args, model)
		}
		v := object(t, succeed(t, args...))
		var ranked []string
		for _, m := range v["models"].([]any) {
			ranked = append(ranked, m.(map[string]any)["model"].(string))
		}
		slices.Sort(ranked)
		want := slices.Sorted(slices.Values(fits))
		if !slices.Equal(ranked, want) {
			t.Errorf("%s: ranked %v, want %v", data, ranked, want)
		}
		for _, u := range v["unfit"].([]any) {
			model, reason := u.(map[string]any)["model"].(string), u.(map[string]any)["reason"].(string)
			takes := kindModels[model]
			if model == "bytes.onnx" { // whole numbers
				takes = "takes vectors"
			}
			if !strings.Contains(reason, takes) {
				t.Errorf("%s: %s is left out: %s", data, model, reason)
			}
		}
	}
}
