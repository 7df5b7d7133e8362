package permafrost

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Loss computes the mean loss of a batch, and fills b.Gradient. It may be called from many
// goroutines, and must not keep the slices.
type Loss func(b LossBatch) float64

// LossBatch is the input of a Loss: a batch of N examples.
type LossBatch struct {
	Scores []float32 // raw scores of the model, [N, Width]
	Width  int       // classes, labels, or 1 for regress

	// The right answers. Only the field of the task is meaningful. Values are standardised: minus
	// the mean of the training examples, divided by their standard deviation.
	Classes []int     // classify: the class of each example, from 0
	Labels  []float32 // multilabel: [N, Width], 1 where a label applies, else 0
	Values  []float32 // regress: the number of each example

	// to be filled: the derivative of the loss with respect to each score, [N, Width]
	Gradient []float32
}

// WithLoss trains with the caller's loss, for the tasks classify, multilabel and regress. Losses in
// results, events and metrics remain those of the task, so that they can be compared; only Step
// events have the caller's loss. Give a resumed run the same loss: it is not part of a checkpoint.
func WithLoss(loss Loss) Option { return func(o *options) { o.loss = loss } }

// lossOp computes a Loss: its value, and its gradient with respect to the scores as a second
// output.
const lossOp = "permafrost.Loss"

func init() {
	ir.Register(ir.Def{
		Name: lossOp,
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			return []ir.Type{{DType: tensor.Float32, Shape: tensor.Shape{}}, n.Inputs[0].Type}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, _ []bool) []*ir.Value {
			return []*ir.Value{b.Op("Mul", nil, dy[0], n.Outputs[1]), nil}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			loss := n.Attrs["loss"].(Loss)
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				b := LossBatch{Scores: in[0].F32(), Width: in[0].Shape[1], Gradient: out[1].F32()}
				if labels := in[1]; labels.DType == tensor.Int64 {
					b.Classes = each(labels.I64(), func(v int64) int { return int(v) })
				} else {
					b.Labels, b.Values = labels.F32(), labels.F32()
				}
				clear(b.Gradient)
				out[0].F32()[0] = float32(loss(b))
				return nil
			}}, nil
		},
	})
}

// internal builds the loss in the form that runs use.
func (l Loss) internal(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value {
	return b.Op(lossOp, ir.Attrs{"loss": l}, scores, labels[0])
}
