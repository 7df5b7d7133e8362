package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// SoftmaxCrossEntropy(logits [N,C], labels [N], weights [C]) is the cross-entropy of integer labels
// by PyTorch's rules: with p = softmax(logits), t the label, w the optional class weights and e the
// attribute label_smoothing
//
//	loss[i] = (1-e)*w[t]*-log(p[i,t]) + e/C*sum over j of w[j]*-log(p[i,j])
//
// Rows whose label is ignore_index (default -100) have no loss. The attribute reduction is "mean"
// (default; divides by the sum of w[t] over the rows that count), "sum", or "none", which gives
// [N]. Run errors on a label that is no class.
//
// SoftmaxCrossEntropyGrad(logits, labels, weights, dloss) is its gradient for the logits.
func init() {
	register(ir.Def{
		Name: "SoftmaxCrossEntropy",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			e, err := crossEntropyOf(n, 3)
			return []ir.Type{{DType: e.dtype, Shape: e.lossShape()}}, err
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			dx := make([]*ir.Value, len(n.Inputs))
			if len(need) > 2 && need[2] {
				b.Fail(n.Errorf("class weights have no gradient"))
				return nil
			}
			if need[0] {
				dx[0] = b.Op("SoftmaxCrossEntropyGrad", n.Attrs, n.In(0), n.In(1), n.In(2), dy[0])
			}
			return dx
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			e, err := crossEntropyOf(n, 3)
			if err != nil {
				return ir.Bound{}, err
			}
			run, err := forFloat(e.dtype, func(in, out []*tensor.Tensor, scratch []byte) error {
				labels, err := e.labels(in[1])
				if err != nil {
					return err
				}
				k := e.kernel(f32(at(in, 2)))
				y := out[0].F32()
				if e.reduction == "none" {
					k.Loss(y, in[0].F32(), labels, e.c)
					return nil
				}
				rows := carve(&scratch, e.n)
				k.Loss(rows, in[0].F32(), labels, e.c)
				sum := kernel.SumAll(rows)
				if e.reduction == "mean" {
					sum /= float64(k.Weight(labels))
				}
				y[0] = float32(sum)
				return nil
			}, func(in, out []*tensor.Tensor, _ []byte) error {
				labels, err := e.labels(in[1])
				if err != nil {
					return err
				}
				w := e.weights(at(in, 2))
				x, y := f64(in[0]), f64(out[0])
				var sum, div float64
				p := make([]float64, e.c)
				for i, t := range labels {
					var l float64
					if t != e.ignore {
						logSoftmax64(p, x[i*e.c:(i+1)*e.c])
						l = -(1 - e.smoothing) * w[t] * p[t]
						for j, v := range p {
							l -= e.smoothing / float64(e.c) * w[j] * v
						}
						div += w[t]
					}
					sum += l
					if e.reduction == "none" {
						y[i] = l
					}
				}
				switch e.reduction {
				case "mean":
					y[0] = sum / div
				case "sum":
					y[0] = sum
				}
				return nil
			})
			return ir.Bound{Run: run, Scratch: carved(e.n)}, err
		},
		Cost:  normCost(12),
		Cases: crossEntropyCases,
	})
	register(ir.Def{
		Name: "SoftmaxCrossEntropyGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			e, err := crossEntropyOf(n, 4)
			if err != nil {
				return nil, err
			}
			if d := n.In(3); d == nil || !d.Type.Equal(ir.Type{DType: e.dtype, Shape: e.lossShape()}) {
				return nil, errorf("the gradient of the loss is not %v%v", e.dtype, e.lossShape())
			}
			return []ir.Type{n.In(0).Type}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			e, err := crossEntropyOf(n, 4)
			if err != nil {
				return ir.Bound{}, err
			}
			run, err := forFloat(e.dtype, func(in, out []*tensor.Tensor, _ []byte) error {
				labels, err := e.labels(in[1])
				if err != nil {
					return err
				}
				k := e.kernel(f32(in[2]))
				d := in[3].F32()
				switch e.reduction {
				case "none":
					k.GradRows(out[0].F32(), in[0].F32(), labels, e.c, func(i int) float32 { return d[i] })
				case "sum":
					k.Grad(out[0].F32(), in[0].F32(), labels, e.c, d[0])
				default:
					k.Grad(out[0].F32(), in[0].F32(), labels, e.c, d[0]/k.Weight(labels))
				}
				return nil
			}, func(in, out []*tensor.Tensor, _ []byte) error {
				labels, err := e.labels(in[1])
				if err != nil {
					return err
				}
				w := e.weights(in[2])
				x, dx, d := f64(in[0]), f64(out[0]), f64(in[3])
				var div, all float64
				for _, t := range labels {
					if t != e.ignore {
						div += w[t]
					}
				}
				for _, v := range w {
					all += v
				}
				for i, t := range labels {
					row := dx[i*e.c : (i+1)*e.c]
					if t == e.ignore {
						clear(row)
						continue
					}
					k := d[0]
					switch e.reduction {
					case "none":
						k = d[i]
					case "mean":
						k /= div
					}
					softmax64(row, x[i*e.c:(i+1)*e.c])
					a, s := (1-e.smoothing)*w[t], e.smoothing/float64(e.c)
					for j, p := range row {
						row[j] = k * ((a+s*all)*p - s*w[j])
					}
					row[t] -= k * a
				}
				return nil
			})
			return ir.Bound{Run: run}, err
		},
		Cost: normCost(12),
		Cases: func() []ir.Case {
			return eachCase(crossEntropyCases(), func(c *ir.Case) {
				n := []int{}
				if c.Attrs.Str("reduction", "") == "none" {
					n = c.Inputs[1].Shape
				}
				for len(c.Inputs) < 3 {
					c.Inputs = append(c.Inputs, nil)
				}
				c.Inputs = append(c.Inputs, random(n...))
				c.Want = nil
			})
		},
	})
}

// crossEntropy is the setting of a SoftmaxCrossEntropy.
type crossEntropy struct {
	dtype     tensor.DType
	n, c      int
	smoothing float64
	ignore    int64
	reduction string
}

func (e crossEntropy) lossShape() tensor.Shape {
	if e.reduction == "none" {
		return tensor.Shape{e.n}
	}
	return tensor.Shape{}
}

func crossEntropyOf(n *ir.Node, k int) (e crossEntropy, err error) {
	if err = inputs(n, 2, k); err != nil {
		return e, err
	}
	if err = floats(n, 0, 2); err != nil {
		return e, err
	}
	x, l := n.In(0).Type, n.In(1).Type
	if len(x.Shape) != 2 || len(l.Shape) != 1 || l.Shape[0] != x.Shape[0] || l.DType != tensor.Int64 {
		return e, errorf("logits %v and labels %v are not [N,C] and int64[N]", x, l)
	}
	if w := n.In(2); w != nil && !w.Type.Shape.Equal(x.Shape[1:]) {
		return e, errorf("class weights have shape %v, not [%d]", w.Type.Shape, x.Shape[1])
	}
	e = crossEntropy{
		x.DType, x.Shape[0], x.Shape[1], fattr(n.Attrs, "label_smoothing", 0),
		int64(n.Attrs.Int("ignore_index", -100)), n.Attrs.Str("reduction", "mean"),
	}
	switch e.reduction {
	case "mean", "sum", "none":
	default:
		return e, errorf("reduction %q is not mean, sum or none", e.reduction)
	}
	if e.smoothing < 0 || e.smoothing > 1 {
		return e, errorf("label_smoothing is %g, not from 0 to 1", e.smoothing)
	}
	return e, nil
}

func (e crossEntropy) kernel(weights []float32) *kernel.CrossEntropy {
	return &kernel.CrossEntropy{Smoothing: float32(e.smoothing), Weights: weights, Ignore: e.ignore, HasIgnore: true}
}

// labels checks that every label is a class or ignored.
func (e crossEntropy) labels(t *tensor.Tensor) ([]int64, error) {
	labels := t.I64()
	for i, l := range labels {
		if l != e.ignore && (l < 0 || l >= int64(e.c)) {
			return nil, errorf("label %d of row %d is none of %d classes", l, i, e.c)
		}
	}
	return labels, nil
}

func (e crossEntropy) weights(t *tensor.Tensor) []float64 {
	if t != nil {
		return f64(t)
	}
	w := make([]float64, e.c)
	for i := range w {
		w[i] = 1
	}
	return w
}

func crossEntropyCases() []ir.Case {
	labels := tensor.Of([]int64{2, 0, -100, 4})
	fours := tensor.Of([]int64{2, 0, 4, 4})
	w := tensor.Of([]float32{1, 2, 0.5, 1, 3})
	ln := float32(math.Ln2)
	return []ir.Case{
		{Name: "plain", Inputs: []*tensor.Tensor{random(4, 5), labels}},
		{Name: "smooth", Inputs: []*tensor.Tensor{random(4, 5), labels}, Attrs: ir.Attrs{"label_smoothing": float32(0.1)}},
		{Name: "weights", Inputs: []*tensor.Tensor{random(4, 5), labels, w}, Const: []int{2}},
		{Name: "smooth weights", Inputs: []*tensor.Tensor{random(4, 5), labels, w}, Const: []int{2}, Attrs: ir.Attrs{"label_smoothing": float32(0.2)}},
		{Name: "sum", Inputs: []*tensor.Tensor{random(4, 5), labels}, Attrs: ir.Attrs{"reduction": "sum"}},
		{Name: "none", Inputs: []*tensor.Tensor{random(4, 5), fours, w}, Const: []int{2}, Attrs: ir.Attrs{"reduction": "none", "ignore_index": 4}, Range: [2]float64{-9, 9}},
		{Name: "by hand", Inputs: []*tensor.Tensor{tensor.New(tensor.Float32, 2, 2), tensor.Of([]int64{0, 1})}, Want: []*tensor.Tensor{tensor.Scalar(ln)}},
	}
}
