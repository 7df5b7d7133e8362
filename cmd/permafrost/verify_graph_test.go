package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// quantised writes the tiny model with a first layer of int8 weights, as static quantisers write
// them, and a division of its input.
func quantised(t *testing.T, path string) {
	t.Helper()
	g := fixture.Graph(5, 1)
	fixture.BehindInput(g, func(g *ir.Graph, x *ir.Value) *ir.Value {
		div := g.AddNode(&ir.Node{Name: "/Div", Op: "Div", Version: 17, Inputs: []*ir.Value{x, g.NewConst("divisor", tensor.Scalar(float32(2)))}}, []ir.Type{{}}, "divided")
		return div.Outputs[0]
	})
	w := make([]int8, 8*3*3*3)
	for i := range w {
		w[i] = int8(i*37%200 - 100)
	}
	dq := &ir.Node{Name: "/dq", Op: "DequantizeLinear", Version: 17, Inputs: []*ir.Value{
		g.NewConst("weight_int8", tensor.Of(w, 8, 3, 3, 3)), g.NewConst("weight_scale", tensor.Scalar(float32(0.004)))}}
	weight := g.AddNode(dq, []ir.Type{{}}, "weight_float").Outputs[0]
	g.Nodes = append([]*ir.Node{dq}, g.Nodes[:len(g.Nodes)-1]...)
	for _, n := range g.Nodes {
		if n.Name == "/blocks.0/conv/Conv" {
			n.Inputs[1] = weight
		}
	}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestVerifySeesEverything changes one thing of a tuned file that no fit changes, of every kind.
func TestVerifySeesEverything(t *testing.T) {
	world(t)
	quantised(t, "int8.onnx")
	fit := func(out, model string, args ...string) {
		t.Helper()
		succeed(t, append([]string{"fit", "--model", model, "--data", "photos", "--out", out, "--epochs", "1"}, args...)...)
	}
	fit("new", "int8.onnx", "--thaw", "last:1")
	fit("lora", "int8.onnx", "--adapter", "lora:2")
	fit("again", "lora/model.onnx", "--adapter", "ia3")
	fit("third", "again/model.onnx", "--head", "mlp:4")
	for _, run := range []string{"new", "lora", "again", "third"} {
		if v := object(t, succeed(t, "verify", "int8.onnx", run+"/model.onnx", "--json")); v["identical"] != true || v["frozen"].(float64) < 3 || v["nodes"].(float64) < 7 {
			t.Errorf("%s: %v", run, v)
		}
	}
	first := func(m *onnx.Model, name string, x float32) *onnx.Patch {
		to := m.Tensors()[name].Clone()
		if to.DType == tensor.Int8 {
			to.Bytes[5] ^= 1
		} else {
			to.F32()[0] = x
		}
		return &onnx.Patch{Tensors: map[string]*tensor.Tensor{name: to}}
	}
	for _, c := range []struct {
		what, key, want string
		patch           func(m *onnx.Model) *onnx.Patch
		old, new        string // or bytes of the file
	}{
		{what: "one bit of an int8 weight", key: "changed", want: "weight_int8", patch: func(m *onnx.Model) *onnx.Patch { return first(m, "weight_int8", 0) }},
		{what: "a scale", key: "changed", want: "weight_scale", patch: func(m *onnx.Model) *onnx.Patch { return first(m, "weight_scale", 0.005) }},
		{what: "a constant of the preprocessing", key: "changed", want: "divisor", patch: func(m *onnx.Model) *onnx.Patch { return first(m, "divisor", 1) }},
		{what: "an operator", key: "graph", want: `node "/blocks.0/relu/Relu" (Relu) is Selu`, old: "\"\x04Relu", new: "\"\x04Selu"},
		{what: "an attribute", key: "graph", want: `node "/blocks.0/norm/BatchNormalization" (BatchNormalization) has the attribute epsilon, had none`, patch: func(m *onnx.Model) *onnx.Patch {
			return &onnx.Patch{Attrs: []onnx.Attr{{Node: "/blocks.0/norm/output_0", Name: "epsilon", Value: float32(0.5)}}}
		}},
		{what: "the wiring", key: "graph", want: `node "/blocks.0/conv/Conv" (Conv) reads "image" at input 0, read "divided"`, patch: func(m *onnx.Model) *onnx.Patch {
			return &onnx.Patch{Rewire: []onnx.Rewire{{Node: "/blocks.0/conv/Conv_output_0", Index: 0, Value: "image"}}}
		}},
		{what: "a node in between", key: "graph", want: `node "/blocks.0/conv/Conv" (Conv) reads "clean" at input 0, read "divided"`, patch: func(m *onnx.Model) *onnx.Patch {
			return &onnx.Patch{
				AddNodes: []*onnx.Node{{Name: "/lora_B/Add", Op: "Add", Inputs: []string{"divided", "divided"}, Outputs: []string{"clean"}, Before: "/blocks.0/conv/Conv_output_0"}},
				Rewire:   []onnx.Rewire{{Node: "/blocks.0/conv/Conv_output_0", Index: 0, Value: "clean"}},
			}
		}},
		{what: "a node before the head", key: "graph", want: `node "/extra" (Sigmoid) is neither the base's nor one that a fit adds`, patch: func(m *onnx.Model) *onnx.Patch {
			return &onnx.Patch{
				AddNodes: []*onnx.Node{{Name: "/extra", Op: "Sigmoid", Inputs: []string{"/Flatten_output_0"}, Outputs: []string{"extra"}, Before: m.Outputs[0].Name}},
				Rewire:   []onnx.Rewire{{Node: m.Outputs[0].Name, Index: 0, Value: "extra"}},
			}
		}},
		{what: "the type of an input", key: "graph", want: `the input "image" has another type`, patch: func(m *onnx.Model) *onnx.Patch {
			return &onnx.Patch{Inputs: []onnx.ValueInfo{{Name: "image", DType: tensor.Float32, Shape: tensor.Shape{-1, 3, -1, -1}}}}
		}},
	} {
		m, err := onnx.Open("new/model.onnx")
		if err != nil {
			t.Fatal(err)
		}
		b := m.Source()
		if c.patch != nil {
			if b, err = m.Bytes(c.patch(m)); err != nil {
				t.Fatal(err)
			}
		} else if changed := strings.Replace(string(b), c.old, c.new, 1); changed == string(b) {
			t.Fatalf("%s: the file has no %q", c.what, c.old)
		} else {
			b = []byte(changed)
		}
		if err := os.WriteFile("tampered.onnx", b, 0o644); err != nil {
			t.Fatal(err)
		}
		o := permafrostRun(t, "verify", "int8.onnx", "tampered.onnx", "--json")
		v := object(t, o)
		if found := v[c.key].([]any); o.code != exitFailed || v["identical"] != false || !slices.Contains(found, any(c.want)) || !strings.Contains(o.stderr, c.want) {
			t.Errorf("%s: exit %d, %v, %s", c.what, o.code, v, o.stderr)
		}
		if o := permafrostRun(t, "verify", "int8.onnx", "tampered.onnx"); strings.Contains(o.stdout, "identical") {
			t.Errorf("%s: %s", c.what, o.stdout)
		}
	}
}
