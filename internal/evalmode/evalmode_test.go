package evalmode

import (
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// model has a norm and a dropout in training mode, and a norm over the whole batch.
func model(t *testing.T, statistics bool) *onnx.Model {
	t.Helper()
	g := ir.New("training")
	x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 2, 3, 3}})
	weight := func(name string) *ir.Value { return g.NewParam(name, tensor.Of([]float32{1, 2})) }
	n := &ir.Node{Name: "norm", Op: "BatchNormalization", Version: 17, Attrs: ir.Attrs{"training_mode": 1, "momentum": float32(0.9)},
		Inputs: []*ir.Value{x, weight("scale"), weight("bias"), weight("mean"), weight("variance")}}
	g.AddNode(n, []ir.Type{{DType: tensor.Float32}, {DType: tensor.Float32}, {DType: tensor.Float32}}, "y", "moved_mean", "moved_variance")
	ratio, mode := g.NewConst("ratio", tensor.Scalar(float32(0.5))), tensor.New(tensor.Bool)
	mode.Bytes[0] = 1
	d := g.AddNode(&ir.Node{Name: "drop", Op: "Dropout", Version: 17, Inputs: []*ir.Value{n.Outputs[0], ratio, g.NewConst("mode", mode)}}, []ir.Type{{DType: tensor.Float32}}, "z")
	m := g.AddNode(&ir.Node{Name: "mvn", Op: "MeanVarianceNormalization", Version: 17, Inputs: d.Outputs}, []ir.Type{{DType: tensor.Float32}}, "out")
	m.Outputs[0].Type.Shape = tensor.Shape{-1, 2, 3, 3}
	g.Outputs = m.Outputs
	if statistics {
		n.Outputs[1].Type.Shape = tensor.Shape{2}
		g.Outputs = append(slices.Clone(g.Outputs), n.Outputs[1])
	}
	b, err := onnx.Build(g, onnx.BuildOptions{Opset: 17})
	if err != nil {
		t.Fatal(err)
	}
	read, err := onnx.Parse(b, "")
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestSet(t *testing.T) {
	m := model(t, false)
	p, note, err := Set(m)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(note, "training mode") || !strings.Contains(note, "1 of its norms") || !strings.Contains(note, "1 of its dropouts") || !strings.Contains(note, "whole batch") {
		t.Errorf("note %q", note)
	}
	b, err := m.Bytes(p)
	if err != nil {
		t.Fatal(err)
	}
	written, err := onnx.Parse(b, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []*ir.Graph{m.Graph, written.Graph} {
		norm, drop, mvn := g.Nodes[0], g.Nodes[1], g.Nodes[2]
		if norm.Attrs.Bool("training_mode") || len(norm.Outputs) != 1 || norm.Attrs.Float("momentum", 0) != 0.9 {
			t.Errorf("norm %v gives %d values", norm.Attrs, len(norm.Outputs))
		}
		if drop.In(2) != nil {
			t.Errorf("the dropout has mode %v", drop.In(2).Name)
		}
		if !slices.Equal(mvn.Attrs.Ints("axes"), []int{2, 3}) {
			t.Errorf("the norm over the batch has axes %v", mvn.Attrs)
		}
	}
	if p, note, err = Set(written); err != nil || note != "" || !p.Empty() {
		t.Errorf("a second time: %q, %v", note, err)
	}
}

func TestMovedStatisticsAreRead(t *testing.T) {
	if _, _, err := Set(model(t, true)); err == nil || !strings.Contains(err.Error(), `"moved_mean"`) {
		t.Errorf("error %v", err)
	}
}
