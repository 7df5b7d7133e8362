package split

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/dynamicbatch"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// OpenAxis is the size given to an open axis that is not the batch.
const OpenAxis = 128

// OpenShaped reads a model that will only be analysed or timed, whatever its inputs. A model that
// can be fed is opened as by Open. Otherwise, or if shapes are given by input name, the given and
// declared shapes are used, with OpenAxis for axes that they leave open.
func OpenShaped(path string, o feed.Options, given map[string]tensor.Shape) (*Base, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	for name := range given {
		if !slices.ContainsFunc(m.Graph.Inputs, func(v *ir.Value) bool { return v.Name == name }) {
			return nil, fmt.Errorf("option shape %s: the model has no such input; it has %s", name, strings.Join(inputNames(m), ", "))
		}
	}
	if len(given) == 0 {
		b, err := NewBase(m, o)
		if err == nil {
			return b, nil
		}
		if o.Preprocess != "" || o.Layout != "" || o.Size != "" || o.Text.Tokenizer != "" {
			return nil, err
		}
	}
	b := &Base{Model: m, length: 1}
	if in := m.Graph.Inputs; len(in) > 0 && len(in[0].Type.Shape) > 0 && in[0].Type.Shape[0] == 1 {
		if _, note, err := dynamicbatch.Free(m, compile.Trace); err != nil {
			b.Fixed = true
			b.Notes = append(b.Notes, err.Error())
		} else if note != "" {
			b.Notes = append(b.Notes, note)
		}
	}
	for _, v := range m.Graph.Inputs {
		s := v.Type.Shape
		if _, ok := given[v.Name]; !ok && s == nil {
			return nil, fmt.Errorf("the model does not say how many axes its input %q has: give option shape %s=1,128", v.Name, v.Name)
		}
		if _, ok := given[v.Name]; !ok && len(s) > 1 && slices.Contains(s[1:], -1) {
			b.Notes = append(b.Notes, fmt.Sprintf("input %q is %v: open axes other than the batch are taken as %d (option shape %s=... sets them)", v.Name, v.Type, OpenAxis, v.Name))
		}
	}
	b.shapes = func(n, _ int) map[string]tensor.Shape { return openShapes(m, n, given) }
	return b, nil
}

func inputNames(m *onnx.Model) []string {
	var names []string
	for _, v := range m.Graph.Inputs {
		names = append(names, v.Name)
	}
	return names
}

// openShapes sets the size of every open axis of the inputs. The batch gets n: it is the first axis
// and every axis with the same name. Others get OpenAxis.
func openShapes(m *onnx.Model, n int, given map[string]tensor.Shape) map[string]tensor.Shape {
	batch := ""
	for _, v := range m.Inputs {
		if len(v.Dims) > 0 && len(v.Shape) > 0 && v.Shape[0] < 0 && batch == "" {
			batch = v.Dims[0]
		}
	}
	out := map[string]tensor.Shape{}
	for _, v := range m.Graph.Inputs {
		if s, ok := given[v.Name]; ok {
			s = s.Clone()
			if len(s) > 0 && len(v.Type.Shape) > 0 && v.Type.Shape[0] < 0 {
				s[0] = n
			}
			out[v.Name] = s
			continue
		}
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
