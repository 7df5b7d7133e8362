package onnx

import (
	"fmt"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// BuildOptions are properties of a file that a graph does not contain.
type BuildOptions struct {
	Opset    int               // of ai.onnx; 0 takes the newest that a node has, else 17
	Metadata map[string]string // metadata_props
}

// Build makes a serialised ModelProto from a graph whose nodes name ONNX operators: IR version 8,
// producer "permafrost". Parameters and constants become initializers, in order of first use.
// Inputs and outputs need a dtype. A size of -1 becomes the axis's name in Value.Dims, if it has
// one. Values keep their names; if two have the same name, the later one gets a number appended.
func Build(g *ir.Graph, o BuildOptions) ([]byte, error) {
	opsets := map[string]int{"": 0}
	collectOpsets(g, opsets)
	if o.Opset > 0 {
		opsets[""] = o.Opset
	} else if opsets[""] == 0 {
		opsets[""] = 17
	}
	body, err := encodeGraph(g, &namer{names: map[*ir.Value]string{}, taken: map[string]bool{}}, true)
	if err != nil {
		return nil, fmt.Errorf("onnx: build: %w", err)
	}
	r := &rope{}
	r.add(appendString(appendInt(nil, 1, 8), 2, "permafrost"))
	r.addMessage(7, body)
	for _, d := range slices.Sorted(maps.Keys(opsets)) {
		var b []byte
		if d != "" {
			b = appendString(b, 1, d)
		}
		r.addField(8, appendInt(b, 2, int64(max(1, opsets[d]))))
	}
	for _, k := range slices.Sorted(maps.Keys(o.Metadata)) {
		r.addField(14, encodeProp(k, o.Metadata[k]))
	}
	return r.bytes(), nil
}

func collectOpsets(g *ir.Graph, into map[string]int) {
	for _, n := range g.Nodes {
		into[n.Domain] = max(into[n.Domain], n.Version)
		for _, s := range n.Attrs.Graphs() {
			collectOpsets(s, into)
		}
	}
}

// namer gives every value of a graph and its subgraphs a unique name.
type namer struct {
	names map[*ir.Value]string
	taken map[string]bool
}

// define names a value where it is defined.
func (n *namer) define(v *ir.Value) string {
	name := v.Name
	if name == "" {
		name = "value"
	}
	for k := 1; n.taken[name]; k++ {
		name = fmt.Sprintf("%s_%d", v.Name, k)
	}
	n.taken[name] = true
	n.names[v] = name
	return name
}

// of returns the name of a value that is already defined. Without a namer, values have their own
// names.
func (n *namer) of(v *ir.Value) (string, error) {
	if v == nil {
		return "", nil
	}
	if n == nil {
		return v.Name, nil
	}
	if s, ok := n.names[v]; ok {
		return s, nil
	}
	return "", fmt.Errorf("reads %q, which is not defined before it", v.Name)
}

// encodeGraph makes the GraphProto of the main graph or of a subgraph.
func encodeGraph(g *ir.Graph, names *namer, main bool) (*rope, error) {
	if names == nil {
		names = &namer{names: map[*ir.Value]string{}, taken: map[string]bool{}}
		for _, v := range g.Captures() {
			names.define(v)
		}
	}
	r, inits := &rope{}, &rope{}
	for _, v := range g.Inputs {
		names.define(v)
	}
	eachConst(g, func(v *ir.Value) {
		if names.names[v] == "" { // a subgraph's tensors are defined in the main graph
			inits.addMessage(5, encodeTensor(names.define(v), v.Data))
		}
	})
	for _, n := range g.Nodes {
		e := &Node{Name: n.Name, Op: n.Op, Domain: n.Domain, Attrs: n.Attrs}
		for _, v := range n.Inputs {
			s, err := names.of(v)
			if err != nil {
				return nil, n.Errorf("%w", err)
			}
			e.Inputs = append(e.Inputs, s)
		}
		for _, v := range n.Outputs {
			s := ""
			if v != nil {
				s = names.define(v)
			}
			e.Outputs = append(e.Outputs, s)
		}
		b, err := encodeNode(e, names)
		if err != nil {
			return nil, err
		}
		r.addMessage(1, b)
	}
	name := g.Name
	if name == "" {
		name = "graph"
	}
	r.add(appendString(nil, 2, name))
	r.add(inits.parts...)
	for _, v := range g.Inputs {
		s, _ := names.of(v)
		b, err := encodeDecl(s, v, main)
		if err != nil {
			return nil, err
		}
		r.addField(11, b)
	}
	for _, v := range g.Outputs {
		s, err := names.of(v)
		if err != nil {
			return nil, fmt.Errorf("output: %w", err)
		}
		b, err := encodeDecl(s, v, main)
		if err != nil {
			return nil, err
		}
		r.addField(12, b)
	}
	return r, nil
}

// encodeDecl declares an input or output. Only those of a subgraph need no type.
func encodeDecl(name string, v *ir.Value, main bool) ([]byte, error) {
	if v.Type.DType == tensor.Invalid {
		if main {
			return nil, fmt.Errorf("%q has no type", v.Name)
		}
		return appendString(nil, 1, name), nil
	}
	return encodeValue(ValueInfo{Name: name, DType: v.Type.DType, Shape: v.Type.Shape, Dims: v.Dims}), nil
}

// eachConst visits the parameters and constants of a graph and of its subgraphs in order of use.
func eachConst(g *ir.Graph, f func(*ir.Value)) {
	visit := func(v *ir.Value) {
		if v != nil && (v.Kind == ir.Param || v.Kind == ir.Const) {
			f(v)
		}
	}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			visit(v)
		}
		for _, s := range n.Attrs.Graphs() {
			eachConst(s, f)
		}
	}
	for _, v := range g.Outputs {
		visit(v)
	}
}
