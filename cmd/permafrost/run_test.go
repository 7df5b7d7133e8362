package main

import (
	"os"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// writeLine writes the model y = 2x + 1 to line.onnx.
func writeLine(t *testing.T) {
	t.Helper()
	g := ir.New("line")
	x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 2}})
	x.Dims = []string{"n", ""}
	node := func(op, name string, in ...*ir.Value) *ir.Value {
		n := &ir.Node{Name: name, Op: op, Version: 17, Inputs: in}
		g.AddNode(n, []ir.Type{{DType: tensor.Float32, Shape: tensor.Shape{-1, 2}}}, name)
		return n.Outputs[0]
	}
	y := node("Mul", "twice", x, g.NewParam("two", tensor.Of([]float32{2, 2})))
	y = node("Add", "y", y, g.NewParam("one", tensor.Of([]float32{1, 1})))
	g.Outputs = []*ir.Value{y}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, "line.onnx", b)
}

// recordLine writes an input of line.onnx and what it should give to a folder.
func recordLine(t *testing.T, dir string, in, out *tensor.Tensor) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := onnx.WriteTensor(dir+"/input_0.pb", "x", in); err != nil {
		t.Fatal(err)
	}
	if err := onnx.WriteTensor(dir+"/output_0.pb", "y", out); err != nil {
		t.Fatal(err)
	}
}

// TestRunDataSet compares y = 2x + 1 with what was recorded.
func TestRunDataSet(t *testing.T) {
	t.Chdir(t.TempDir())
	writeLine(t)
	in := tensor.Of([]float32{0, 1, 2, 3}, 2, 2)
	recordLine(t, "test_data_set_0", in, tensor.Of([]float32{1, 3, 5, 7}, 2, 2))
	recordLine(t, "wrong", in, tensor.Of([]float32{1, 3, 5, 8}, 2, 2))
	recordLine(t, "shape", in, tensor.Of([]float32{1, 3, 5, 7}, 4))
	recordLine(t, "kind", tensor.Of([]int64{0, 1}, 1, 2), tensor.Of([]float32{1, 3}, 1, 2))
	recordLine(t, "type", in, tensor.Of([]int64{1, 3, 5, 7}, 2, 2))

	for _, c := range []struct {
		args []string
		code int
		pass bool
		abs  float64
		rel  float64
	}{
		{[]string{"test_data_set_0"}, exitDone, true, 0, 0},
		{[]string{"."}, exitDone, true, 0, 0},
		{[]string{"wrong"}, exitFailed, false, 1, 1. / 8},
		{[]string{"wrong", "--rtol", "0.2"}, exitDone, true, 1, 1. / 8},
		{[]string{"wrong", "--atol", "1.5"}, exitDone, true, 1, 1. / 8},
		{[]string{"shape"}, exitFailed, false, 0, 0},
		{[]string{"type"}, exitFailed, false, 0, 0},
	} {
		o := permafrostRun(t, append([]string{"run", "line.onnx", "--json", "--data-set"}, c.args...)...)
		v := object(t, o)
		wantKeys(t, v, "pass", "max_abs_error", "max_rel_error", "outputs")
		if o.code != c.code || v["pass"] != c.pass || v["max_abs_error"] != c.abs || v["max_rel_error"] != c.rel {
			t.Errorf("%v: exit %d, %v", c.args, o.code, v)
		}
		out := v["outputs"].([]any)[0].(map[string]any)
		if out["name"] != "y" || out["dtype"] != "float32" || len(out["shape"].([]any)) != 2 {
			t.Errorf("%v: output %v", c.args, out)
		}
	}
	if o := permafrostRun(t, "run", "line.onnx", "--data-set", "kind"); o.code != exitUsage {
		t.Errorf("an input of another type: exit %d, %s", o.code, o.stderr)
	}
}
