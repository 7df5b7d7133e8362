package compile

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// widenHalves makes a half-precision model compute in float32. Inputs and weights are cast where
// they are read, and outputs are cast back. Nothing is rounded in between.
func widenHalves(g *ir.Graph) error {
	w := &widener{g: g, wide: map[*ir.Value]*ir.Value{}}
	nodes := g.Nodes
	g.Nodes = nil
	// results that were half precision, and their original type
	touched := map[*ir.Value]tensor.DType{}
	for _, n := range nodes {
		if n.Traits().ReadsBits { // needs the half-precision value itself
			for i, v := range n.Inputs {
				if dt, ok := touched[v]; ok {
					n.Inputs[i] = w.cast(v, v.Name+"/half", dt)
				}
			}
			g.Nodes = append(g.Nodes, n)
			continue
		}
		changed := false
		for i, v := range n.Inputs {
			if v == nil {
				continue
			}
			if _, ok := touched[v]; ok {
				changed = true
			} else if isHalf(v.Type.DType) {
				n.Inputs[i] = w.input(v)
				changed = true
			}
		}
		attrs := widenAttrs(n.Attrs)
		changed = changed || len(attrs) > 0
		for k, v := range attrs {
			n.Attrs = n.Attrs.With(k, v)
		}
		g.Nodes = append(g.Nodes, n)
		if !changed {
			continue
		}
		types, err := ir.Lookup(n.Op).Infer(n)
		if err != nil {
			return n.Errorf("%w", err)
		}
		for i, v := range n.Outputs {
			if v != nil && !v.Type.Equal(types[i]) {
				touched[v] = v.Type.DType
				v.Type = types[i]
			}
		}
	}
	for i, v := range g.Outputs {
		if dt, ok := touched[v]; ok {
			name := v.Name
			v.Name += "/wide"
			g.Outputs[i] = w.cast(v, name, dt)
		}
	}
	return nil
}

func isHalf(dt tensor.DType) bool { return dt == tensor.Float16 || dt == tensor.BFloat16 }

type widener struct {
	g    *ir.Graph
	wide map[*ir.Value]*ir.Value // float32 versions of inputs, weights and constants
}

// input returns the float32 version of a half-precision value that no node computes.
func (w *widener) input(v *ir.Value) *ir.Value {
	if u := w.wide[v]; u != nil {
		return u
	}
	if v.Kind == ir.Const {
		w.wide[v] = w.g.NewConst(v.Name, widened(v.Data))
	} else {
		w.wide[v] = w.cast(v, v.Name+"/wide", tensor.Float32)
	}
	return w.wide[v]
}

func (w *widener) cast(v *ir.Value, name string, dt tensor.DType) *ir.Value {
	n := &ir.Node{Name: w.g.Unique(name), Op: "Cast", Inputs: []*ir.Value{v}, Attrs: ir.Attrs{"to": dt.String()}}
	return w.g.AddNode(n, []ir.Type{{DType: dt, Shape: v.Type.Shape}}, name).Outputs[0]
}

func widened(t *tensor.Tensor) *tensor.Tensor {
	x := tensor.New(tensor.Float32, t.Shape...)
	for i, v := range t.Float64s() {
		x.F32()[i] = float32(v)
	}
	return x
}

// widenAttrs converts attributes that name or hold a half-precision type to float32.
func widenAttrs(a ir.Attrs) ir.Attrs {
	out := ir.Attrs{}
	for k, v := range a {
		switch v := v.(type) {
		case string:
			if k == "to" && slices.Contains([]string{tensor.Float16.String(), tensor.BFloat16.String()}, v) {
				out[k] = tensor.Float32.String()
			}
		case *tensor.Tensor:
			if isHalf(v.DType) {
				out[k] = widened(v)
			}
		}
	}
	return out
}
