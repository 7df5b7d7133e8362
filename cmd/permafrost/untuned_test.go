package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestUntuned: a model that was not tuned is evaluated and predicts with its own classifier, in the
// names that lie beside it or by number.
func TestUntuned(t *testing.T) {
	world(t)
	if err := os.Mkdir("m", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WriteModel("m/three.onnx", 3, 1); err != nil {
		t.Fatal(err)
	}
	predict := func(args ...string) outcome {
		return permafrostRun(t, append([]string{"predict", "--model", "m/three.onnx", "photos/val/red/00.png"}, args...)...)
	}
	eval := func(data string, args ...string) outcome {
		return permafrostRun(t, append([]string{"eval", "--model", "m/three.onnx", "--data", data}, args...)...)
	}
	note := func(o outcome, want string) {
		t.Helper()
		if o.code != 0 || !strings.Contains(o.stderr, want) {
			t.Errorf("exit %d, no %q in\n%s", o.code, want, o.stderr)
		}
	}
	refused := func(o outcome, want ...string) {
		t.Helper()
		for _, w := range want {
			if o.code != exitUsage || strings.Count(o.stderr, "permafrost eval: ")+strings.Count(o.stderr, "permafrost predict: ") != 1 || !strings.Contains(o.stderr, w) {
				t.Errorf("exit %d, no %q in\n%s", o.code, w, o.stderr)
			}
		}
	}

	// by number
	numbered := predict()
	note(numbered, "does not name its 3 classes")
	note(numbered, "--preprocess names another")
	if !strings.HasPrefix(numbered.stdout, "photos/val/red/00.png\t1 ") && !strings.HasPrefix(numbered.stdout, "photos/val/red/00.png\t0 ") && !strings.HasPrefix(numbered.stdout, "photos/val/red/00.png\t2 ") {
		t.Errorf("no number: %s", numbered.stdout)
	}
	refused(eval("photos"), "the classes blue, green, red", "(0, 1, 2)", "labels.txt")

	// classes called by number, and synsets of WordNet in their order
	for class, names := range map[string][2]string{"blue": {"0", "n01440764"}, "green": {"1", "n01443537"}, "red": {"2", "n01484850"}} {
		for _, name := range names {
			dir := map[bool]string{true: "synsets", false: "numbers"}[len(name) > 1]
			write(t, filepath.Join(dir, name, "a.png"), readFile(t, filepath.Join("photos", "val", class, "00.png")))
		}
	}
	v := object(t, eval("numbers", "--json"))
	w := eval("synsets", "--json")
	note(w, "the 3 synsets of WordNet")
	if o := object(t, w); v["examples"] != 3.0 || o["loss"] != v["loss"] || o["classes"].([]any)[0] != "n01440764" {
		t.Errorf("numbers %v, synsets %v", v, o)
	}

	// names beside the model
	write(t, "m/labels.txt", []byte("blue\ngreen\nred\n"))
	named := eval("photos", "--json")
	note(named, "named by labels.txt")
	if o := object(t, named); o["examples"] != 12.0 || len(o["per_class"].([]any)) != 3 {
		t.Errorf("%v", o)
	}
	write(t, "m/labels.txt", []byte("n01440764 blue, azure\nn01443537 green\nn01484850 red\n"))
	if o := object(t, eval("synsets", "--json")); o["loss"] != v["loss"] {
		t.Errorf("synsets in the labels: %v", o)
	}
	if o := eval("photos"); o.code != 0 {
		t.Errorf("names behind synsets: %s", o.stderr)
	}
	write(t, "m/config.json", []byte(`{"id2label": {"0": "sky", "1": "grass", "2": "red"}}`))
	note(predict(), "named by config.json")
	refused(eval("photos"), "no class blue, green", "blue, green, red", "config.json", "sky, grass, red")
	write(t, "m/three.labels.txt", []byte("a\nb\n"))
	write(t, "m/config.json", []byte(`{}`))
	refused(predict(), "three.labels.txt names 2 classes", "3 scores")
	write(t, "m/three.labels.txt", []byte("a\nb\na\n"))
	refused(predict(), "labels 1 and 3 are both a")
	write(t, "m/three.labels.txt", []byte("blue\ngreen\nred\n"))

	// how pictures are prepared
	note(predict("--preprocess", "unit"), "by unit")
	if plain, unit := predict(), predict("--preprocess", "unit"); plain.stdout == unit.stdout {
		t.Error("--preprocess changes nothing")
	}
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "1")
	o := permafrostRun(t, "predict", "--model", "run/model.onnx", "photos/val", "--preprocess", "unit")
	refused(o, "--preprocess: the tuned model says itself")

	// a table whose column of labels has another name, of one class only
	write(t, "table.csv", []byte("file,colour\nphotos/val/red/00.png,red\nphotos/val/red/01.png,red\n"))
	if v := object(t, eval("table.csv", "--label-column", "colour", "--json")); v["examples"] != 2.0 {
		t.Errorf("a table: %v", v)
	}
	write(t, "odd.csv", []byte("file,label\nphotos/val/red/00.png,white\n"))
	refused(eval("odd.csv"), "no class white", "blue, green, red")

	// a trunk
	edited(t, "trunk.onnx", func(g *ir.Graph) {
		last := g.Nodes[len(g.Nodes)-1]
		g.Outputs = []*ir.Value{last.Inputs[0]}
		g.Outputs[0].Type = ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, -1}}
		g.Prune()
	})
	o = permafrostRun(t, "predict", "--model", "trunk.onnx", "photos/val")
	refused(o, "ends in features", "permafrost fit")
}
