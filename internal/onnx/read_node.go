package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// nodes adds nodes, ordered so that names are defined before they are read.
func (s *scope) nodes(list []*nodeProto) error {
	list, err := sortNodes(list)
	if err != nil {
		return err
	}
	for _, n := range list {
		if err := s.node(n); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) node(n *nodeProto) error {
	s.r.work -= 256 + 32*(len(n.inputs)+len(n.outputs)) + len(s.prefix)*(1+len(n.outputs))
	if s.r.work < 0 {
		return fmt.Errorf("local functions call each other until the graph is too large to build")
	}
	if fn := s.r.model.functions[funcKey{n.domain, n.op, n.overload}]; fn != nil {
		if err := s.call(n, fn); err != nil {
			return n.errorf("%w", err)
		}
		return nil
	}
	if n.op == "Constant" && n.domain == "" {
		if err := s.constNode(n); err != nil {
			return n.errorf("%w", err)
		}
		return nil
	}
	version, ok := s.opsets[n.domain]
	if !ok {
		if n.domain == "" {
			return n.errorf("no operator set is imported for it")
		}
		version = 1 // files from ONNX Runtime's optimiser do not list its own domain
	}
	out := &ir.Node{Name: s.prefix + n.label(), Op: n.op, Domain: n.domain, Version: version}
	for _, name := range n.inputs {
		v, err := s.find(name)
		if err != nil {
			return n.errorf("%w", err)
		}
		out.Inputs = append(out.Inputs, v)
	}
	for _, a := range n.attrs {
		v, err := s.attr(a)
		if err != nil {
			return n.errorf("attribute %q: %w", a.name, err)
		}
		if v != nil {
			if out.Attrs == nil {
				out.Attrs = ir.Attrs{}
			}
			out.Attrs[a.name] = v
		}
	}
	if err := out.CheckRawAttrs(); err != nil {
		return err
	}
	types := make([]ir.Type, len(n.outputs))
	names := make([]string, len(n.outputs))
	for i, o := range n.outputs {
		if o != "" {
			types[i], names[i] = ir.Type{Shape: tensor.Shape{}}, s.valueName(o)
		}
	}
	s.g.AddNode(out, types, names...)
	for i, o := range n.outputs {
		if o == "" {
			out.Outputs[i] = nil
			continue
		}
		out.Outputs[i].Type = ir.Type{}
		s.values[o] = out.Outputs[i]
	}
	return nil
}

// constNode makes a Constant node's value known by name.
func (s *scope) constNode(n *nodeProto) error {
	if len(n.outputs) != 1 || n.outputs[0] == "" {
		return fmt.Errorf("needs one output")
	}
	name, form := n.outputs[0], ""
	var a *attrProto
	for _, c := range n.attrs {
		as := c.name
		if c.ref != "" {
			b, ok := s.attrs[c.ref]
			if !ok {
				continue
			}
			c = b.a
		}
		if a != nil {
			return fmt.Errorf("has more than one value")
		}
		a, form = c, as
	}
	if a == nil {
		return fmt.Errorf("has no value")
	}
	var err error
	t := a.t
	var data *tensor.Tensor
	switch form {
	case "value":
		if t == nil {
			return fmt.Errorf("has no value")
		}
	case "value_float":
		data = tensor.Scalar(a.f)
	case "value_int":
		data = tensor.Scalar(a.i)
	case "value_floats":
		var v []float32
		if v, err = a.floatValues(); err == nil {
			data = tensor.Of(v, len(v))
		}
	case "value_ints":
		var v []uint64
		if v, err = a.ints.varints(); err == nil {
			w := make([]int64, len(v))
			for i, x := range v {
				w[i] = int64(x)
			}
			data = tensor.Of(w, len(w))
		}
	default:
		s.lazy[name] = func() (*ir.Value, error) { return nil, fmt.Errorf("a Constant's %s is not supported", form) }
		return nil
	}
	if err != nil {
		return err
	}
	s.lazy[name] = func() (*ir.Value, error) {
		if data == nil {
			return s.constant(name, t, -1, n.index)
		}
		v := s.g.NewConst(s.valueName(name), data)
		if s.main && (form == "value_floats" || form == "value_ints") {
			s.r.consts = append(s.r.consts, &constant{value: v, init: -1, node: n.index})
		}
		return v, nil
	}
	return nil
}

// floatValues decodes a list of floats.
func (a *attrProto) floatValues() ([]float32, error) {
	b := a.floats.joined()
	if len(b)%4 != 0 {
		return nil, fmt.Errorf("%d bytes are no list of floats", len(b))
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v, nil
}

// attr returns an attribute's value. It is nil if it refers to an attribute that the caller of a
// function left out.
func (s *scope) attr(a *attrProto) (any, error) {
	if a.ref != "" {
		b, ok := s.attrs[a.ref]
		if !ok {
			return nil, nil
		}
		a, s = b.a, b.s
	}
	s.r.work -= a.floats.size() + 8*a.ints.size() + 16*len(a.strings)
	switch a.typ {
	case attrFloat:
		return a.f, nil
	case attrInt:
		return int(a.i), nil
	case attrString:
		return a.s, nil
	case attrTensor:
		return a.t.decode(s.r.store)
	case attrGraph:
		return s.r.graph(a.g, s)
	case attrFloats:
		return a.floatValues()
	case attrInts:
		v, err := a.ints.varints()
		if err != nil {
			return nil, err
		}
		w := make([]int, len(v))
		for i, x := range v {
			w[i] = int(int64(x))
		}
		return w, nil
	case attrStrings:
		return append([]string{}, a.strings...), nil
	}
	if name, ok := attrTypes[a.typ]; ok {
		return nil, fmt.Errorf("a value of type %s is not supported", name)
	}
	return nil, fmt.Errorf("has no type")
}
