package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// OpTime is the time of all nodes of one operator in a forward pass, as the median over the runs.
// Convolutions with different windows count as different operators.
type OpTime struct {
	Op     string
	Nodes  int
	Ms     float64
	Share  float64 // of the time of all nodes
	GFLOPS float64
}

// opTimes profiles a program. The slowest operators come first.
func opTimes(ctx context.Context, p *compile.Program, runs int, in []*tensor.Tensor) ([]OpTime, error) {
	var each [][]float64 // by operator and run, in milliseconds
	var ops []OpTime
	at := map[string]int{}
	for run := range runs {
		times, err := p.Profile(ctx, in...)
		if err != nil {
			return nil, err
		}
		for _, t := range times {
			name := opName(t.Node)
			k, ok := at[name]
			if !ok {
				k = len(ops)
				at[name] = k
				ops, each = append(ops, OpTime{Op: name}), append(each, make([]float64, runs))
			}
			each[k][run] += float64(t.Time.Nanoseconds()) / 1e6
			if run == 0 {
				ops[k].Nodes++
				ops[k].GFLOPS += float64(t.Node.FLOPs()) / 1e6
			}
		}
	}
	total := 0.0
	for k := range ops {
		slices.Sort(each[k])
		ops[k].Ms = (each[k][(runs-1)/2] + each[k][runs/2]) / 2
		total += ops[k].Ms
	}
	for k := range ops {
		ops[k].Share = ops[k].Ms / total
		ops[k].GFLOPS /= ops[k].Ms
	}
	slices.SortStableFunc(ops, func(a, b OpTime) int { return cmp.Compare(b.Ms, a.Ms) })
	return ops, nil
}

// opName is the operator's name, with the window size for a convolution.
func opName(n *ir.Node) string {
	if !strings.Contains(n.Op, "Conv") || len(n.Inputs) < 2 || n.In(1) == nil || len(n.In(1).Type.Shape) != 4 {
		return n.Op
	}
	w := n.In(1).Type.Shape
	name := fmt.Sprintf("%s %dx%d", n.Op, w[2], w[3])
	switch group := n.Attrs.Int("group", 1); {
	case group > 1 && w[1] == 1:
		name += " depthwise"
	case group > 1:
		name += " grouped"
	}
	return name
}
