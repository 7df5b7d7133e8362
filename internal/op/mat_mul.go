package op

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// MatMul(a, b, bias, residual) is the matrix product over the last two axes, with broadcasting of
// the axes before them. Attributes transA and transB first transpose the last two axes of an
// operand. bias has the length of the last axis of the result, residual has its shape. Both are
// optional and added before the activation act (see fusable). gemmTraits: either side may be the
// weight, so the left one counts as a weight if the file stores it.
var gemmTraits = ir.Traits{Linear: true, Inputs: []ir.Use{ir.UseLeft, ir.UseWeight, ir.UseBias}}

func init() {
	register(ir.Def{
		Name: "MatMul",
		Traits: ir.Traits{Linear: true, Inputs: []ir.Use{ir.UseWeight, ir.UseWeight},
			// A linear layer: rows are on an axis of the left factor that is not summed over.
			Rows: func(n *ir.Node, rank int, in []int, out int) bool {
				return in[0] >= 0 && in[0] < rank-1 && !n.Attrs.Bool("transA") && forAll(in[1:])
			}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			m, err := productOf(n)
			if err != nil {
				return nil, err
			}
			return []ir.Type{{DType: n.In(0).Type.DType, Shape: m.shape()}}, nil
		},
		Grad: matMulGrad,
		Bind: bindMatMul,
		Cost: func(n *ir.Node) ir.Cost {
			m, _ := productOf(n)
			return ir.Cost{FLOPs: 2 * int64(m.batch.Len()) * int64(m.m) * int64(m.n) * int64(m.k), Bytes: bytesMoved(n)}
		},
		ONNX: []ir.Form{
			{Op: "MatMul", Since: 1, Lower: lowerMatMul},
			{Op: "Gemm", Since: 1, Lower: lowerGemm, Traits: &gemmTraits},
			{Domain: "com.microsoft", Op: "FusedMatMul", Since: 1, Lower: lowerFusedMatMul},
			{Domain: "com.microsoft", Op: "TransposeMatMul", Since: 1, Lower: lowerFusedMatMul},
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "plain", Inputs: []*tensor.Tensor{random(3, 5), random(5, 4)}},
				{Name: "by hand", Inputs: []*tensor.Tensor{
					tensor.Of([]float32{1, 2, 3, 4}, 2, 2), tensor.Of([]float32{5, 6, 7, 8}, 2, 2)},
					Want: []*tensor.Tensor{tensor.Of([]float32{19, 22, 43, 50}, 2, 2)}},
				{Name: "transposed by hand", Inputs: []*tensor.Tensor{
					tensor.Of([]float32{1, 3, 2, 4}, 2, 2), tensor.Of([]float32{5, 7, 6, 8}, 2, 2), tensor.Of([]float32{1, -1}, 2)},
					Attrs: ir.Attrs{"transA": 1, "transB": 1},
					Want:  []*tensor.Tensor{tensor.Of([]float32{20, 21, 44, 49}, 2, 2)}},
				{Name: "bias", Inputs: []*tensor.Tensor{random(3, 5), random(5, 4), random(4)}},
				{Name: "transA", Inputs: []*tensor.Tensor{random(5, 3), random(5, 4)}, Attrs: ir.Attrs{"transA": 1}},
				{Name: "transB", Inputs: []*tensor.Tensor{random(3, 5), random(4, 5), random(4)}, Attrs: ir.Attrs{"transB": 1}},
				{Name: "both", Inputs: []*tensor.Tensor{random(5, 3), random(4, 5)}, Attrs: ir.Attrs{"transA": 1, "transB": 1}},
				{Name: "shared factor", Inputs: []*tensor.Tensor{random(2, 3, 5), random(5, 4), random(4)}},
				{Name: "shared factor transposed", Inputs: []*tensor.Tensor{random(2, 3, 5), random(4, 5)}, Attrs: ir.Attrs{"transB": 1}},
				{Name: "heads", Inputs: []*tensor.Tensor{random(2, 2, 3, 5), random(2, 2, 4, 5)}, Attrs: ir.Attrs{"transB": 1}},
				{Name: "heads transA", Inputs: []*tensor.Tensor{random(2, 2, 5, 3), random(2, 2, 5, 4), random(4)}, Attrs: ir.Attrs{"transA": 1}},
				{Name: "heads both", Inputs: []*tensor.Tensor{random(2, 2, 5, 3), random(2, 2, 4, 5)}, Attrs: ir.Attrs{"transA": 1, "transB": 1}},
				{Name: "broadcast", Inputs: []*tensor.Tensor{random(2, 1, 3, 5), random(3, 5, 2)}},
				{Name: "broadcast shared a", Inputs: []*tensor.Tensor{random(3, 5), random(2, 5, 4)}},
				{Name: "constant weight", Inputs: []*tensor.Tensor{random(2, 3, 5), random(5, 4), random(4)}, Const: []int{1, 2}},
				{Name: "fused", Inputs: []*tensor.Tensor{random(2, 3, 5), random(5, 4), random(4), random(2, 3, 4)}, Const: []int{0, 1, 2, 3}, Attrs: ir.Attrs{"act": "gelu"}},
				{Name: "fused heads", Inputs: []*tensor.Tensor{random(2, 3, 5), random(2, 5, 4), random(4), random(2, 3, 4)}, Const: []int{0, 1, 2, 3}, Attrs: ir.Attrs{"act": "relu"}},
				{Name: "large", Inputs: []*tensor.Tensor{random(65, 130), random(130, 70)}},
			}
		},
	})
}

// matProduct is the geometry of a MatMul.
type matProduct struct {
	m, n, k        int
	batch          tensor.Shape // broadcast axes before the last two
	transA, transB bool
}

func (p matProduct) shape() tensor.Shape { return append(p.batch.Clone(), p.m, p.n) }

func productOf(n *ir.Node) (p matProduct, err error) {
	if err := inputs(n, 2, 4); err != nil {
		return p, err
	}
	a, b := n.In(0).Type, n.In(1).Type
	if a.DType != b.DType || a.DType == tensor.Bool {
		return p, errorf("multiplies %v by %v", a.DType, b.DType)
	}
	ra, rb := len(a.Shape), len(b.Shape)
	if ra < 2 || rb < 2 {
		return p, errorf("multiplies %v by %v: both need two axes", a.Shape, b.Shape)
	}
	p.transA, p.transB = n.Attrs.Bool("transA"), n.Attrs.Bool("transB")
	p.m, p.k = a.Shape[ra-2], a.Shape[ra-1]
	if p.transA {
		p.m, p.k = p.k, p.m
	}
	kb := b.Shape[rb-2]
	p.n = b.Shape[rb-1]
	if p.transB {
		kb, p.n = p.n, kb
	}
	if p.batch, err = broadcastShape(a.Shape[:ra-2], b.Shape[:rb-2]); err != nil || kb != p.k {
		return p, errorf("shapes %v and %v do not multiply", a.Shape, b.Shape)
	}
	if bias := n.In(2); bias != nil && !bias.Type.Equal(ir.Type{DType: a.DType, Shape: tensor.Shape{p.n}}) {
		return p, errorf("bias is %v, not %v[%d]", bias.Type, a.DType, p.n)
	}
	if r := n.In(3); r != nil && !r.Type.Equal(ir.Type{DType: a.DType, Shape: p.shape()}) {
		return p, errorf("residual is %v, result has shape %v", r.Type, p.shape())
	}
	return p, checkAct(n.Attrs)
}

// offsets gives, for every index of the broadcast shape out, the position in a tensor of shape s,
// counted in items.
func offsets(s, out tensor.Shape) []int {
	strides := make([]int, len(out))
	st := s.Strides()
	for i, d := range s {
		if d != 1 {
			strides[len(out)-len(s)+i] = st[i]
		}
	}
	offs := make([]int, 0, out.Len())
	idx := make([]int, len(out))
	at := 0
	for range out.Len() {
		offs = append(offs, at)
		for i := len(out) - 1; i >= 0; i-- {
			idx[i]++
			at += strides[i]
			if idx[i] < out[i] {
				break
			}
			at -= idx[i] * strides[i]
			idx[i] = 0
		}
	}
	return offs
}

func bindMatMul(n *ir.Node) (ir.Bound, error) {
	p, err := productOf(n)
	if err != nil {
		return ir.Bound{}, err
	}
	as, bs := n.In(0).Type.Shape, n.In(1).Type.Shape
	as, bs = as[:len(as)-2], bs[:len(bs)-2]
	if bs.Len() == 1 && (!p.transA || as.Len() == 1) && as.Len() == p.batch.Len() {
		p.m *= p.batch.Len() // one factor for all: the rows of the batch are rows of one product
		p.batch, as, bs = nil, nil, nil
	}
	switch dt := n.In(0).Type.DType; {
	case dt == tensor.Float32:
		return bindMatMul32(n, p, as, bs), nil
	case dt == tensor.Float64:
		return ir.Bound{Run: matMulLoop[float64](n, p, as, bs)}, nil
	case dt.IsFloat():
		return ir.Bound{Run: wide(matMulLoop[float64](n, p, as, bs))}, nil
	case dt == tensor.Int32:
		return ir.Bound{Run: matMulLoop[int32](n, p, as, bs)}, nil
	case dt == tensor.Int64:
		return ir.Bound{Run: matMulLoop[int64](n, p, as, bs)}, nil
	case dt == tensor.Uint32:
		return ir.Bound{Run: matMulLoop[uint32](n, p, as, bs)}, nil
	case dt == tensor.Uint64:
		return ir.Bound{Run: matMulLoop[uint64](n, p, as, bs)}, nil
	default:
		return ir.Bound{}, errorf("no product of %v", dt)
	}
}

func bindMatMul32(n *ir.Node, p matProduct, as, bs tensor.Shape) ir.Bound {
	lda, ldb := p.k, p.n
	if p.transA {
		lda = p.m
	}
	if p.transB {
		ldb = p.k
	}
	if len(p.batch) == 0 {
		var packed *kernel.PackedB
		var fixed []int
		if w := n.In(1); w.IsConst() {
			fixed = []int{1}
			packed = kernel.PackB(p.transB, p.n, p.k, w.Data.F32(), ldb)
		}
		return ir.Bound{Packed: fixed, InPlace: inPlace(n, 3), Run: func(in, out []*tensor.Tensor, _ []byte) error {
			ep := epilogue(n.Attrs, f32(at(in, 2)), f32(at(in, 3)))
			if packed != nil {
				kernel.GemmPacked(p.transA, p.m, in[0].F32(), lda, packed, false, out[0].F32(), p.n, ep)
			} else {
				kernel.Gemm(p.transA, p.transB, p.m, p.n, p.k, in[0].F32(), lda, in[1].F32(), ldb, false, out[0].F32(), p.n, ep)
			}
			return nil
		}}
	}
	ao, bo := offsets(as, p.batch), offsets(bs, p.batch)
	mk, kn, mn := p.m*p.k, p.k*p.n, p.m*p.n
	plain := n.In(2) == nil && n.In(3) == nil && n.Attrs.Str("act", "") == ""
	return ir.Bound{InPlace: inPlace(n, 3), Run: func(in, out []*tensor.Tensor, _ []byte) error {
		a, b, c := in[0].F32(), in[1].F32(), out[0].F32()
		if plain {
			at := func(i int) (int, int, int) { return ao[i] * mk, bo[i] * kn, i * mn }
			kernel.GemmBatch(len(ao), at, p.transA, p.transB, p.m, p.n, p.k, a, lda, b, ldb, false, c, p.n)
			return nil
		}
		bias, res := f32(at(in, 2)), f32(at(in, 3))
		for i := range ao {
			r := res
			if r != nil {
				r = res[i*mn:]
			}
			kernel.Gemm(p.transA, p.transB, p.m, p.n, p.k, a[ao[i]*mk:], lda, b[bo[i]*kn:], ldb, false, c[i*mn:], p.n, epilogue(n.Attrs, bias, r))
		}
		return nil
	}}
}

// at is element i, or nil beyond the end.
func at(ts []*tensor.Tensor, i int) *tensor.Tensor {
	if i < len(ts) {
		return ts[i]
	}
	return nil
}

// matMulLoop is the product by its definition, for types without a kernel.
func matMulLoop[T float64 | int32 | int64 | uint32 | uint64](n *ir.Node, p matProduct, as, bs tensor.Shape) runFunc {
	ao, bo := offsets(as, p.batch), offsets(bs, p.batch)
	ai, ak, bk, bj := p.k, 1, p.n, 1
	if p.transA {
		ai, ak = 1, p.m
	}
	if p.transB {
		bk, bj = 1, p.k
	}
	act := act64(n.Attrs)
	return func(in, out []*tensor.Tensor, _ []byte) error {
		c := tensor.Data[T](out[0])
		var bias, res []T
		if t := at(in, 2); t != nil {
			bias = tensor.Data[T](t)
		}
		if t := at(in, 3); t != nil {
			res = tensor.Data[T](t)
		}
		for q := range ao {
			a := tensor.Data[T](in[0])[ao[q]*p.m*p.k:]
			b := tensor.Data[T](in[1])[bo[q]*p.k*p.n:]
			for i := range p.m {
				for j := range p.n {
					var sum T
					for k := range p.k {
						sum += a[i*ai+k*ak] * b[k*bk+j*bj]
					}
					if bias != nil {
						sum += bias[j]
					}
					at := (q*p.m+i)*p.n + j
					if res != nil {
						sum += res[at]
					}
					if act != nil {
						sum = T(act(float64(sum)))
					}
					c[at] = sum
				}
			}
		}
		return nil
	}
}

// matMulGrad: with Y = op(A) op(B) + bias, dop(A) = dY op(B)ᵀ and dop(B) = op(A)ᵀ dY. Transposes
// are attributes of the products. If an operand was broadcast, its gradient is summed to its shape.
func matMulGrad(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
	if !notFused(b, n) {
		return nil
	}
	p, err := productOf(n)
	if err != nil {
		b.Fail(err)
		return nil
	}
	x, w, g := n.In(0), n.In(1), dy[0]
	dx := make([]*ir.Value, len(n.Inputs))
	trans := func(ta, tb bool) ir.Attrs {
		a := ir.Attrs{}
		if ta {
			a["transA"] = 1
		}
		if tb {
			a["transB"] = 1
		}
		return a
	}
	if need[0] {
		if p.transA {
			dx[0] = b.Op("MatMul", trans(p.transB, true), w, g)
		} else {
			dx[0] = b.Op("MatMul", trans(false, !p.transB), g, w)
		}
		dx[0] = sumTo(b, dx[0], x)
	}
	if need[1] {
		if len(w.Type.Shape) == 2 && len(p.batch) > 0 && !p.transA && len(x.Type.Shape) == len(p.batch)+2 {
			// One weight for the whole batch: the batch's rows become rows of a single product.
			x = b.Op("Reshape", ir.Attrs{"shape": []int{x.Type.Shape.Len() / max(p.k, 1), p.k}}, x)
			g = b.Op("Reshape", ir.Attrs{"shape": []int{g.Type.Shape.Len() / max(p.n, 1), p.n}}, g)
		}
		if p.transB {
			dx[1] = b.Op("MatMul", trans(true, p.transA), g, x)
		} else {
			dx[1] = b.Op("MatMul", trans(!p.transA, false), x, g)
		}
		dx[1] = sumTo(b, dx[1], w)
	}
	if len(need) > 2 && need[2] {
		dx[2] = sumTo(b, dy[0], n.In(2))
	}
	return dx
}

// lowerMatMul gives factors of one axis a second one, as numpy does.
func lowerMatMul(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 2); err != nil {
		return nil, err
	}
	x, w := n.In(0), n.In(1)
	xs, ws := x.Type.Shape, w.Type.Shape
	if len(xs) == 0 || len(ws) == 0 {
		return nil, errorf("multiplies %v by %v", xs, ws)
	}
	if len(xs) == 1 {
		x = b.Op("Reshape", ir.Attrs{"shape": []int{1, xs[0]}}, x)
	}
	if len(ws) == 1 {
		w = b.Op("Reshape", ir.Attrs{"shape": []int{ws[0], 1}}, w)
	}
	y := b.Op("MatMul", nil, x, w)
	if y != nil && (len(xs) == 1 || len(ws) == 1) {
		s := y.Type.Shape.Clone()
		if len(ws) == 1 {
			s = s[:len(s)-1]
		}
		if len(xs) == 1 {
			i := len(y.Type.Shape) - 2
			s = slices.Delete(s, i, i+1)
		}
		y = b.Op("Reshape", ir.Attrs{"shape": []int(s)}, y)
	}
	return []*ir.Value{y}, nil
}

// lowerGemm writes alpha*op(A)*op(B) + beta*C. A C that is one row becomes the bias of the product.
func lowerGemm(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 3); err != nil {
		return nil, err
	}
	x, w, c := n.In(0), n.In(1), n.In(2)
	if len(x.Type.Shape) != 2 || len(w.Type.Shape) != 2 {
		return nil, errorf("multiplies %v by %v: both need two axes", x.Type.Shape, w.Type.Shape)
	}
	attrs := ir.Attrs{}
	for _, k := range []string{"transA", "transB"} {
		if n.Attrs.Bool(k) {
			attrs[k] = 1
		}
	}
	alpha, beta := n.Attrs.Float("alpha", 1), n.Attrs.Float("beta", 1)
	times := func(v *ir.Value, f float32) *ir.Value {
		if v == nil || f == 1 {
			return v
		}
		return b.Op("Mul", nil, v, scalar(b, v.Type.DType, float64(f)))
	}
	c = times(c, beta)
	cols := w.Type.Shape[1]
	if attrs.Bool("transB") {
		cols = w.Type.Shape[0]
	}
	if c != nil && alpha == 1 && c.Type.Shape.Len() == cols && len(c.Type.Shape) > 0 && c.Type.Shape[len(c.Type.Shape)-1] == cols {
		if len(c.Type.Shape) != 1 {
			c = b.Op("Reshape", ir.Attrs{"shape": []int{cols}}, c)
		}
		return []*ir.Value{b.Op("MatMul", attrs, x, w, c)}, nil
	}
	y := times(b.Op("MatMul", attrs, x, w), alpha)
	if c != nil {
		y = b.Op("Add", nil, y, c)
	}
	return []*ir.Value{y}, nil
}

// lowerFusedMatMul is the contributed operator alpha*op(A)*op(B).
func lowerFusedMatMul(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 2); err != nil {
		return nil, err
	}
	if n.Attrs.Bool("transBatchA") || n.Attrs.Bool("transBatchB") {
		return nil, errorf("transposed batch axes are not supported")
	}
	y := b.Op("MatMul", ir.Attrs{"transA": n.Attrs.Int("transA", 0), "transB": n.Attrs.Int("transB", 0)}, n.In(0), n.In(1))
	if alpha := n.Attrs.Float("alpha", 1); alpha != 1 && y != nil {
		y = b.Op("Mul", nil, y, scalar(b, y.Type.DType, float64(alpha)))
	}
	return []*ir.Value{y}, nil
}
