package split

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// masked pools a sequence x [N,T,F] with a mask m [N,T], which is 1 at real steps and 0 at padding:
//
//	mean  sum_t m[t] x[t] / sum_t m[t]
//	last  x at the last t with m[t] = 1
//	max   max_t over m[t] = 1 of x[t]
//	cls   x[0]
func (b *rawBuilder) masked(tag string, x *ir.Value, how string) *ir.Value {
	switch how {
	case "cls":
		return b.token(tag, x, 0)
	case "max":
		out := b.node("Cast", tag+"/mask", ir.Attrs{"to": onnx.Code(tensor.Bool)}, b.unsqueeze(tag, b.mask, 2))
		low := b.g.NewConst(b.module+"."+tag+".low", tensor.Scalar(float32(-3.4028234663852886e38)))
		x = b.node("Where", tag, nil, out, x, low)
		return b.spatial(tag, b.node("Transpose", tag, ir.Attrs{"perm": []int{0, 2, 1}}, x), how)
	}
	m := b.node("Cast", tag+"/mask", ir.Attrs{"to": onnx.Code(tensor.Float32)}, b.mask)
	count := b.sum(tag, m)
	var w *ir.Value
	if how == "last" { // the position where the running count of steps reaches the total
		axis := b.g.NewConst(b.module+"."+tag+".axis", tensor.Scalar(int64(1)))
		so := b.node("CumSum", tag, nil, m, axis)
		w = b.node("Cast", tag+"/last", ir.Attrs{"to": onnx.Code(tensor.Float32)}, b.node("Equal", tag, nil, so, count))
		w = b.node("Mul", tag, nil, w, m)
	} else {
		w = b.node("Div", tag, nil, m, count)
	}
	w = b.unsqueeze(tag+"/weights", w, 1)
	return b.node("Flatten", tag, ir.Attrs{"axis": 1}, b.node("MatMul", tag, nil, w, x))
}

// sum adds up x [N,T] over T to [N,1].
func (b *rawBuilder) sum(tag string, x *ir.Value) *ir.Value {
	if b.version < 13 {
		return b.node("ReduceSum", tag, ir.Attrs{"axes": []int{1}, "keepdims": 1}, x)
	}
	return b.node("ReduceSum", tag, ir.Attrs{"keepdims": 1}, x, b.g.NewConst(b.module+"."+tag+".axes", tensor.Of([]int64{1})))
}

// unsqueeze adds an axis of size 1.
func (b *rawBuilder) unsqueeze(tag string, x *ir.Value, axis int64) *ir.Value {
	if b.version < 13 {
		return b.node("Unsqueeze", tag, ir.Attrs{"axes": []int{int(axis)}}, x)
	}
	return b.node("Unsqueeze", tag, nil, x, b.g.NewConst(b.module+"."+tag+".at", tensor.Of([]int64{axis})))
}
