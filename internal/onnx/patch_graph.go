package onnx

// Each function in patch_graph.go, patch_node.go and patch_tensor.go copies one message, field by
// field. It returns nil if nothing in the message changes, so that the caller keeps the original
// bytes.

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

// addOutputs declares the graph's outputs. An output that the file b already declares keeps its
// other fields.
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

// retype gives a ValueInfoProto another type. It returns nil if it already has that type.
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
