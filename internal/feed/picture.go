package feed

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Picture describes a model's picture input: float32, channels first.
type Picture struct {
	Name          string
	Channels      int
	Height, Width int          // -1 where the model leaves them open
	Layout        string       // how the model has the axes: picture.ChannelsFirst or ChannelsLast
	DType         tensor.DType // the model's own element type
	Why           string       // what told the layout
}

// PictureInput finds a model's picture input. A model that wants channels last, or another element
// type, gets a transpose or a cast in front, in the graph that runs and not in the file. said is the
// layout that a user asks for, or "" for what the input's axes and the first operators tell; usual is
// taken where these leave it open. It errors when the model has other inputs, one that is no picture,
// or one that may lie either way.
func PictureInput(m *onnx.Model, said, usual string) (Picture, error) {
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
	if len(s) != 4 {
		return Picture{}, fmt.Errorf("the model's input %q is %v; pictures need four axes, N,C,H,W or N,H,W,C", in.Name, in.Type)
	}
	if dt := in.Type.DType; !dt.IsFloat() && (!dt.IsInt() || dt.Size() == 0 || dt.Bits() < 8) {
		return Picture{}, fmt.Errorf("the model's input %q takes %v, which pictures are not turned into", in.Name, dt)
	}
	p, err := layoutOf(g, said, usual)
	if err != nil {
		return Picture{}, err
	}
	p.Name, p.DType = in.Name, in.Type.DType
	if p.DType != tensor.Float32 {
		in = prefix(g, in, "Cast", ir.Attrs{"to": onnx.Code(p.DType)}, tensor.Float32, s)
	}
	if p.Layout == picture.ChannelsLast {
		s = tensor.Shape{s[0], p.Channels, s[1], s[2]}
		prefix(g, in, "Transpose", ir.Attrs{"perm": []int{0, 2, 3, 1}}, tensor.Float32, s)
	}
	p.Height, p.Width = s[2], s[3]
	return p, nil
}

// prefix inserts an operator before an input of the graph, and gives it a new input of the given
// type.
func prefix(g *ir.Graph, old *ir.Value, op string, attrs ir.Attrs, dt tensor.DType, shape tensor.Shape) *ir.Value {
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

// layouts are the words of the option layout.
var layouts = map[string]string{"nchw": picture.ChannelsFirst, "nhwc": picture.ChannelsLast}

// ReadLayout reads the option layout: nchw, nhwc, or "" for none.
func ReadLayout(word string) (string, error) {
	if word == "" {
		return "", nil
	}
	l, ok := layouts[strings.ToLower(word)]
	if !ok {
		return "", fmt.Errorf("%q is not nchw (channels first) or nhwc (channels last)", word)
	}
	return l, nil
}

// ReadSize reads the option size, as 224 or HxW; 0, 0 for "".
func ReadSize(text string) (h, w int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	_, err = fmt.Sscanf(text, "%dx%d", &h, &w)
	if err != nil || fmt.Sprintf("%dx%d", h, w) != text {
		if _, err = fmt.Sscanf(text, "%d", &h); err == nil && fmt.Sprint(h) == text {
			w = h
		} else {
			h = 0
		}
	}
	if h < 1 || w < 1 || h > 1<<14 || w > 1<<14 {
		return 0, 0, fmt.Errorf("%q is not a height and a width in pixels, as 224x320", text)
	}
	return h, w, nil
}
