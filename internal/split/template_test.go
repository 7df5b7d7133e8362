package split

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A graph made from those of two and three examples is the one that is built.
func TestTemplateIsTheBuiltGraph(t *testing.T) {
	t.Run("tiny", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tiny.onnx")
		if err := fixture.WriteResidualModel(path); err != nil {
			t.Fatal(err)
		}
		compareTemplate(t, path)
	})
	for _, name := range []string{"mobilenetv1-imagenet-trunk", "resnet20-cifar10", "resnet56-cifar10", "resnet20-cifar10-folded"} {
		t.Run(name, func(t *testing.T) { compareTemplate(t, shared.Path(t, "models", name+".onnx")) })
	}
}

// compareTemplate compares the graphs that the model's template gives with those that are built,
// for several batches.
func compareTemplate(t *testing.T, path string) {
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
		t.Fatal("no template")
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
			t.Errorf("for %d examples\n%s\nwant\n%s", batch, got, want)
		}
		if err := ir.Verify(got); err != nil {
			t.Error(err)
		}
		live, err := n.live.at(batch)
		if err != nil {
			t.Fatal(err)
		}
		if len(live.Inputs) != len(n.cut) || len(live.Nodes) >= len(want.Nodes) {
			t.Errorf("the live part has %d inputs and %d of %d nodes", len(live.Inputs), len(live.Nodes), len(want.Nodes))
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
