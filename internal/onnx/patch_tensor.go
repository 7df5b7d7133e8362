package onnx

import (
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// tensor patches a TensorProto: it writes new contents if t is not nil, includes external contents,
// and moves large contents to the side file if there is one.
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

// typed puts new contents into the typed field of the old ones.
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
