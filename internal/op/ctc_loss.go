package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// CTCLoss(logits [N,T,C], labels int64 [N,S], frames int64 [N]) is the connectionist temporal
// classification of sequences (see kernel.CTC). It is reduced like PyTorch's ctc_loss with mean:
// each example's loss is divided by its number of labels, at least 1, and the results are averaged.
// A row of labels ends at its first negative number. frames is the number of valid rows of scores
// per example; if absent, all T are valid. Attribute blank (default 0) is the class that means no
// label. If zero_infinity (default 0) is set, an example with too few frames for its labels has
// loss and gradient 0. Run errors on a label that is blank or not a class.
//
// CTCLossGrad(logits, labels, frames, dloss) is its gradient with respect to the logits.
func init() {
	register(ir.Def{
		Name: "CTCLoss",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			c, err := ctcOf(n, 3)
			return []ir.Type{{DType: c.dtype, Shape: tensor.Shape{}}}, err
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			dx := make([]*ir.Value, len(n.Inputs))
			if need[0] {
				dx[0] = b.Op("CTCLossGrad", n.Attrs, n.In(0), n.In(1), n.In(2), dy[0])
			}
			return dx
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			c, err := ctcOf(n, 3)
			if err != nil {
				return ir.Bound{}, err
			}
			run, err := forFloat(c.dtype, func(in, out []*tensor.Tensor, _ []byte) error {
				loss, err := ctcRun(c, nil, in[0].F32(), in[1], at(in, 2), 0)
				out[0].F32()[0] = float32(loss)
				return err
			}, func(in, out []*tensor.Tensor, _ []byte) (err error) {
				f64(out[0])[0], err = ctcRun(c, nil, f64(in[0]), in[1], at(in, 2), 0)
				return err
			})
			return ir.Bound{Run: run}, err
		},
		Cost:  normCost(60),
		Cases: ctcCases,
	})
	register(ir.Def{
		Name: "CTCLossGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			c, err := ctcOf(n, 4)
			if err != nil {
				return nil, err
			}
			if d := n.In(3); d == nil || !d.Type.Equal(ir.Type{DType: c.dtype, Shape: tensor.Shape{}}) {
				return nil, errorf("the gradient of the loss is not a %v", c.dtype)
			}
			return []ir.Type{n.In(0).Type}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			c, err := ctcOf(n, 4)
			if err != nil {
				return ir.Bound{}, err
			}
			run, err := forFloat(c.dtype, func(in, out []*tensor.Tensor, _ []byte) error {
				_, err := ctcRun(c, out[0].F32(), in[0].F32(), in[1], in[2], float64(in[3].F32()[0]))
				return err
			}, func(in, out []*tensor.Tensor, _ []byte) error {
				_, err := ctcRun(c, f64(out[0]), f64(in[0]), in[1], in[2], f64(in[3])[0])
				return err
			})
			return ir.Bound{Run: run}, err
		},
		Cost: normCost(120),
		Cases: func() []ir.Case {
			return eachCase(ctcCases(), func(c *ir.Case) {
				for len(c.Inputs) < 3 {
					c.Inputs = append(c.Inputs, nil)
				}
				c.Inputs = append(c.Inputs, random())
				c.Want = nil
			})
		},
	})
}

// ctc is the setting of a CTCLoss.
type ctc struct {
	dtype      tensor.DType
	n, t, c, s int
	blank      int
	zero       bool
}

func ctcOf(n *ir.Node, k int) (c ctc, err error) {
	if err = inputs(n, 2, k); err != nil {
		return c, err
	}
	if err = floats(n, 0); err != nil {
		return c, err
	}
	x, l := n.In(0).Type, n.In(1).Type
	if len(x.Shape) != 3 || len(l.Shape) != 2 || l.Shape[0] != x.Shape[0] || l.DType != tensor.Int64 {
		return c, errorf("logits %v and labels %v are not [N,T,C] and int64[N,S]", x, l)
	}
	if f := n.In(2); f != nil && !f.Type.Equal(ir.Type{DType: tensor.Int64, Shape: x.Shape[:1]}) {
		return c, errorf("frames are %v, not int64[%d]", f.Type, x.Shape[0])
	}
	c = ctc{x.DType, x.Shape[0], x.Shape[1], x.Shape[2], l.Shape[1], n.Attrs.Int("blank", 0), n.Attrs.Int("zero_infinity", 0) != 0}
	if c.blank < 0 || c.blank >= c.c {
		return c, errorf("blank is %d, none of %d classes", c.blank, c.c)
	}
	return c, nil
}

// ctcRun computes the loss and, where dx is given, d times its gradient.
func ctcRun[F float](c ctc, dx, x []F, labels, frames *tensor.Tensor, d float64) (float64, error) {
	rows, lengths := make([][]int64, c.n), make([]int, c.n)
	for i := range rows {
		row := labels.I64()[i*c.s : (i+1)*c.s]
		k := 0
		for ; k < len(row) && row[k] >= 0; k++ {
			if row[k] == int64(c.blank) || row[k] >= int64(c.c) {
				return 0, errorf("label %d of row %d is none of %d classes but the blank %d", row[k], i, c.c, c.blank)
			}
		}
		rows[i], lengths[i] = row[:k], c.t
		if frames != nil {
			f := frames.I64()[i]
			if f < 0 || f > int64(c.t) {
				return 0, errorf("row %d has %d frames, of %d", i, f, c.t)
			}
			lengths[i] = int(f)
		}
	}
	losses := make([]float64, c.n)
	kernel.Parallel(c.n, func(i int) {
		div := float64(max(1, len(rows[i])))
		lo, hi, end := i*c.t*c.c, (i*c.t+lengths[i])*c.c, (i+1)*c.t*c.c
		var g []F
		if dx != nil {
			g = dx[lo:hi]
			clear(dx[hi:end])
		}
		l := kernel.CTC(g, x[lo:hi], c.c, rows[i], c.blank, d/div/float64(c.n))
		if c.zero && math.IsInf(l, 1) {
			l = 0
			clear(g)
		}
		losses[i] = l / div
	})
	sum := 0.0
	for _, l := range losses {
		sum += l
	}
	return sum / float64(max(1, c.n)), nil
}

func ctcCases() []ir.Case {
	labels := tensor.Of([]int64{1, 1, 3, 2, -1, -1, -1, -1, -1}, 3, 3)
	return []ir.Case{
		{Name: "plain", Inputs: []*tensor.Tensor{random(3, 6, 4), labels}, Range: [2]float64{-3, 3}},
		{Name: "frames", Inputs: []*tensor.Tensor{random(3, 7, 4), labels, tensor.Of([]int64{4, 7, 1})}},
		{Name: "blank last", Inputs: []*tensor.Tensor{random(3, 5, 5), labels}, Attrs: ir.Attrs{"blank": 4}},
		{Name: "too short", Inputs: []*tensor.Tensor{random(3, 5, 4), labels, tensor.Of([]int64{3, 5, 0})}, Attrs: ir.Attrs{"zero_infinity": 1}},
		// Of the four readings of two frames over {blank, a}, three read "a".
		{Name: "by hand", Inputs: []*tensor.Tensor{tensor.New(tensor.Float32, 1, 2, 2), tensor.Of([]int64{1}, 1, 1)},
			Want: []*tensor.Tensor{tensor.Scalar(float32(math.Log(4.0 / 3)))}},
	}
}
