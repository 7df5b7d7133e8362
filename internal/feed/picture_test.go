package feed

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// model is one Relu on an input of the given type.
func model(t *testing.T, dt tensor.DType, shape ...int) *onnx.Model {
	t.Helper()
	g := ir.New("m")
	x := g.AddInput("x", ir.Type{DType: dt, Shape: shape})
	y := g.AddNode(&ir.Node{Name: "relu", Op: "Relu", Version: 17, Inputs: []*ir.Value{x}}, []ir.Type{{}}, "y").Outputs[0]
	y.Type = x.Type
	g.Outputs = []*ir.Value{y}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Parse(b, "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPictureInput(t *testing.T) {
	for _, c := range []struct {
		dt    tensor.DType
		shape []int
		want  Picture
		ops   string
		out   ir.Type
	}{
		{tensor.Float32, []int{-1, 3, 8, 6}, Picture{"x", 3, 8, 6}, "Relu", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{2, 3, 8, 6}}},
		{tensor.Float32, []int{-1, 8, 6, 3}, Picture{"x", 3, 8, 6}, "Transpose Relu", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{2, 8, 6, 3}}},
		{tensor.Float16, []int{-1, 1, 8, 6}, Picture{"x", 1, 8, 6}, "Cast Relu", ir.Type{DType: tensor.Float16, Shape: tensor.Shape{2, 1, 8, 6}}},
		{tensor.Float16, []int{-1, 8, 6, 1}, Picture{"x", 1, 8, 6}, "Transpose Cast Relu", ir.Type{DType: tensor.Float16, Shape: tensor.Shape{2, 8, 6, 1}}},
		{tensor.Float32, []int{-1, -1, -1, -1}, Picture{"x", 3, -1, -1}, "Relu", ir.Type{}},
	} {
		m := model(t, c.dt, c.shape...)
		p, err := PictureInput(m)
		if err != nil || p != c.want {
			t.Errorf("%v%v: %+v (%v), want %+v", c.dt, c.shape, p, err, c.want)
			continue
		}
		var ops []string
		for _, n := range m.Graph.Nodes {
			ops = append(ops, n.Op)
		}
		if got := strings.Join(ops, " "); got != c.ops {
			t.Errorf("%v%v: %s, want %s", c.dt, c.shape, got, c.ops)
		}
		if c.out.Shape == nil {
			continue
		}
		g, err := compile.Model(m.Graph, compile.Options{Shapes: map[string]tensor.Shape{p.Name: {2, p.Channels, p.Height, p.Width}}, Plain: true})
		if err != nil || !g.Outputs[0].Type.Equal(c.out) {
			t.Errorf("%v%v runs to %v (%v), want %v", c.dt, c.shape, g.Outputs[0].Type, err, c.out)
		}
	}
	for _, c := range []struct {
		dt    tensor.DType
		shape []int
		want  string
	}{
		{tensor.Float32, []int{-1, 10}, "four axes"},
		{tensor.Int64, []int{-1, 3, 8, 8}, "takes int64"},
	} {
		if _, err := PictureInput(model(t, c.dt, c.shape...)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v%v: %v, want %q", c.dt, c.shape, err, c.want)
		}
	}
}
