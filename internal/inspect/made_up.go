package inspect

import (
	"math/rand/v2"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// madeUpLabels makes right answers for a batch of n with scores of that shape: classes and tokens
// in turn, zeros, or empty answers for tasks whose answers need a minimum number of positions.
func madeUpLabels(t task.Task, n int, scores tensor.Shape) []*tensor.Tensor {
	positions := task.Positions(t, scores, n)
	if f, ok := t.(task.Framed); ok {
		return f.Labels(make([]data.Target, n), nil, positions)
	}
	var out []*tensor.Tensor
	for _, kind := range t.LabelTypes(n, positions) {
		l := tensor.New(kind.DType, kind.Shape...)
		if kind.DType == tensor.Int64 {
			for i := range l.I64() {
				l.I64()[i] = int64(i % scores[len(scores)-1])
			}
		}
		out = append(out, l)
	}
	return out
}

// madeUp fills inputs with seeded values: ones for a mask, floating-point numbers from [-1, 1), and
// otherwise integers 0 and 1, which can index any table with more than one row.
func madeUp(inputs []*ir.Value, seed uint64) []*tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 0x6d616465))
	out := make([]*tensor.Tensor, len(inputs))
	for i, v := range inputs {
		t := tensor.New(v.Type.DType, v.Type.Shape...)
		mask := strings.Contains(strings.ToLower(v.Name), "mask")
		size := v.Type.DType.Size()
		for k := range t.Len() {
			x := 2*r.Float64() - 1
			switch e := t.Bytes[k*size:]; v.Type.DType {
			case tensor.Float32:
				t.F32()[k] = float32(x)
			case tensor.Float64:
				tensor.Data[float64](t)[k] = x
			case tensor.Float16:
				tensor.Data[uint16](t)[k] = tensor.Float32ToFloat16(float32(x))
			case tensor.BFloat16:
				tensor.Data[uint16](t)[k] = tensor.Float32ToBFloat16(float32(x))
			default: // little-endian 0 or 1 of any width
				if mask || x >= 0 {
					e[0] = 1
				}
			}
		}
		out[i] = t
	}
	return out
}

// usualExamples is the assumed number of training examples if nothing says otherwise.
const usualExamples = 1000

// madeUpTask returns the task of a fit without data, with that many unnamed classes or labels. The
// options name the task; the default is classify.
func madeUpTask(cfg *config.Config, classes int) (task.Task, error) {
	kind, err := task.Lookup(cfg.Task)
	if err != nil {
		return nil, err
	}
	if kind.KeepsHead {
		cfg.Head = "keep"
	}
	if cfg.Head == "keep" {
		classes = 0 // use the model's own number
	}
	return kind.Named(make([]string, classes), task.Options{Smoothing: cfg.LabelSmoothing}), nil
}
