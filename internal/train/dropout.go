package train

import (
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// switchOnDropout gives the live dropout layers of a graph a seed, a new input of the graph that says
// which elements fall in a step. In the frozen region dropout stays off. It returns nil when nothing
// live drops out.
func switchOnDropout(g *ir.Graph, thawed []*ir.Value) *ir.Value {
	live := grad.Live(g, thawed)
	var seed *ir.Value
	layer := 0
	for _, n := range g.Nodes {
		if n.Op != "Dropout" || n.In(1) != nil || !live[n.Inputs[0]] {
			continue
		}
		if seed == nil {
			seed = g.AddInput("dropout_seed", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{}})
		}
		n.Inputs = []*ir.Value{n.Inputs[0], seed}
		n.Attrs = n.Attrs.With("salt", layer)
		layer++
	}
	return seed
}

// stepSeed is the dropout seed of the batch of an epoch that begins with an example.
func stepSeed(seed uint64, epoch, example int) int64 {
	return randFor(seed, purposeDropout, epoch, example).Int64()
}
