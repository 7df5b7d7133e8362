package adapter

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Given is a trained pair of LoRA in the layout of PyTorch: a weight W [out,in] becomes
// W + Scale B A.
type Given struct {
	Weight string         // name of the weight in the graph
	A, B   *tensor.Tensor // [rank,in] and [out,rank]; of convolutions [rank,in,k...] and [out,rank,1...]
	Scale  float64
	Groups int // of a convolution in groups, where A has rank rows for each; else 0 or 1
}

// given adds the trained pairs, in the order of the set.
func (b *builder) given(set *freeze.Set) error {
	for _, w := range set.Weights {
		for _, g := range b.spec.Given {
			if g.Weight != w.Name {
				continue
			}
			if err := b.pair(b.describe(w), g); err != nil {
				return option.Errorf("adapter", "layer %q: %w", w.Name, err)
			}
			b.to.Layers++
			b.to.Of = append(b.to.Of, w.Name)
		}
	}
	return b.g.Sort()
}

// pair adds a trained pair beside a layer.
func (b *builder) pair(l *layer, g Given) error {
	why := b.why(l)
	if why == "" && l.reads[0].conv && l.groups() > 1 {
		why = "a convolution in groups takes no pair of this form"
	}
	if why != "" {
		return fmt.Errorf("it can have no adapter: %s", why)
	}
	p := &lora{layer: l, scale: g.Scale}
	down, up := p.shapes(g.A.Shape[0])
	a, bb := asFloat32(g.A), asFloat32(g.B)
	if !l.reads[0].conv {
		if len(g.A.Shape) != 2 || len(g.B.Shape) != 2 {
			return fmt.Errorf("lora_A %v and lora_B %v are no pair of a linear layer", g.A.Shape, g.B.Shape)
		}
		a, bb = turn(a), turn(bb)
	}
	if !a.Shape.Equal(down) || !bb.Shape.Equal(up) {
		return fmt.Errorf("lora_A %v and lora_B %v of the adapter do not fit its weight %v", g.A.Shape, g.B.Shape, l.weight.Value.Type.Shape)
	}
	b.place(p, a, bb)
	return nil
}

// Pairs are the pairs of LoRA as they are now, and whether these are all that was added: ia3 is
// none.
func (a *Adapters) Pairs() (pairs []Given, all bool) {
	for _, m := range a.made {
		p, ok := m.(*lora)
		if !ok {
			continue
		}
		g := Given{Weight: p.weight.Name, A: p.down.Data, B: p.up.Data, Scale: p.scale}
		if p.reads[0].conv {
			g.Groups = p.groups()
		} else {
			g.A, g.B = turn(g.A), turn(g.B)
		}
		pairs = append(pairs, g)
	}
	return pairs, len(pairs) == len(a.made)
}

// FromTorch is the content of a parameter of PyTorch as a weight of a graph keeps it: in its dtype, and
// for a layer that takes [in,out] transposed. It errors if the shapes do not fit.
func FromTorch(g *ir.Graph, w *freeze.Weight, t *tensor.Tensor) (*tensor.Tensor, error) {
	like := w.Value.Data
	turned, err := isTurned(g, w)
	if err != nil {
		return nil, err
	}
	if turned && len(t.Shape) == 2 {
		t = turn(t)
	}
	if !t.Shape.Equal(like.Shape) {
		return nil, fmt.Errorf("its shape %v does not fit weight %q %v", t.Shape, w.Name, like.Shape)
	}
	if t.DType == like.DType {
		return t, nil
	}
	return rounded(t.Float64s(), like), nil
}

// ToTorch is a weight as PyTorch keeps it.
func ToTorch(g *ir.Graph, w *freeze.Weight) (*tensor.Tensor, error) {
	turned, err := isTurned(g, w)
	if err != nil || !turned {
		return w.Value.Data, err
	}
	return turn(w.Value.Data), nil
}

// isTurned reports whether a weight is [in,out], where PyTorch has [out,in].
func isTurned(g *ir.Graph, w *freeze.Weight) (bool, error) {
	if w.Role != freeze.RoleWeight || len(w.Value.Type.Shape) != 2 {
		return false, nil
	}
	l := newBuilder(g, Spec{}).describe(w)
	if l.odd != "" {
		return false, fmt.Errorf("weight %q: %s", w.Name, l.odd)
	}
	return !l.reads[0].conv && !l.reads[0].transposed, nil
}

// turn transposes a matrix.
func turn(t *tensor.Tensor) *tensor.Tensor {
	rows, columns, size := t.Shape[0], t.Shape[1], t.DType.Size()
	out := tensor.New(t.DType, columns, rows)
	for i := range rows {
		for k := range columns {
			copy(out.Bytes[(k*rows+i)*size:][:size], t.Bytes[(i*columns+k)*size:])
		}
	}
	return out
}

func asFloat32(t *tensor.Tensor) *tensor.Tensor {
	return rounded(t.Float64s(), &tensor.Tensor{DType: tensor.Float32, Shape: t.Shape})
}
