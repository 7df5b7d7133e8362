package onnx

import (
	"iter"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

// The functions here copy one message field by field and return nil where nothing in it changes, so
// that the caller keeps the bytes as they are.

// graph patches the main graph.
func (pl *plan) graph(b []byte, g *graphProto) (*rope, error) {
	r := &rope{}
	nodes, inits, outputs := 0, 0, 0
	changed := false
	add := func(n *Node) error {
		changed = true
		e, err := encodeNode(n, nil)
		if err == nil {
			r.addMessage(1, e)
		}
		return err
	}
	for f, err := range fields(b) {
		if err != nil {
			return nil, err
		}
		switch f.num {
		case 1:
			i := nodes
			nodes++
			for _, n := range pl.before[i] {
				if err := add(n); err != nil {
					return nil, err
				}
			}
			if pl.dropNode[i] {
				changed = true
				break
			}
			n, err := pl.node(f.buf, i)
			if err != nil {
				return nil, g.nodes[i].errorf("%w", err)
			}
			changed = changed || n != nil
			r.replace(f, n)
		case 5:
			i := inits
			inits++
			if pl.dropInit[g.inits[i].name] {
				changed = true
				break
			}
			t, err := pl.tensor(f.buf, pl.initNew[i])
			if err != nil {
				return nil, err
			}
			changed = changed || t != nil
			r.replace(f, t)
		case 11:
			v, err := parseValue(f.buf)
			if err != nil {
				return nil, err
			}
			if to, ok := pl.inputs[v.name]; ok {
				t, err := retype(f.buf, to)
				if err != nil {
					return nil, err
				}
				changed = true
				r.replace(f, t)
			} else if pl.dropInit[v.name] {
				changed = true
			} else {
				r.add(f.raw)
			}
		case 12:
			if pl.Outputs == nil {
				r.add(f.raw)
				break
			}
			changed = true
			if outputs == 0 {
				if err := pl.addOutputs(r, b); err != nil {
					return nil, err
				}
			}
			outputs++
		case 13:
			v, err := parseValue(f.buf)
			if err != nil {
				return nil, err
			}
			if pl.dropInfo[v.name] {
				changed = true
				break
			}
			r.add(f.raw)
		default:
			r.add(f.raw)
		}
	}
	for _, n := range pl.last {
		if err := add(n); err != nil {
			return nil, err
		}
	}
	for _, t := range pl.AddInitializers {
		changed = true
		e := encodeTensor(t.Name, t.Tensor)
		if pl.side != nil {
			if s, err := pl.tensor(e.bytes(), nil); err != nil {
				return nil, err
			} else if s != nil {
				e = s
			}
		}
		r.addMessage(5, e)
		if pl.initIn {
			r.addField(11, encodeValue(ValueInfo{Name: t.Name, DType: t.Tensor.DType, Shape: t.Tensor.Shape}))
		}
	}
	if !changed {
		return nil, nil
	}
	return r, nil
}

// addOutputs declares the graph's outputs. One that the file b declares keeps what else stands there.
func (pl *plan) addOutputs(r *rope, b []byte) error {
	old := map[string]field{}
	for f, err := range fields(b) {
		if err == nil && f.num == 12 {
			var v *valueProto
			if v, err = parseValue(f.buf); err == nil {
				old[v.name] = f
			}
		}
		if err != nil {
			return err
		}
	}
	for _, v := range pl.Outputs {
		f, ok := old[v.Name]
		if !ok {
			r.addField(12, encodeValue(v))
			continue
		}
		t, err := retype(f.buf, v)
		if err != nil {
			return err
		}
		r.replace(f, t)
	}
	return nil
}

// retype gives a ValueInfoProto another type, and nil where it has that type already.
func retype(b []byte, v ValueInfo) (*rope, error) {
	old, err := parseValue(b)
	if err != nil {
		return nil, err
	}
	if string(encodeType(old.info())) == string(encodeType(v)) && old.kind == "tensor" {
		return nil, nil
	}
	r := &rope{}
	done := false
	for f, err := range fields(b) {
		if err != nil {
			return nil, err
		}
		if f.num != 2 {
			r.add(f.raw)
		} else if !done {
			done = true
			r.addField(2, encodeType(v))
		}
	}
	if !done {
		r.addField(2, encodeType(v))
	}
	return r, nil
}

// node patches node i of the main graph, or a node elsewhere where i is -1.
func (pl *plan) node(b []byte, i int) (*rope, error) {
	t, wires := pl.nodeNew[i], pl.rewire[i]
	if t == nil && wires == nil && !pl.external {
		return nil, nil
	}
	r := &rope{}
	input := 0
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
		case 5:
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
	if !changed {
		return nil, nil
	}
	return r, nil
}

// attr patches an attribute; t, where it is not nil, is the new value of the Constant that it belongs to.
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

// nested takes in the external tensors of a subgraph or function whose nodes are field node and whose
// initializers, where it has any, are field init.
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

// tensor patches a TensorProto: new contents where t is not nil, external contents taken in, and large
// contents put aside where there is a side file.
func (pl *plan) tensor(b []byte, t *tensor.Tensor) (*rope, error) {
	p, err := parseTensor(b)
	if err != nil {
		return nil, err
	}
	move := p.external != nil || pl.side != nil && p.hasRaw && len(p.raw) >= minSide
	if t == nil && !move {
		return nil, nil
	}
	if t == nil {
		if t, err = p.decode(pl.store); err != nil {
			return nil, err
		}
	}
	if p.external == nil && !p.hasRaw {
		return p.typed(b, t)
	}
	aside := pl.side != nil && len(t.Bytes) >= minSide
	r := &rope{}
	done := false
	for f, err := range fields(b) {
		switch {
		case err != nil:
			return nil, err
		case f.num == 13 || f.num == 14 && f.val == 1:
		case f.num == 9:
			if !done && !aside {
				r.addField(9, t.Bytes)
			}
			done = true
		default:
			r.add(f.raw)
		}
	}
	if aside {
		r.add(pl.side.add(t.Bytes))
	} else if !done {
		r.addField(9, t.Bytes)
	}
	return r, nil
}

// typed puts new contents into the typed field that holds the old ones.
func (p *tensorProto) typed(b []byte, t *tensor.Tensor) (*rope, error) {
	s, num := p.field(t.DType)
	r := &rope{}
	done := false
	for f, err := range fields(b) {
		if err != nil {
			return nil, err
		}
		if f.num != num {
			r.add(f.raw)
		} else if !done {
			done = true
			r.add(encodeTyped(num, s.packed, t))
		}
	}
	return r, nil
}

// minSide is the size from which a tensor goes to the side file, and alignSide the multiple at which it
// begins there.
const minSide, alignSide = 1024, 4096

// sideFile collects tensors for a file beside the model.
type sideFile struct {
	name string
	rope rope
}

// add appends contents and returns the fields of a TensorProto that point there.
func (s *sideFile) add(b []byte) []byte {
	if pad := -s.rope.size & (alignSide - 1); pad > 0 {
		s.rope.add(make([]byte, pad))
	}
	offset := s.rope.size
	s.rope.add(b)
	var out []byte
	out = appendBytes(out, 13, encodeProp("location", s.name))
	out = appendBytes(out, 13, encodeProp("offset", strconv.Itoa(offset)))
	out = appendBytes(out, 13, encodeProp("length", strconv.Itoa(len(b))))
	return appendInt(out, 14, 1)
}

// external reports whether any tensor lies outside of the file.
func (m *modelProto) external() bool {
	for range m.externals() {
		return true
	}
	return false
}

// externals are the tensors that lie outside of the file, those that nothing reads among them.
func (m *modelProto) externals() iter.Seq[*tensorProto] {
	return func(yield func(*tensorProto) bool) {
		ok := m.graph.externals(yield)
		for _, f := range m.functions {
			ok = ok && externalsOf(f.nodes, yield)
		}
	}
}

func (g *graphProto) externals(yield func(*tensorProto) bool) bool {
	for _, t := range g.inits {
		if t.external != nil && !yield(t) {
			return false
		}
	}
	return externalsOf(g.nodes, yield)
}

func externalsOf(nodes []*nodeProto, yield func(*tensorProto) bool) bool {
	for _, n := range nodes {
		for _, a := range n.attrs {
			if a.t != nil && a.t.external != nil && !yield(a.t) || a.g != nil && !a.g.externals(yield) {
				return false
			}
		}
	}
	return true
}
