package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Softmax(x) is exp(x) over its sum along attribute axis (default -1), LogSoftmax its logarithm.
// SoftmaxGrad(dy, y) and LogSoftmaxGrad(dy, y) are their gradients, from the output. Hardmax(x) is
// 1 at the first maximum along the axis and 0 elsewhere.
func init() {
	for _, s := range []struct {
		name   string
		f32    func(y, x []float32, rows, c int)
		grad32 func(dx, dy, y []float32, rows, c int)
		f64    func(y, x []float64)
		grad64 func(dx, dy, y []float64)
	}{
		{"Softmax", kernel.Softmax, kernel.SoftmaxGrad, softmax64, func(dx, dy, y []float64) {
			var dot float64
			for i, v := range y {
				dot += dy[i] * v
			}
			for i, v := range y {
				dx[i] = (dy[i] - dot) * v
			}
		}},
		{"LogSoftmax", kernel.LogSoftmax, kernel.LogSoftmaxGrad, logSoftmax64, func(dx, dy, y []float64) {
			var sum float64
			for _, v := range dy {
				sum += v
			}
			for i, v := range y {
				dx[i] = dy[i] - math.Exp(v)*sum
			}
		}},
	} {
		register(ir.Def{
			Name:   s.name,
			Traits: ir.Traits{Probabilities: true, Batch: ir.BatchKept, Rows: rowsBut("axis", -1)},
			Infer:  inferAlongAxis(1),
			Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
				return []*ir.Value{b.Op(s.name+"Grad", n.Attrs, dy[0], n.Outputs[0])}
			},
			Bind: alongAxis(func(out []float32, in [][]float32, rows, c int) { s.f32(out, in[0], rows, c) },
				func(out []float64, in [][]float64) { s.f64(out, in[0]) }),
			Cost:  perElement(12),
			ONNX:  softmaxForms(s.name),
			Cases: func() []ir.Case { return alongAxisCases(1) },
		})
		register(ir.Def{
			Name:  s.name + "Grad",
			Infer: inferAlongAxis(2),
			Bind: alongAxis(func(out []float32, in [][]float32, rows, c int) { s.grad32(out, in[0], in[1], rows, c) },
				func(out []float64, in [][]float64) { s.grad64(out, in[0], in[1]) }),
			Cost:  perElement(5),
			Cases: func() []ir.Case { return alongAxisCases(2) },
		})
	}
	register(ir.Def{
		Name:   "Hardmax",
		Traits: ir.Traits{Batch: ir.BatchKept, Rows: rowsBut("axis", -1)},
		Infer:  inferAlongAxis(1),
		Bind: alongAxis(nil, func(y []float64, in [][]float64) {
			best := 0
			for i, v := range in[0] {
				if v > in[0][best] {
					best = i
				}
			}
			clear(y)
			y[best] = 1
		}),
		ONNX: softmaxForms("Hardmax"),
		Cases: func() []ir.Case {
			return append(alongAxisCases(1), ir.Case{
				Name: "by hand", Inputs: []*tensor.Tensor{tensor.Of([]float32{3, 0, 1, 2, 0, 3, 1, 3}, 2, 4)},
				Want: []*tensor.Tensor{tensor.Of([]float32{1, 0, 0, 0, 0, 1, 0, 0}, 2, 4)},
			})
		},
	})
}

func logSumExp64(x []float64) float64 {
	m := math.Inf(-1)
	for _, v := range x {
		m = math.Max(m, v)
	}
	if math.IsInf(m, 0) {
		return m
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(v - m)
	}
	return m + math.Log(sum)
}

func softmax64(y, x []float64) {
	l := logSumExp64(x)
	for i, v := range x {
		y[i] = math.Exp(v - l)
	}
}

func logSoftmax64(y, x []float64) {
	l := logSumExp64(x)
	for i, v := range x {
		y[i] = v - l
	}
}

// inferAlongAxis is the shape rule of an operator along attribute axis on k inputs of the same
// type.
func inferAlongAxis(k int) inferFunc {
	same := sameFloat(k)
	return func(n *ir.Node) ([]ir.Type, error) {
		ts, err := same(n)
		if err == nil {
			_, err = axisOf(n.Attrs.Int("axis", -1), len(ts[0].Shape))
		}
		return ts, err
	}
}

// alongAxis binds an operator along the attribute axis. f32 gets rows along that axis, f64 one row
// at a time. For an axis other than the last, tensors are transposed into scratch and back.
func alongAxis(f32 func(out []float32, in [][]float32, rows, c int), row64 func(out []float64, in [][]float64)) func(n *ir.Node) (ir.Bound, error) {
	return func(n *ir.Node) (ir.Bound, error) {
		t := n.In(0).Type
		axis, err := axisOf(n.Attrs.Int("axis", -1), len(t.Shape))
		if err != nil {
			return ir.Bound{}, err
		}
		outer, size, inner := splitAt(t.Shape, axis)
		if t.DType == tensor.Float32 && f32 != nil {
			im := image{n: outer, c: size, spatial: tensor.Shape{inner}}
			ims := images{last: inner == 1, out: []*image{&im}}
			for range n.Inputs {
				ims.in = append(ims.in, &im)
			}
			b := ims.bind(func(in, out [][]float32) error {
				f32(out[0], in, outer*inner, size)
				return nil
			})
			b.InPlace = []int{0}
			return b, nil
		}
		run, err := forFloat(t.DType, nil, slow64(func(in, out [][]float64) {
			rows := make([][]float64, len(in))
			for i := range rows {
				rows[i] = make([]float64, size)
			}
			y := make([]float64, size)
			for i := range outer * inner {
				base := i/inner*size*inner + i%inner
				for k := range size {
					for j := range rows {
						rows[j][k] = in[j][base+k*inner]
					}
				}
				row64(y, rows)
				for k, v := range y {
					out[0][base+k*inner] = v
				}
			}
		}))
		return ir.Bound{Run: run, InPlace: []int{0}}, err
	}
}

func alongAxisCases(k int) []ir.Case {
	ins := func(shape ...int) (ts []*tensor.Tensor) {
		for range k {
			ts = append(ts, random(shape...))
		}
		return ts
	}
	return []ir.Case{
		{Name: "last", Inputs: ins(3, 5)},
		{Name: "first", Inputs: ins(4, 3), Attrs: ir.Attrs{"axis": 0}},
		{Name: "middle", Inputs: ins(2, 3, 4), Attrs: ir.Attrs{"axis": 1}},
		{Name: "large values", Inputs: ins(2, 4), Range: [2]float64{-50, 50}},
		{Name: "one axis", Inputs: ins(6)},
	}
}

// softmaxForms: until version 12 the axes from axis (default 1) on were taken as one.
func softmaxForms(op string) []ir.Form {
	return []ir.Form{
		{Op: op, Since: 1, Until: 12, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x := n.In(0)
			s := x.Type.Shape
			axis := n.Attrs.Int("axis", 1)
			if axis < 0 {
				axis += len(s)
			}
			if axis < 0 || axis > len(s) {
				return nil, errorf("axis %d is outside a tensor of rank %d", axis, len(s))
			}
			if axis == len(s)-1 {
				return []*ir.Value{b.Op(op, nil, x)}, nil
			}
			x = b.Op("Reshape", ir.Attrs{"shape": []int{s[:axis].Len(), s[axis:].Len()}}, x)
			return []*ir.Value{b.Op("Reshape", ir.Attrs{"shape": []int(s)}, b.Op(op, nil, x))}, nil
		}},
		{Op: op, Since: 13},
	}
}
