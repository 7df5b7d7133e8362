package feed

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Picture describes a model's picture input: float32, channels first.
type Picture struct {
	Name          string
	Channels      int
	Height, Width int // -1 if the model leaves them open
}

// PictureInput finds a model's picture input. For a model with channels last or another element
// type it puts a transpose or a cast in front of the input. This changes only the graph that runs,
// not the file. It errors if the model has other inputs, or one that is not a picture.
func PictureInput(m *onnx.Model) (Picture, error) {
	g := m.Graph
	if len(g.Inputs) != 1 {
		var names []string
		for _, v := range g.Inputs {
			names = append(names, v.Name)
		}
		return Picture{}, fmt.Errorf("the model has %d inputs %q; pictures need a model with one", len(names), names)
	}
	in := g.Inputs[0]
	s := in.Type.Shape
	channels := func(n int) bool { return n == 1 || n == 3 }
	if len(s) != 4 {
		return Picture{}, fmt.Errorf("the model's input %q is %v; pictures need four axes, N,C,H,W or N,H,W,C", in.Name, in.Type)
	}
	last := channels(s[3]) && !channels(s[1]) && s[1] != -1
	if in.Type.DType != tensor.Float32 {
		if in = prefix(g, in, "Cast", ir.Attrs{"to": onnx.Code(in.Type.DType)}, tensor.Float32, s); in == nil {
			return Picture{}, fmt.Errorf("the model's input takes %v, which pictures are not turned into", g.Inputs[0].Type.DType)
		}
	}
	if last {
		s = tensor.Shape{s[0], s[3], s[1], s[2]}
		in = prefix(g, in, "Transpose", ir.Attrs{"perm": []int{0, 2, 3, 1}}, tensor.Float32, s)
	}
	p := Picture{Name: in.Name, Channels: s[1], Height: s[2], Width: s[3]}
	if p.Channels < 0 {
		p.Channels = 3
	}
	return p, nil
}

// prefix inserts an operator before an input of the graph, and gives it a new input of the given
// type.
func prefix(g *ir.Graph, old *ir.Value, op string, attrs ir.Attrs, dt tensor.DType, shape tensor.Shape) *ir.Value {
	if old.Type.DType == tensor.Invalid || !old.Type.DType.IsFloat() && old.Type.DType != tensor.Uint8 {
		return nil
	}
	version := 13
	for _, n := range g.Nodes {
		if n.Domain == "" {
			version = n.Version
			break
		}
	}
	g.Inputs = nil
	in := g.AddInput(old.Name, ir.Type{DType: dt, Shape: shape})
	in.Dims = old.Dims
	n := &ir.Node{Name: "/input/" + op, Op: op, Version: version, Inputs: []*ir.Value{in}, Attrs: attrs, Outputs: []*ir.Value{old}}
	old.Kind, old.Node, old.Out = ir.Result, n, 0
	old.Name = "/input/" + op + "_output_0"
	g.Nodes = append([]*ir.Node{n}, g.Nodes...)
	return in
}
