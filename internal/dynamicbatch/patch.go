package dynamicbatch

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// collect adds the edits of nodes to p and counts the Reshape targets.
func (t *tracker) collect(p *onnx.Patch) int {
	users := map[*ir.Value]int{}
	for _, n := range t.m.Graph.Nodes {
		for _, v := range n.Inputs {
			if v != nil {
				users[v]++
			}
		}
	}
	// A target that several nodes share can be edited in place only if all need the same change.
	same := map[*ir.Value]int{}
	first := map[*ir.Value][]int64{}
	for _, n := range t.m.Graph.Nodes {
		if e, ok := t.edits[n]; ok {
			v := n.Inputs[1]
			if first[v] == nil {
				first[v] = e
			}
			if slices.Equal(first[v], e) {
				same[v]++
			}
		}
	}
	p.Tensors = map[string]*tensor.Tensor{}
	stored := t.m.Tensors()
	for _, n := range t.m.Graph.Nodes {
		e, ok := t.edits[n]
		if !ok {
			continue
		}
		v := n.Inputs[1]
		if same[v] == users[v] && v.Data != nil && stored[v.Name] == v.Data {
			p.Tensors[v.Name] = tensor.Of(e, len(e))
			continue
		}
		name := t.m.FreshName(n.Outputs[0].Name + "_shape")
		p.AddInitializers = append(p.AddInitializers, onnx.Initializer{Name: name, Tensor: tensor.Of(e, len(e))})
		p.Rewire = append(p.Rewire, onnx.Rewire{Node: n.Outputs[0].Name, Index: 1, Value: name})
	}
	for _, r := range t.repeats {
		out := r.node.Outputs[0].Name
		base := t.m.FreshName(fmt.Sprintf("%s_batch%d", out, r.index))
		add := func(what, op string, attrs ir.Attrs, in ...string) string {
			name := base + "_" + what
			p.AddNodes = append(p.AddNodes, &onnx.Node{Name: name, Op: op, Inputs: in, Outputs: []string{name}, Attrs: attrs, Before: out})
			return name
		}
		ints := func(what string, v ...int64) string {
			name := base + "_" + what
			p.AddInitializers = append(p.AddInitializers, onnx.Initializer{Name: name, Tensor: tensor.Of(v, len(v))})
			return name
		}
		size := add("size", "Gather", nil, add("shape", "Shape", nil, r.like.Name), ints("axis", int64(r.axis)))
		parts := []string{size}
		if r.axis > 0 {
			parts = slices.Insert(parts, 0, ints("left", ones(r.axis)...))
		}
		if k := r.rank - r.axis - 1; k > 0 {
			parts = append(parts, ints("right", ones(k)...))
		}
		target := add("target", "Concat", ir.Attrs{"axis": 0}, parts...)
		p.Rewire = append(p.Rewire, onnx.Rewire{Node: out, Index: r.index, Value: add("expand", "Expand", nil, r.node.Inputs[r.index].Name, target)})
	}
	return len(t.edits)
}

func ones(n int) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// declare adds the new types of inputs and outputs to p.
func (t *tracker) declare(p *onnx.Patch) {
	symbol := "batch"
	for k := 1; t.symbolTaken(symbol); k++ {
		symbol = fmt.Sprintf("batch_%d", k)
	}
	free := func(v onnx.ValueInfo, axis int, name string) onnx.ValueInfo {
		v.Shape = v.Shape.Clone()
		v.Dims = append(slices.Clone(v.Dims), make([]string, max(0, len(v.Shape)-len(v.Dims)))...)
		v.Shape[axis], v.Dims[axis] = -1, name
		return v
	}
	axes := map[string]int{}
	for v, s := range t.at {
		if v.Node == nil {
			axes[v.Name] = s.axis
		}
	}
	for _, v := range t.m.Inputs {
		if axis, ok := axes[v.Name]; ok {
			p.Inputs = append(p.Inputs, free(v, axis, symbol))
		}
	}
	outputs := map[string]*ir.Value{}
	for _, v := range t.m.Graph.Outputs {
		outputs[v.Name] = v
	}
	for _, v := range t.m.Outputs {
		if s, ok := t.at[outputs[v.Name]]; ok && s.axis < len(v.Shape) {
			name := symbol
			if !s.pure() || v.Shape[s.axis] != 1 {
				name = ""
			}
			v = free(v, s.axis, name)
		}
		p.Outputs = append(p.Outputs, v)
	}
	for _, n := range t.m.Graph.Nodes {
		for _, v := range n.Outputs {
			if _, ok := t.at[v]; ok && v != nil {
				p.DropValueInfos = append(p.DropValueInfos, v.Name)
			}
		}
	}
}

func (t *tracker) symbolTaken(s string) bool {
	for _, v := range append(slices.Clone(t.m.Inputs), t.m.Outputs...) {
		if slices.Contains(v.Dims, s) {
			return true
		}
	}
	return false
}

// apply makes the changes of p in the raw graph and the model's declarations.
func (t *tracker) apply(p *onnx.Patch) {
	g := t.m.Graph
	values := map[string]*ir.Value{}
	maker := map[string]*ir.Node{}
	for _, v := range g.Inputs {
		values[v.Name] = v
	}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if v != nil {
				values[v.Name] = v
			}
		}
		for _, v := range n.Outputs {
			if v != nil {
				values[v.Name], maker[v.Name] = v, n
			}
		}
	}
	for name, to := range p.Tensors {
		values[name].Data = to
	}
	for _, i := range p.AddInitializers {
		values[i.Name] = g.NewConst(i.Name, i.Tensor)
	}
	for _, a := range p.AddNodes {
		n := &ir.Node{Name: a.Name, Op: a.Op, Version: t.m.Opsets[""], Attrs: a.Attrs}
		for _, in := range a.Inputs {
			n.Inputs = append(n.Inputs, values[in])
		}
		g.AddNode(n, []ir.Type{{}}, a.Outputs[0])
		values[a.Outputs[0]] = n.Outputs[0]
		g.Nodes = slices.Insert(g.Nodes[:len(g.Nodes)-1], slices.Index(g.Nodes, maker[a.Before]), n)
	}
	for _, w := range p.Rewire {
		maker[w.Node].Inputs[w.Index] = values[w.Value]
	}
	for _, v := range p.Inputs {
		for i := range t.m.Inputs {
			if t.m.Inputs[i].Name == v.Name {
				t.m.Inputs[i] = v
				values[v.Name].Type.Shape, values[v.Name].Dims = v.Shape.Clone(), v.Dims
			}
		}
	}
	t.m.Outputs = slices.Clone(p.Outputs)
}
