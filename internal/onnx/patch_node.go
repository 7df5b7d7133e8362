package onnx

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

// node patches node i of the main graph, or another node if i is -1.
func (pl *plan) node(b []byte, i int) (*rope, error) {
	t, wires := pl.nodeNew[i], pl.rewire[i]
	attrs := pl.attrs[i]
	if t == nil && wires == nil && attrs == nil && !pl.cut[i] && !pl.external {
		return nil, nil
	}
	r := &rope{}
	input, output := 0, 0
	changed := false
	for f, err := range fields(b) {
		if err != nil {
			return nil, err
		}
		switch f.num {
		case 1:
			if to, ok := wires[input]; ok {
				changed = true
				r.addField(1, []byte(to))
			} else {
				r.add(f.raw)
			}
			input++
		case 2:
			if output > 0 && pl.cut[i] {
				changed = true
			} else {
				r.add(f.raw)
			}
			output++
		case 5:
			p, err := parseAttr(f.buf, 0)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(attrs, func(a Attr) bool { return a.Name == p.name }) {
				continue // it is added below
			}
			a, err := pl.attr(f.buf, t)
			if err != nil {
				return nil, err
			}
			changed = changed || a != nil
			r.replace(f, a)
		default:
			r.add(f.raw)
		}
	}
	for _, a := range attrs {
		changed = true
		e, err := encodeAttr(a.Name, a.Value, nil)
		if err != nil {
			return nil, err
		}
		r.addMessage(5, e)
	}
	if !changed {
		return nil, nil
	}
	return r, nil
}

// attr patches an attribute. If t is not nil, it is the new value of the Constant node with this
// attribute.
func (pl *plan) attr(b []byte, t *tensor.Tensor) (*rope, error) {
	p, err := parseAttr(b, 0)
	if err != nil {
		return nil, err
	}
	var list []byte // the new list of a value_floats or value_ints
	var num protowire.Number
	if t != nil {
		switch p.name {
		case "value_floats":
			num, list = 7, encodeFloats(p.floats.packed, t)
		case "value_ints":
			num, list = 8, encodeInts(p.ints.packed, t)
		}
	}
	r := &rope{}
	changed, done := false, false
	for f, err := range fields(b) {
		if err != nil {
			return nil, err
		}
		switch {
		case f.num == num:
			changed = true
			if !done {
				r.add(list)
			}
			done = true
		case f.num == 5:
			var to *tensor.Tensor
			if p.name == "value" {
				to = t
			}
			v, err := pl.tensor(f.buf, to)
			if err != nil {
				return nil, err
			}
			changed = changed || v != nil
			r.replace(f, v)
		case f.num == 6 && pl.external:
			v, err := pl.nested(f.buf, 1, 5)
			if err != nil {
				return nil, err
			}
			changed = changed || v != nil
			r.replace(f, v)
		default:
			r.add(f.raw)
		}
	}
	if !changed {
		return nil, nil
	}
	return r, nil
}

// nested includes the external tensors of a subgraph or function. Its nodes are field node, and its
// initializers, if any, field init.
func (pl *plan) nested(b []byte, node, init protowire.Number) (*rope, error) {
	if !pl.external {
		return nil, nil
	}
	r := &rope{}
	changed := false
	for f, err := range fields(b) {
		if err != nil {
			return nil, err
		}
		var v *rope
		switch f.num {
		case node:
			v, err = pl.node(f.buf, -1)
		case init:
			v, err = pl.tensor(f.buf, nil)
		}
		if err != nil {
			return nil, err
		}
		changed = changed || v != nil
		r.replace(f, v)
	}
	if !changed {
		return nil, nil
	}
	return r, nil
}
