package adapter

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// lora is a low-rank pair beside a layer. A linear layer's down is A [in,r] and its up B [r,out]; a
// convolution's down is [groups*r, in/groups, k...] and its up [out, r, 1...].
type lora struct {
	*layer
	down, up *ir.Value
	scale    float64 // alpha/r
}

// lora adds a pair of rank r beside a layer, or says why it does not.
func (b *builder) lora(l *layer, r int) string {
	if why := b.why(l); why != "" {
		return why
	}
	alpha := b.spec.Alpha
	if alpha == 0 {
		alpha = float64(r)
	}
	p := &lora{layer: l, scale: alpha / float64(r)}
	a, up := p.shapes(r)
	inputs := a[0]
	if l.reads[0].conv {
		inputs = a[1:].Len()
	}
	if shape := l.weight.Value.Type.Shape; a.Len()+up.Len() >= shape.Len() {
		return fmt.Sprintf("a pair of rank %d would be no smaller than its %d numbers", r, shape.Len())
	}
	b.place(p, tensor.Of(b.spec.Draw(a.Len(), inputs, b.drawn), a...), tensor.New(tensor.Float32, up...))
	b.drawn++
	return ""
}

// why says why a layer can have no pair, "" where it can.
func (b *builder) why(l *layer) string {
	if l.odd != "" {
		return l.odd
	}
	for _, at := range l.reads {
		if why := b.movable(at.node.Outputs[0]); why != "" {
			return why
		}
	}
	return ""
}

// shapes are those of the two parts of a pair of rank r.
func (p *lora) shapes(r int) (down, up tensor.Shape) {
	if !p.reads[0].conv {
		in, out := p.sizes()
		return tensor.Shape{in, r}, tensor.Shape{r, out}
	}
	shape := p.weight.Value.Type.Shape
	down, up = shape.Clone(), tensor.Shape{shape[0], r}
	down[0] = p.groups() * r
	for range shape[2:] {
		up = append(up, 1)
	}
	return down, up
}

// place adds a pair with its first values beside the nodes of its layer.
func (b *builder) place(p *lora, down, up *tensor.Tensor) {
	p.down = b.param(p.name+".lora_A", down)
	p.up = b.param(p.name+".lora_B", up)
	for _, at := range p.reads {
		b.beside(p, at)
	}
	b.to.made = append(b.to.made, p)
}

// beside adds the nodes of a pair beside one node of its layer.
func (b *builder) beside(p *lora, r read) {
	n := r.node
	x, y := n.Inputs[0], n.Outputs[0]
	op, down, up := "MatMul", ir.Attrs(nil), ir.Attrs(nil)
	if r.conv {
		op, down, up = "Conv", n.Attrs, ir.Attrs{"group": p.groups()}
	}
	h := b.node(n.Name+"/lora_A/"+op, op, down, x, b.as(p.down, r.dtype, n.Name+"/lora_A"))
	if p.scale != 1 {
		h = b.node(n.Name+"/lora_A/Mul", "Mul", nil, h, b.g.NewConst(b.free(n.Name+"/lora_scale"), scalar(p.scale, r.dtype)))
	}
	d := b.node(n.Name+"/lora_B/"+op, op, up, h, b.as(p.up, r.dtype, n.Name+"/lora_B"))
	z := b.node(n.Name+"/lora_B/Add", "Add", nil, y, d)
	b.instead(y, z, z.Node)
}

// merge gives W with (scale/gain) A B added. Gain is the factor that the layer itself applies to W.
func (p *lora) merge() (map[string]*tensor.Tensor, error) {
	w := p.weight.Value.Data
	a, up := p.down.Data.F32(), p.up.Data.F32()
	sum := w.Float64s()
	scale := p.scale / p.reads[0].gain
	if p.reads[0].conv {
		r := p.up.Type.Shape[1]
		out, kernel := w.Shape[0], w.Shape[1:].Len()
		for o := range out {
			first := o / (out / p.groups()) * r // row of A, of the group that o is in
			for k := range r {
				f := scale * float64(up[o*r+k])
				for i, v := range a[(first+k)*kernel:][:kernel] {
					sum[o*kernel+i] += f * float64(v)
				}
			}
		}
	} else {
		in, out := p.sizes()
		r := p.up.Type.Shape[0]
		for i := range in {
			for o := range out {
				d := 0.0
				for k := range r {
					d += float64(a[i*r+k]) * float64(up[k*out+o])
				}
				at := i*out + o
				if p.reads[0].transposed {
					at = o*in + i
				}
				sum[at] += scale * d
			}
		}
	}
	return map[string]*tensor.Tensor{p.weight.Name: rounded(sum, w)}, nil
}

// rounded gives numbers the dtype and shape of like.
func rounded(v []float64, like *tensor.Tensor) *tensor.Tensor {
	t := tensor.New(like.DType, like.Shape...)
	for i, x := range v {
		switch t.DType {
		case tensor.Float64:
			tensor.Data[float64](t)[i] = x
		case tensor.Float16:
			tensor.Data[uint16](t)[i] = tensor.Float32ToFloat16(float32(x))
		case tensor.BFloat16:
			tensor.Data[uint16](t)[i] = tensor.Float32ToBFloat16(float32(x))
		default:
			t.F32()[i] = float32(x)
		}
	}
	return t
}

// scalar is a scalar of a dtype.
func scalar(x float64, dt tensor.DType) *tensor.Tensor {
	return rounded([]float64{x}, &tensor.Tensor{DType: dt})
}
