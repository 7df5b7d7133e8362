package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// vectorWorld is a model of vectors and tables of them, also with other answers.
func vectorWorld(t *testing.T) {
	t.Helper()
	t.Setenv("PERMAFROST_CACHE", "off")
	t.Chdir(t.TempDir())
	for _, err := range []error{
		fixture.WriteVectorModel("vector.onnx", 3, 1), fixture.WriteVectors("points", 30, 1),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// answers writes points again with other answers for the three classes.
func answers(t *testing.T, to string, values ...string) {
	t.Helper()
	for _, part := range []string{"train.csv", "val.csv"} {
		text := string(readFile(t, "points/"+part))
		for c, class := range fixture.Classes {
			text = strings.ReplaceAll(text, ","+class+"\n", ","+values[c]+"\n")
		}
		write(t, to+"/"+part, []byte(text))
	}
}

// TestVectorSession goes the whole way with tables of numbers: every command that reads data.
func TestVectorSession(t *testing.T) {
	vectorWorld(t)
	o := succeed(t, "fit", "--model", "vector.onnx", "--data", "points", "--out", "run", "--thaw", "last:1", "--lr", "0.02", "--epochs", "60", "--json")
	if v := object(t, o); v["val_accuracy"] != 1.0 || v["examples"] != 90.0 || v["frozen_digest_before"] != v["frozen_digest_after"] {
		t.Errorf("fit: %v", v)
	}
	if !strings.Contains(o.stderr, "rows of 6 numbers, from") || !strings.Contains(o.stderr, "are fed as they are (6 columns: x0, x1, x2, x3, x4, x5)") {
		t.Errorf("fit does not say what is fed: %s", o.stderr)
	}
	if v := object(t, succeed(t, "verify", "vector.onnx", "run/model.onnx", "--json")); v["identical"] != true {
		t.Errorf("verify: %v", v)
	}
	if v := object(t, succeed(t, "eval", "--model", "run/model.onnx", "--data", "points", "--json")); v["accuracy"] != 1.0 || v["examples"] != 45.0 {
		t.Errorf("eval: %v", v)
	}
	if v := object(t, succeed(t, "inspect", "vector.onnx", "--data", "points", "--json")); v["predicted"] == nil {
		t.Errorf("inspect: %v", v)
	}
	if v := object(t, succeed(t, "advise", "--model", "vector.onnx", "--data", "points", "--json")); v["recommended"] == nil {
		t.Errorf("advise: %v", v)
	}
	if v := object(t, succeed(t, "rank", "--data", "points", "vector.onnx", "--json")); len(v["models"].([]any)) != 1 {
		t.Errorf("rank: %v", v)
	}
	if v := object(t, succeed(t, "compare", "--model", "vector.onnx", "--data", "points", "--plan", "a=head", "--plan", "b=all", "--seeds", "2", "--epochs", "3", "--json")); len(v["plans"].([]any)) < 2 {
		t.Errorf("compare: %v", v)
	}
	succeed(t, "fit", "--auto", "--model", "vector.onnx", "--data", "points", "--out", "auto", "--epochs", "4")
}

// TestVectorPredict: rows of files and of stdin, a prediction each, odd rows named.
func TestVectorPredict(t *testing.T) {
	vectorWorld(t)
	succeed(t, "fit", "--model", "vector.onnx", "--data", "points", "--out", "run", "--epochs", "20")
	write(t, "named.csv", []byte("x1,x0,x2,x3,x4,x5\n0,2,0,0,0,0\n2,0,0,0,0,0\n,0,0,0,0,0\n"))
	predictions := func(o outcome) (out []string) {
		for _, p := range object(t, o)["predictions"].([]any) {
			m := p.(map[string]any)
			out = append(out, m["input"].(string)+" "+m["label"].(string))
		}
		return out
	}
	o := permafrostRun(t, "predict", "--model", "run/model.onnx", "--json", "named.csv")
	if got := strings.Join(predictions(o), ", "); o.code != exitFailed || got != "named.csv:2 blue, named.csv:3 green" {
		t.Errorf("a table: %s", got)
	}
	if !strings.Contains(o.stderr, "skipped named.csv:4: column x1: the cell has no number") {
		t.Errorf("a gap is not named: %s", o.stderr)
	}
	for _, stdin := range []string{"2,0,0,0,0,0\n0,2,0,0,0,0\n", "2 0 0 0 0 0\n0 2 0 0 0 0\n", "2\t0\t0\t0\t0\t0\n0\t2\t0\t0\t0\t0\n"} {
		var out, errs strings.Builder
		if code := execute([]string{"predict", "--model", "run/model.onnx", "--json"}, strings.NewReader(stdin), &out, &errs); code != 0 {
			t.Errorf("%q: exit %d: %s", stdin, code, errs.String())
			continue
		}
		if got := strings.Join(predictions(outcome{stdout: out.String()}), ", "); got != "-:1 blue, -:2 green" {
			t.Errorf("%q: %s", stdin, got)
		}
	}
	for _, c := range []struct{ file, text, want string }{
		{"cells.csv", "1.5,2,3\n4,5,6.5\n", "cells.csv:1: 3 numbers, and the model takes 6"},
		{"other.csv", "a,b,c,d,e,f\n1,2,3,4,5,6\n", "other.csv has no column x0: the model was tuned on 6 columns (x0, x1, x2, x3, x4, x5)"},
		{"empty.csv", "", "empty.csv has no rows"},
		{"names.csv", "x0,x1,x2,x3,x4,x5\n", "names.csv has no rows below the names of its columns"},
		{"word.csv", "x0,x1,x2,x3,x4,x5\n1,2,3,4,5,six\n", `word.csv:2: column x5: "six" is no number`},
	} {
		write(t, c.file, []byte(c.text))
		refusedKind(t, []string{"predict", "--model", "run/model.onnx", c.file}, c.want)
	}
}

// TestVectorTasks: several labels, and numbers.
func TestVectorTasks(t *testing.T) {
	vectorWorld(t)
	answers(t, "labels", "cold", "cold|fresh", "warm")
	v := object(t, succeed(t, "fit", "--model", "vector.onnx", "--data", "labels", "--out", "labels-run", "--epochs", "40", "--json"))
	if m := v["val_metric"].(map[string]any); m["name"] != "macro_f1" || m["value"].(float64) < 0.95 {
		t.Errorf("several labels: %v", m)
	}
	answers(t, "values", "0.5", "-1.25", "3.5")
	v = object(t, succeed(t, "fit", "--model", "vector.onnx", "--data", "values", "--out", "values-run", "--epochs", "60", "--thaw", "all", "--json"))
	if m := v["val_metric"].(map[string]any); m["name"] != "rmse" || m["value"].(float64) > 0.6 {
		t.Errorf("numbers: %v", m)
	}
	write(t, "one.csv", []byte("2,0,0,0,0,0\n"))
	p := object(t, succeed(t, "predict", "--model", "values-run/model.onnx", "one.csv", "--json"))["predictions"].([]any)[0].(map[string]any)
	if x := p["value"].(float64); x < -0.2 || x > 1.2 {
		t.Errorf("0.5 is predicted as %v", x)
	}
}

// TestVectorOpen: a model that leaves open how many numbers it takes is asked about, and --shape
// says it.
func TestVectorOpen(t *testing.T) {
	vectorWorld(t)
	g := fixture.VectorGraph(tensor.Float32, 3, 1)
	g.Inputs[0].Type.Shape[1] = -1
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, "open.onnx", b)
	refusedKind(t, []string{"fit", "--model", "open.onnx", "--data", "points", "--out", "new"}, "holds a table of numbers (6 columns)", "takes sounds", "--shape", "numbers=1,16")
	succeed(t, "fit", "--model", "open.onnx", "--data", "points", "--out", "new", "--shape", "numbers=1,6", "--epochs", "2")
	succeed(t, "eval", "--model", "new/model.onnx", "--data", "points")
}

// TestVectorTypes: numbers of other types than float32 are fed as the model takes them.
func TestVectorTypes(t *testing.T) {
	vectorWorld(t)
	whole := regexp.MustCompile(`-?(\d)\.\d+`).ReplaceAll(readFile(t, "points/train.csv"), []byte("$1")) // 1.97 becomes 1
	write(t, "whole.csv", whole)
	for dtype, table := range map[tensor.DType]string{tensor.Float64: "points", tensor.Float16: "points", tensor.Int32: "whole.csv", tensor.Int64: "whole.csv", tensor.Uint8: "whole.csv"} {
		file, err := onnx.Build(fixture.VectorGraph(dtype, 3, 1), onnx.BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		name := dtype.String()
		write(t, name+".onnx", file)
		v := object(t, succeed(t, "fit", "--model", name+".onnx", "--data", table, "--out", name, "--thaw", "all", "--lr", "0.02", "--epochs", "30", "--json"))
		if a := v["val_accuracy"].(float64); a < 0.7 {
			t.Errorf("%s: accuracy %v", name, a)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
