package permafrost

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Loss computes the mean loss of a batch, and fills b.Gradient. It may be called from many
// goroutines, and must not keep the slices.
type Loss func(b LossBatch) float64

// LossBatch is what a Loss sees of a batch of N examples.
type LossBatch struct {
	Scores []float32 // raw scores of the model, [N, Width]
	Width  int       // classes, labels, or 1 for regress

	// The right answers, by task; those of other tasks mean nothing. Values are standardised: less
	// the mean of the training examples, over their deviation.
	Classes []int     // classify: the class of each example, from 0
	Labels  []float32 // multilabel: [N, Width], 1 where a label holds, else 0
	Values  []float32 // regress: the number of each example

	Gradient []float32 // to be filled: the derivative of the loss by each score, [N, Width]
}

// WithLoss trains with a loss of the caller, for the tasks classify, multilabel and regress. The
// losses in results, events and metrics stay those of the task, which can be compared; those of
// Step events are the caller's. A resumed run has to be given the same loss: it is not part of a
// checkpoint.
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

// internal builds the loss as runs take it.
func (l Loss) internal(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value {
	return b.Op(lossOp, ir.Attrs{"loss": l}, scores, labels[0])
}
