package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// CachedAttention(q, k, v, position int64, keys, values) is Attention for one new position of a
// sequence. It writes k and v, [B,H,1,D], at the position into keys and values, [B,H,T,D], which
// keep those of all positions before it between runs, and attends with q, [B,H,1,D], to all up to
// the new one. H of q may be a multiple of that of the others. Attribute scale defaults to
// 1/sqrt(D). Run errors when the position is none of T.
//
// A compiler pass makes it (see exec.NewSteps); it has no gradient.
func init() {
	register(ir.Def{
		Name: "CachedAttention",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			a, err := cachedAttentionOf(n)
			return []ir.Type{{DType: tensor.Float32, Shape: tensor.Shape{a.batch, a.heads, 1, a.dv}}}, err
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			a, err := cachedAttentionOf(n)
			if err != nil {
				return ir.Bound{}, err
			}
			return ir.Bound{Scratch: carved(a.batch * a.heads * a.t), Run: func(in, out []*tensor.Tensor, scratch []byte) error {
				at := in[3].I64()[0]
				if at < 0 || at >= int64(a.t) {
					return errorf("position %d is none of %d", at, a.t)
				}
				a.run(out[0].F32(), in[0].F32(), in[1].F32(), in[2].F32(), in[4].F32(), in[5].F32(), int(at), carve(&scratch, a.batch*a.heads*a.t))
				return nil
			}}, nil
		},
		Cost: func(n *ir.Node) ir.Cost {
			a, _ := cachedAttentionOf(n)
			return ir.Cost{FLOPs: 2 * int64(a.batch*a.heads*a.t) * int64(a.d+a.dv), Bytes: bytesMoved(n)}
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "first", Inputs: []*tensor.Tensor{random(1, 2, 1, 3), random(1, 2, 1, 3), tensor.Of([]float32{1, 2, 3, 4}, 1, 2, 1, 2), tensor.Scalar(int64(0)), random(1, 2, 4, 3), random(1, 2, 4, 2)},
					Want: []*tensor.Tensor{tensor.Of([]float32{1, 2, 3, 4}, 1, 2, 1, 2)}}, // sees nothing but itself
				{Name: "equal keys", Inputs: []*tensor.Tensor{random(1, 1, 1, 2), tensor.New(tensor.Float32, 1, 1, 1, 2), tensor.Of([]float32{4}, 1, 1, 1, 1), tensor.Of([]int64{1}), tensor.New(tensor.Float32, 1, 1, 3, 2), tensor.Of([]float32{2, 9, 9}, 1, 1, 3, 1)},
					Want: []*tensor.Tensor{tensor.Of([]float32{3}, 1, 1, 1, 1)}},
				{Name: "groups", Attrs: ir.Attrs{"scale": float32(0.3)}, Inputs: []*tensor.Tensor{random(2, 4, 1, 3), random(2, 2, 1, 3), random(2, 2, 1, 3), tensor.Of([]int64{3}), random(2, 2, 4, 3), random(2, 2, 4, 3)}},
			}
		},
	})
}

// cachedAttention is the geometry of a CachedAttention.
type cachedAttention struct {
	batch, heads, kvHeads, t, d, dv int
	scale                           float32
}

func cachedAttentionOf(n *ir.Node) (a cachedAttention, err error) {
	if err = inputs(n, 6, 6); err != nil {
		return a, err
	}
	for i := range 6 {
		want := tensor.Float32
		if i == 3 {
			want = tensor.Int64
		}
		if t := n.In(i).Type; t.DType != want || i == 3 && t.Shape.Len() != 1 || i != 3 && len(t.Shape) != 4 {
			return a, errorf("input %d is %v", i, t)
		}
	}
	q, keys, values := n.In(0).Type.Shape, n.In(4).Type.Shape, n.In(5).Type.Shape
	a = cachedAttention{q[0], q[1], keys[1], keys[2], keys[3], values[3], n.Attrs.Float("scale", float32(1/math.Sqrt(float64(q[3]))))}
	row := func(width int) tensor.Shape { return tensor.Shape{a.batch, a.kvHeads, 1, width} }
	if !q.Equal(tensor.Shape{keys[0], a.heads, 1, a.d}) || !values.Equal(tensor.Shape{a.batch, a.kvHeads, a.t, a.dv}) ||
		!n.In(1).Type.Shape.Equal(row(a.d)) || !n.In(2).Type.Shape.Equal(row(a.dv)) || a.kvHeads < 1 || a.heads%a.kvHeads != 0 {
		return a, errorf("q %v, k %v, v %v, keys %v and values %v do not fit", q, n.In(1).Type.Shape, n.In(2).Type.Shape, keys, values)
	}
	return a, nil
}

func (a cachedAttention) run(y, q, k, v, keys, values []float32, at int, scratch []float32) {
	group := a.heads / a.kvHeads
	kernel.Parallel(a.batch*a.kvHeads, func(i int) {
		keys, values := keys[i*a.t*a.d:(i+1)*a.t*a.d], values[i*a.t*a.dv:(i+1)*a.t*a.dv]
		copy(keys[at*a.d:], k[i*a.d:(i+1)*a.d])
		copy(values[at*a.dv:], v[i*a.dv:(i+1)*a.dv])
		for h := i * group; h < (i+1)*group; h++ {
			p, q, y := scratch[h*a.t:h*a.t+at+1], q[h*a.d:(h+1)*a.d], y[h*a.dv:(h+1)*a.dv]
			for j := range p {
				var dot float32
				for x, w := range keys[j*a.d : (j+1)*a.d] {
					dot += w * q[x]
				}
				p[j] = a.scale * dot
			}
			kernel.Softmax(p, p, 1, len(p))
			clear(y)
			for j, w := range p {
				for x, u := range values[j*a.dv : (j+1)*a.dv] {
					y[x] += w * u
				}
			}
		}
	})
}
