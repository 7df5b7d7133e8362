package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// RotaryEmbedding rotates pairs of elements of each head by the angle of their position (Su and
// others, RoFormer, 2021): (a, b) becomes (a*cos - b*sin, a*sin + b*cos). Pairs are neighbours if
// the attribute interleaved is set, else elements of the first and the second half.
func init() {
	ir.RegisterForms(
		ir.Form{Op: "RotaryEmbedding", Since: 23, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 3, 4); err != nil {
				return nil, err
			}
			return rotary(b, n, n.In(0), n.In(1), n.In(2), n.In(3))
		}},
		ir.Form{Domain: "com.microsoft", Op: "RotaryEmbedding", Since: 1, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 4, 4); err != nil {
				return nil, err
			}
			x, pos := n.In(0), cast(b, n.In(1), tensor.Int64)
			if len(n.In(1).Type.Shape) == 1 && pos != nil { // one offset for all
				s := x.Type.Shape
				t := s[1]
				if len(s) == 4 {
					t = s[2]
				}
				pos = expandTo(b, b.Op("Add", nil, pos, counting(b, t, 1, t)), tensor.Shape{s[0], t})
			}
			return rotary(b, n, x, n.In(2), n.In(3), pos)
		}},
	)
}

// rotary takes x [B,H,T,D] or [B,T,H*D] and, by position where given [B,T], cosines and sines
// [P,R/2], else [B,T,R/2]. Only the first R elements of a head turn.
func rotary(b *ir.Builder, n *ir.Node, x, cos, sin, pos *ir.Value) ([]*ir.Value, error) {
	if pos != nil {
		cos = b.Op("Gather", ir.Attrs{"axis": 0}, cos, pos)
		sin = b.Op("Gather", ir.Attrs{"axis": 0}, sin, pos)
	}
	if b.Err() != nil {
		return nil, b.Err()
	}
	whole := x.Type.Shape
	half := cos.Type.Shape[len(cos.Type.Shape)-1]
	angle := cos.Type.Shape
	if len(angle) != 3 {
		return nil, errorf("cosines %v are not [B,T,R/2]", angle)
	}
	switch len(whole) {
	case 3:
		heads := n.Attrs.Int("num_heads", 0)
		if heads == 0 {
			heads = whole[2] / (2 * half)
		}
		if heads < 1 || whole[2]%heads != 0 {
			return nil, errorf("%d heads do not divide %v", heads, whole)
		}
		x = reshapeTo(b, x, whole[0], whole[1], heads, whole[2]/heads)
		cos, sin = reshapeTo(b, cos, angle[0], angle[1], 1, half), reshapeTo(b, sin, angle[0], angle[1], 1, half)
	case 4:
		cos, sin = reshapeTo(b, cos, angle[0], 1, angle[1], half), reshapeTo(b, sin, angle[0], 1, angle[1], half)
	default:
		return nil, errorf("input %v is neither [B,H,T,D] nor [B,T,H*D]", whole)
	}
	if b.Err() != nil {
		return nil, b.Err()
	}
	s := x.Type.Shape
	d := s[3]
	if 2*half > d {
		return nil, errorf("%d angles exceed heads of width %d", half, d)
	}
	var rest *ir.Value
	if 2*half < d {
		parts := b.Ops("Split", ir.Attrs{"axis": 3, "split": []int{2 * half, d - 2*half}}, x)
		if len(parts) != 2 {
			return nil, b.Err()
		}
		x, rest = parts[0], parts[1]
	}
	axis, pairs := 3, []int{s[0], s[1], s[2], half}
	if n.Attrs.Bool("interleaved") {
		axis = 4
		x = reshapeTo(b, x, s[0], s[1], s[2], half, 2)
	}
	split := []int{half, half}
	if axis == 4 {
		split = []int{1, 1}
	}
	parts := b.Ops("Split", ir.Attrs{"axis": axis, "split": split}, x)
	if len(parts) != 2 {
		return nil, b.Err()
	}
	re, im := reshapeTo(b, parts[0], pairs...), reshapeTo(b, parts[1], pairs...)
	mul := func(x, y *ir.Value) *ir.Value { return b.Op("Mul", nil, x, y) }
	re, im = b.Op("Sub", nil, mul(re, cos), mul(im, sin)), b.Op("Add", nil, mul(re, sin), mul(im, cos))
	if axis == 4 {
		pairs = append(pairs, 1)
		re, im = reshapeTo(b, re, pairs...), reshapeTo(b, im, pairs...)
	}
	y := reshapeTo(b, b.Op("Concat", ir.Attrs{"axis": axis}, re, im), s[0], s[1], s[2], 2*half)
	if rest != nil {
		y = b.Op("Concat", ir.Attrs{"axis": 3}, y, rest)
	}
	return []*ir.Value{reshapeTo(b, y, whole...)}, nil
}
