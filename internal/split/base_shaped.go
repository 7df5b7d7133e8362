package split

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/dynamicbatch"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// OpenAxis is the size given to an open axis that is not the batch, where the model runs with it.
const OpenAxis = 128

// OpenShaped reads a model that is looked at or timed, whatever its inputs take. Where it can be
// fed it is as Open has it. Else, where no data are given, the declared shapes count, with OpenAxis,
// or another size with which the model runs, for what they and option shape leave open.
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
	return b, b.openSizes(o.Sides.Shapes)
}

// openSizes finds a size for the open axes with which the model runs, and notes it.
func (b *Base) openSizes(given []string) error {
	g := b.Model.Graph
	try := func(size int) error {
		b.shapes = func(n, _ int) map[string]tensor.Shape { return openShapes(g, n, size) }
		_, err := compile.Model(g, compile.Options{Shapes: b.Shapes(b.Two()), Plain: true})
		return err
	}
	axes := openAxes(g)
	if axes == "" {
		b.shapes = func(n, _ int) map[string]tensor.Shape { return openShapes(g, n, 0) }
		return b.checkShapes(given)
	}
	err := try(OpenAxis)
	if err == nil {
		b.Notes = append(b.Notes, fmt.Sprintf("taken as %d: %s; option shape %s, with your sizes, sets them", OpenAxis, axes, openExample(g, OpenAxis)))
		return nil
	}
	for _, size := range usualSizes(g) {
		if try(size) == nil {
			b.Notes = append(b.Notes, fmt.Sprintf("taken as %d, with which the model runs and with %d does not: %s; option shape %s, with your sizes, sets them", size, OpenAxis, axes, openExample(g, size)))
			return nil
		}
	}
	return option.Errorf("shape", "no usual size runs for %s: give yours, as in option shape %s; with %d: %w", axes, openExample(g, OpenAxis), OpenAxis, err)
}

// usualSizes are what open axes may be: usual numbers of steps and samples, and the sizes that the
// model's own constants have.
func usualSizes(g *ir.Graph) []int {
	sizes := []int{512, 256, 1024, 64, 32, 16, 8, 224, 2048, 4096, 8000, 16000, 32000}
	add := func(d int) {
		if d > 1 && d <= mostOpenSize && len(sizes) < mostSizesTried && !slices.Contains(sizes, d) {
			sizes = append(sizes, d)
		}
	}
	for _, n := range g.Needed() {
		for _, v := range n.Inputs {
			if v == nil || v.Data == nil {
				continue
			}
			for _, d := range v.Type.Shape {
				add(d)
			}
			if v.Data.DType == tensor.Int64 && v.Data.Len() <= 8 && v.IsConst() { // a target of Reshape or Expand
				for _, d := range v.Data.I64() {
					add(int(d))
				}
			}
		}
	}
	return append(sizes, 1)
}

// Bounds on the sizes that are tried.
const (
	mostOpenSize   = 1 << 16
	mostSizesTried = 64
)

// openAxes names the open axes but the batch, "" if there are none.
func openAxes(g *ir.Graph) string {
	var axes []string
	for _, v := range g.Inputs {
		shape := openShapes(g, 1, -1)[v.Name]
		for i, d := range shape {
			if d >= 0 {
				continue
			}
			name := "?"
			if i < len(v.Dims) && v.Dims[i] != "" {
				name = v.Dims[i]
			}
			axes = append(axes, fmt.Sprintf("axis %d (%s) of input %q", i, name, v.Name))
		}
	}
	return strings.Join(axes, ", ")
}

// openExample is an argument of option shape that gives the first open input a size.
func openExample(g *ir.Graph, size int) string {
	for _, v := range g.Inputs {
		if slices.Contains(openShapes(g, 1, -1)[v.Name], -1) {
			return fmt.Sprintf("%s=%s", v.Name, strings.Trim(strings.ReplaceAll(fmt.Sprint(openShapes(g, 1, size)[v.Name]), " ", ","), "[]"))
		}
	}
	return ""
}

// openShapes gives every open axis of the inputs a size: n to the batch, which is the first axis
// and every axis that has the same name, and size to others.
func openShapes(g *ir.Graph, n, size int) map[string]tensor.Shape {
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
				s[i] = size
			}
		}
		out[v.Name] = s
	}
	return out
}
