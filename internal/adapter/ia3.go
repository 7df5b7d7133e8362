package adapter

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// ia3 is the scale of the output or input features of a layer.
type ia3 struct {
	*layer
	scale  *ir.Value   // [features], of a convolution [features,1...]
	biases []*ir.Value // that are part of the scaled value
	odd    string      // why it cannot be merged
}

// ia3 adds scales to a layer, or says why it does not.
func (b *builder) ia3(l *layer) string {
	if l.odd != "" {
		return l.odd
	}
	p := &ia3{layer: l}
	var at []*ir.Value // what is scaled, by reader
	for _, r := range l.reads {
		if l.hidden {
			at = append(at, r.node.Inputs[0])
			continue
		}
		y := r.node.Outputs[0]
		if bias := r.node.In(2); bias != nil {
			p.bias(b, bias, r.node)
		}
		if sum, bias := b.biased(y, l.width()); sum != nil {
			y = sum
			p.bias(b, bias, sum.Node)
		}
		if why := b.movable(y); why != "" {
			return why
		}
		at = append(at, y)
	}
	shape := tensor.Shape{l.width()}
	if l.hidden {
		in, _ := l.sizes()
		shape[0] = in
	} else if l.reads[0].conv {
		for range l.weight.Value.Type.Shape[2:] {
			shape = append(shape, 1)
		}
	}
	ones := tensor.New(tensor.Float32, shape...)
	for i := range ones.F32() {
		ones.F32()[i] = 1
	}
	p.scale = b.param(l.name+".ia3", ones)
	for i, r := range l.reads {
		z := b.node(r.node.Name+"/ia3/Mul", "Mul", nil, at[i], b.as(p.scale, r.dtype, r.node.Name+"/ia3"))
		if l.hidden {
			r.node.Inputs[0] = z
		} else {
			b.instead(at[i], z, z.Node)
		}
	}
	b.to.made = append(b.to.made, p)
	return ""
}

// biased is the sum of a value and a bias, and the bias, where nothing else reads the value.
func (b *builder) biased(y *ir.Value, width int) (sum, bias *ir.Value) {
	if us := b.users[y]; len(us) == 1 && us[0].Op == "Add" {
		for i, v := range us[0].Inputs {
			if v != nil && v.Kind == ir.Param && us[0].In(1-i) == y && v.Type.Shape.Len() == width && len(v.Type.Shape) > 0 && v.Type.Shape[len(v.Type.Shape)-1] == width {
				return us[0].Outputs[0], v
			}
		}
	}
	return nil, nil
}

// bias records a bias that merging must scale: a weight that only this layer reads.
func (p *ia3) bias(b *builder, v *ir.Value, reader *ir.Node) {
	switch {
	case v.Kind != ir.Param:
		p.odd = fmt.Sprintf("the bias of %q is computed", p.weight.Name)
	case len(b.users[v]) != 1 || b.users[v][0] != reader:
		p.odd = fmt.Sprintf("the bias %q of %q serves other layers too", v.Name, p.weight.Name)
	}
	p.biases = append(p.biases, v)
}

// merge gives the weight with its columns or rows scaled, and the biases.
func (p *ia3) merge() (map[string]*tensor.Tensor, error) {
	if p.odd != "" {
		return nil, fmt.Errorf("%s", p.odd)
	}
	l := p.scale.Data.F32()
	w := p.weight.Value.Data
	v := w.Float64s()
	// the scaled features are on the first axis
	first := p.reads[0].conv || p.reads[0].transposed != p.hidden
	for i := range v {
		k := i % w.Shape[len(w.Shape)-1]
		if first {
			k = i / w.Shape[1:].Len()
		}
		v[i] *= float64(l[k])
	}
	out := map[string]*tensor.Tensor{p.weight.Name: rounded(v, w)}
	for _, b := range p.biases {
		if out[b.Name] != nil {
			continue
		}
		v := b.Data.Float64s()
		for i := range v {
			v[i] *= float64(l[i%len(l)])
		}
		out[b.Name] = rounded(v, b.Data)
	}
	return out, nil
}
