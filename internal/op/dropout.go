package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Dropout(x, seed) sets each element to zero with probability ratio and divides the others by
// 1-ratio. seed is an int64 scalar. It determines the dropped elements together with the attribute
// salt (one for each layer) and the position, so the gradient is the same operator on dy and
// nothing is saved. Without a seed, as models are read, it is the identity. Training adds the seed
// if dropout is on.
func init() {
	register(ir.Def{
		Name: "Dropout",
		Traits: ir.Traits{Elementwise: true, HandsOn: true, Cheap: true, Batch: ir.BatchKept,
			Identity: func(n *ir.Node) bool { return n.In(1) == nil && n.Attrs.Float("ratio", 0.5) == 0 }},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 2); err != nil {
				return nil, err
			}
			if s := n.In(1); s != nil && !s.Type.Equal(ir.Type{DType: tensor.Int64, Shape: tensor.Shape{}}) {
				return nil, errorf("seed is %v, not int64[]", s.Type)
			}
			if r := n.Attrs.Float("ratio", 0.5); r < 0 || r > 1 {
				return nil, errorf("ratio is %g, not from 0 to 1", r)
			}
			return []ir.Type{n.In(0).Type}, floats(n, 0)
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			dx := make([]*ir.Value, len(n.Inputs))
			if dx[0] = dy[0]; n.In(1) != nil {
				dx[0] = b.Op("Dropout", n.Attrs, dy[0], n.In(1))
			}
			return dx
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			ratio := fattr(n.Attrs, "ratio", 0.5)
			if n.In(1) == nil || ratio == 0 {
				return ir.Bound{View: true}, nil
			}
			salt := uint64(n.Attrs.Int("salt", 0))
			run, err := forFloat(n.In(0).Type.DType, func(in, out []*tensor.Tensor, _ []byte) error {
				dropout(out[0].F32(), in[0].F32(), mix(uint64(in[1].I64()[0]))^mix(^salt), ratio)
				return nil
			}, func(in, out []*tensor.Tensor, _ []byte) error {
				dropout(f64(out[0]), f64(in[0]), mix(uint64(in[1].I64()[0]))^mix(^salt), ratio)
				return nil
			})
			return ir.Bound{Run: run, InPlace: []int{0}}, err
		},
		Cost: perElement(8),
		ONNX: []ir.Form{{Op: "Dropout", Since: 1, Attrs: map[string]ir.AttrType{"seed": ir.AttrInt}, Lower: lowerDropout}},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "identity", Inputs: []*tensor.Tensor{random(2, 3)}},
				{Name: "random", Inputs: []*tensor.Tensor{random(7, 5), tensor.Scalar(int64(42))}, Attrs: ir.Attrs{"ratio": float32(0.25), "salt": 3}},
				{Name: "everything", Inputs: []*tensor.Tensor{random(4), tensor.Scalar(int64(1))}, Attrs: ir.Attrs{"ratio": float32(1)},
					Want: []*tensor.Tensor{tensor.New(tensor.Float32, 4)}},
			}
		},
	})
}

// mix is a step of SplitMix64 (Steele, Lea and Flood, 2014): a bijection that looks random.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func dropout[T float](y, x []T, key uint64, ratio float64) {
	const piece = 1 << 14
	var scale T
	if ratio < 1 {
		scale = T(1 / (1 - ratio))
	}
	limit := uint64(ratio * (1 << 53)) // of 53 random bits
	kernel.Parallel((len(x)+piece-1)/piece, func(p int) {
		for i := p * piece; i < min((p+1)*piece, len(x)); i++ {
			if mix(key+uint64(i))>>11 < limit {
				y[i] = 0
			} else {
				y[i] = x[i] * scale
			}
		}
	})
}

// lowerDropout reads the ratio, which is an input from version 12 on. The mask, where asked for, is
// that of inference.
func lowerDropout(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 3); err != nil {
		return nil, err
	}
	ratio := n.Attrs.Float("ratio", 0.5)
	if r := n.In(1); r.IsConst() {
		ratio = float32(r.Data.Float64s()[0])
	}
	x := n.In(0)
	out := []*ir.Value{b.Op("Dropout", ir.Attrs{"ratio": ratio}, x)}
	if len(n.Outputs) > 1 && n.Outputs[1] != nil {
		mask := tensor.New(tensor.Bool, x.Type.Shape...)
		for i := range mask.Bytes {
			mask.Bytes[i] = 1
		}
		v := b.Const(mask)
		if n.Version < 10 {
			v = cast(b, v, x.Type.DType)
		}
		out = append(out, v)
	}
	return out, nil
}
