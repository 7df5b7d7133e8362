package split

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/dynamicbatch"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// OpenAxis is the size given to an open axis that is not the batch.
const OpenAxis = 128

// OpenShaped reads a model that is looked at or timed, whatever its inputs take. Where it can be
// fed it is as Open has it. Else, where no data are given, the declared shapes count, with OpenAxis
// for what they and option shape leave open.
func OpenShaped(path string, o feed.Options) (*Base, error) {
	b, err := Open(path, o)
	if err == nil {
		return b, nil
	}
	if !o.Data.IsZero() || o.Preprocess != "" || o.Layout != "" || o.Size != "" || o.Text != (feed.TextOptions{}) || (data.Options{Augment: o.Augment}).Augmented() {
		return nil, err
	}
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	b = &Base{Model: m, length: 1}
	if err := b.settle(o); err != nil {
		return nil, err
	}
	if in := m.Graph.Inputs; len(in) > 0 && len(in[0].Type.Shape) > 0 && in[0].Type.Shape[0] == 1 {
		if _, note, err := dynamicbatch.Free(m, compile.Trace); err != nil {
			b.Fixed = true
			b.Notes = append(b.Notes, err.Error())
		} else if note != "" {
			b.Notes = append(b.Notes, note)
		}
	}
	for _, v := range m.Graph.Inputs {
		if v.Type.Shape == nil {
			return nil, fmt.Errorf("the model does not say how many axes its input %q has: give option shape %s=1,128", v.Name, v.Name)
		}
	}
	b.shapes = func(n, _ int) map[string]tensor.Shape { return openShapes(m.Graph, n) }
	open := openNote(m.Graph)
	if open == "" {
		return b, nil
	}
	if _, err := compile.Model(m.Graph, compile.Options{Shapes: b.Shapes(b.Two()), Plain: true}); err != nil {
		return nil, fmt.Errorf("%w; %s", err, open)
	}
	b.Notes = append(b.Notes, open)
	return b, nil
}

// openNote says which sizes the open axes are given, "" where none is open but the batch.
func openNote(g *ir.Graph) string {
	var axes []string
	var example string
	for _, v := range g.Inputs {
		shape := openShapes(g, 1)[v.Name]
		for i, d := range v.Type.Shape {
			if d < 0 && i > 0 && shape[i] == OpenAxis {
				name := "?"
				if i < len(v.Dims) && v.Dims[i] != "" {
					name = v.Dims[i]
				}
				axes = append(axes, fmt.Sprintf("axis %d (%s) of input %q", i, name, v.Name))
				if example == "" {
					example = fmt.Sprintf("%s=%s", v.Name, strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ","), "[]"))
				}
			}
		}
	}
	if axes == nil {
		return ""
	}
	return fmt.Sprintf("taken as %d: %s; option shape %s, with your sizes, sets them", OpenAxis, strings.Join(axes, ", "), example)
}

// openShapes gives every open axis of the inputs a size: n to the batch, which is the first axis
// and every axis that has the same name, and OpenAxis to others.
func openShapes(g *ir.Graph, n int) map[string]tensor.Shape {
	batch := ""
	for _, v := range g.Inputs {
		if len(v.Dims) > 0 && len(v.Type.Shape) > 0 && v.Type.Shape[0] < 0 && batch == "" {
			batch = v.Dims[0]
		}
	}
	out := map[string]tensor.Shape{}
	for _, v := range g.Inputs {
		s := v.Type.Shape.Clone()
		for i, d := range s {
			named := i < len(v.Dims) && v.Dims[i] != "" && v.Dims[i] == batch
			switch {
			case d >= 0:
			case i == 0 || named:
				s[i] = n
			default:
				s[i] = OpenAxis
			}
		}
		out[v.Name] = s
	}
	return out
}
