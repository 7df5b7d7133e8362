package split

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A graph made from those of two and three examples is the one that is built.
func TestTemplateIsTheBuiltGraph(t *testing.T) {
	tiny := filepath.Join(t.TempDir(), "tiny.onnx")
	if err := fixture.WriteResidualModel(tiny); err != nil {
		t.Fatal(err)
	}
	models := map[string]string{"tiny": tiny}
	for _, name := range []string{"mobilenetv1-imagenet-trunk", "resnet20-cifar10", "resnet56-cifar10", "resnet20-cifar10-folded"} {
		path := filepath.Join("..", "..", "..", "shared", "models", name+".onnx")
		if _, err := os.Stat(path); err == nil {
			models[name] = path
		}
	}
	for name, path := range models {
		base, err := Open(path, feed.Options{Preprocess: "unit"})
		if err != nil {
			t.Fatal(err)
		}
		n, err := New(base, &task.Classify{Classes: make([]string, 4)}, Options{Head: "linear", Pool: "auto", Thaw: []string{"last:1", "head"}, BatchNorm: "auto"})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Prepare(); err != nil {
			t.Fatal(err)
		}
		if n.varies {
			t.Errorf("%s: no template", name)
			continue
		}
		for _, batch := range []int{1, 2, 5, 32} {
			want, err := n.build(batch)
			if err != nil {
				t.Fatal(err)
			}
			got, err := n.whole.at(batch)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() {
				t.Errorf("%s: for %d examples\n%s\nwant\n%s", name, batch, got, want)
			}
			if err := ir.Verify(got); err != nil {
				t.Error(err)
			}
			live, err := n.live.at(batch)
			if err != nil {
				t.Fatal(err)
			}
			if len(live.Inputs) != len(n.cut) || len(live.Nodes) >= len(want.Nodes) {
				t.Errorf("%s: the live part has %d inputs and %d of %d nodes", name, len(live.Inputs), len(live.Nodes), len(want.Nodes))
			}
		}
	}
}

func TestTemplateRefusesOtherDifferences(t *testing.T) {
	build := func(batch int, edit func(n *ir.Node, c *ir.Value)) *ir.Graph {
		g := ir.New("g")
		x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{batch, 4}})
		c := g.NewConst("c", tensor.Of([]float32{1, 2, 3, 4}, 4))
		n := &ir.Node{Name: "n", Op: "Add", Inputs: []*ir.Value{x, c}, Attrs: ir.Attrs{"f": float32(1), "s": "a", "t": tensor.Of([]int64{7})}}
		edit(n, c)
		g.AddNode(n, []ir.Type{x.Type})
		g.Outputs = n.Outputs
		return g
	}
	plain := func(*ir.Node, *ir.Value) {}
	if _, err := newTemplate(build(2, plain), build(3, plain)); err != nil {
		t.Error(err)
	}
	for name, edit := range map[string]func(n *ir.Node, c *ir.Value){
		"operator":  func(n *ir.Node, _ *ir.Value) { n.Op = "Mul" },
		"constant":  func(_ *ir.Node, c *ir.Value) { c.Data.F32()[1] = 9 },
		"number":    func(n *ir.Node, _ *ir.Value) { n.Attrs["f"] = float32(2) },
		"text":      func(n *ir.Node, _ *ir.Value) { n.Attrs["s"] = "b" },
		"tensor":    func(n *ir.Node, _ *ir.Value) { n.Attrs["t"] = tensor.Of([]int64{8}) },
		"attribute": func(n *ir.Node, _ *ir.Value) { delete(n.Attrs, "s") },
		"wiring":    func(n *ir.Node, _ *ir.Value) { n.Inputs[1] = n.Inputs[0] },
	} {
		if _, err := newTemplate(build(2, plain), build(3, edit)); !errors.Is(err, errNoTemplate) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
