package onnx

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// reader turns a graphProto into a raw ir.Graph.
type reader struct {
	model  *modelProto
	store  *store
	consts []*constant // tensors of the main graph that were read
	active map[*funcProto]bool
	// approximate number of bytes that may still be built, so that functions that call functions
	// cannot explode
	work int
}

// constant is a tensor of the main graph that something reads.
type constant struct {
	value *ir.Value
	init  int // index among the initializers, or -1
	node  int // index among the nodes, or -1
	ext   bool
}

func newReader(p *modelProto, data []byte, dir string) *reader {
	return &reader{model: p, store: newStore(dir), active: map[*funcProto]bool{}, work: 1<<24 + 64*len(data)}
}

// scope says what names mean at one place.
type scope struct {
	r      *reader
	g      *ir.Graph
	outer  *scope // the surrounding scope of a subgraph; nil for the main graph and in functions
	main   bool
	values map[string]*ir.Value
	lazy   map[string]func() (*ir.Value, error) // tensors that are decoded when first read
	opsets map[string]int
	prefix string            // prefix of the names of an inlined function's nodes and values
	rename map[string]string // a function's outputs, which have the caller's names
	attrs  map[string]boundAttr
}

// boundAttr is an attribute passed to a function, with the scope that its subgraphs see.
type boundAttr struct {
	a *attrProto
	s *scope
}

// find returns the value with a name. It returns nil for the empty name, which stands for an absent
// input.
func (s *scope) find(name string) (*ir.Value, error) {
	if name == "" {
		return nil, nil
	}
	for c := s; c != nil; c = c.outer {
		if v, ok := c.values[name]; ok {
			return v, nil
		}
		if f, ok := c.lazy[name]; ok {
			v, err := f()
			if err != nil {
				return nil, fmt.Errorf("value %q: %w", name, err)
			}
			c.values[name] = v
			return v, nil
		}
	}
	return nil, fmt.Errorf("reads %q, which nothing defines", name)
}

func (s *scope) valueName(name string) string {
	if to, ok := s.rename[name]; ok {
		return to
	}
	return s.prefix + name
}

// graph builds a graph; outer is the surrounding scope of a subgraph.
func (r *reader) graph(p *graphProto, outer *scope) (*ir.Graph, error) {
	s := &scope{r: r, g: ir.New(p.name), outer: outer, main: outer == nil,
		values: map[string]*ir.Value{}, lazy: map[string]func() (*ir.Value, error){}, opsets: r.model.opsets}
	if outer != nil {
		s.opsets, s.prefix, s.attrs = outer.opsets, outer.prefix, outer.attrs
	}
	defined := map[string]bool{}
	define := func(name, what string) error {
		if name == "" {
			return fmt.Errorf("%s without a name", what)
		}
		if defined[name] {
			return fmt.Errorf("%q is defined twice, the second time as %s", name, what)
		}
		defined[name] = true
		return nil
	}
	for i, t := range p.inits {
		if err := define(t.name, "an initializer"); err != nil {
			return nil, err
		}
		s.lazy[t.name] = func() (*ir.Value, error) { return s.constant(t.name, t, i, -1) }
	}
	for _, name := range p.sparse {
		if err := define(name, "a sparse initializer"); err != nil {
			return nil, err
		}
		s.lazy[name] = func() (*ir.Value, error) { return nil, fmt.Errorf("sparse tensors are not supported") }
	}
	listed := map[string]bool{}
	for _, v := range p.inputs {
		if listed[v.name] {
			return nil, fmt.Errorf("input %q is listed twice", v.name)
		}
		listed[v.name] = true
		if _, weight := s.lazy[v.name]; weight {
			continue
		}
		if err := define(v.name, "an input"); err != nil {
			return nil, err
		}
		if err := s.input(v); err != nil {
			return nil, err
		}
	}
	for _, n := range p.nodes {
		for _, o := range n.outputs {
			if o == "" {
				continue
			}
			if err := define(o, "a node's output"); err != nil {
				return nil, n.errorf("%w", err)
			}
		}
	}
	if err := s.nodes(p.nodes); err != nil {
		return nil, err
	}
	for _, v := range p.outputs {
		out, err := s.find(v.name)
		if err != nil {
			return nil, fmt.Errorf("output: %w", err)
		}
		if out == nil {
			return nil, fmt.Errorf("an output has no name")
		}
		s.g.Outputs = append(s.g.Outputs, out)
	}
	if s.main && len(s.g.Outputs) == 0 {
		return nil, fmt.Errorf("the graph has no outputs")
	}
	return s.g, nil
}

// input adds a graph input. An unsupported type errors only when something reads the input.
func (s *scope) input(v *valueProto) error {
	t := ir.Type{DType: elems[v.elem]}
	if v.ranked {
		t.Shape = append(tensor.Shape{}, v.dims...)
		n := 1.0
		for _, d := range v.dims {
			n *= math.Max(1, float64(d))
		}
		if n > 1<<40 {
			return fmt.Errorf("input %q: shape %v is more than can be computed", v.name, t.Shape)
		}
	}
	bad := ""
	if v.kind != "" && v.kind != "tensor" {
		bad = v.kind
	} else if t.DType == tensor.Invalid && v.elem != 0 {
		if bad = otherElems[v.elem]; bad == "" {
			bad = fmt.Sprintf("unknown type %d", v.elem)
		}
	}
	if bad != "" {
		s.lazy[v.name] = func() (*ir.Value, error) {
			return nil, fmt.Errorf("type %s is not supported", bad)
		}
		return nil
	}
	in := s.g.AddInput(v.name, t)
	in.Dims = v.symbols
	s.values[v.name] = in
	return nil
}

// constant makes the value of an initializer or of a Constant node's tensor.
func (s *scope) constant(name string, t *tensorProto, init, node int) (*ir.Value, error) {
	data, err := t.decode(s.r.store)
	if err != nil {
		return nil, err
	}
	v := s.g.NewConst(s.valueName(name), data)
	if s.main {
		s.r.consts = append(s.r.consts, &constant{value: v, init: init, node: node, ext: t.external != nil})
	}
	return v, nil
}
