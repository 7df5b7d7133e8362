package compile

import (
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TrainOptions say what trains in a live region.
type TrainOptions struct {
	// Thawed are the weights that train.
	Thawed []*ir.Value

	// Tracks says, by a batch normalisation's running mean, whether it trains. It then uses the
	// batch's statistics and returns them (see Training.Norms).
	Tracks func(mean *ir.Value) bool
}

// Training is what a live region has in addition to inference.
type Training struct {
	Norms []TrainNorm // batch normalisations that use the batch's statistics
	Seed  *ir.Value   // the input that seeds dropout, int64 []; nil if there is no dropout
}

// TrainNorm is a batch normalisation that uses the batch's statistics.
type TrainNorm struct {
	Mean, Variance           *ir.Value // running statistics, which are weights
	BatchMean, BatchVariance *ir.Value // of the batch, [C]; the variance has no bias correction
	Momentum                 float32   // weight of the old running value
	Count                    int       // elements per channel in a batch
}

// Train turns a live region, which is part of a graph from Model, into its training form: it runs
// the passes for training. The loss, its gradient and Region come next.
func Train(g *ir.Graph, o TrainOptions) (*Training, error) {
	t := &Training{}
	if err := runPasses(g, t.passes(o)); err != nil {
		return nil, err
	}
	return t, nil
}

// batchStatistics makes every batch normalisation that trains use the batch's statistics.
func (t *Training) batchStatistics(g *ir.Graph, tracks func(mean *ir.Value) bool) error {
	for i, m := range g.Nodes {
		if m.Op != "BatchNormalization" {
			continue
		}
		mean, variance := m.In(3), m.In(4)
		if mean == nil || mean.Kind != ir.Param || !tracks(mean) {
			continue
		}
		attrs := ir.Attrs{"epsilon": m.Attrs.Float("epsilon", 1e-5)}
		if l := m.Attrs.Str("layout", ""); l != "" {
			attrs["layout"] = l
		}
		n := &ir.Node{Name: g.Unique(m.Name + "/train"), Op: "BatchNormTrain", Inputs: m.Inputs[:3:3], Attrs: attrs}
		types, err := ir.Lookup(n.Op).Infer(n)
		if err != nil {
			return n.Errorf("%w", err)
		}
		g.AddNode(n, types)
		g.Nodes = g.Nodes[:len(g.Nodes)-1]
		g.Nodes[i] = n
		g.Replace(m.Outputs[0], n.Outputs[0])
		x := m.Inputs[0].Type.Shape
		t.Norms = append(t.Norms, TrainNorm{Mean: mean, Variance: variance, BatchMean: n.Outputs[1], BatchVariance: n.Outputs[2],
			Momentum: m.Attrs.Float("momentum", 0.9), Count: x.Len() / mean.Type.Shape.Len()})
	}
	return nil
}

// AlwaysDrops is an attribute of dropout that training switches on whatever trains before it, as in
// front of a new head that reads frozen features.
const AlwaysDrops = "always"

// switchOnDropout gives the live dropout layers a seed, a new input of the graph, which selects the
// elements to drop in a step. In the frozen region dropout stays off.
func (t *Training) switchOnDropout(g *ir.Graph, thawed []*ir.Value) {
	live := grad.Live(g, thawed)
	layer := 0
	for _, n := range g.Nodes {
		if n.Op != "Dropout" || n.In(1) != nil || !live[n.Inputs[0]] && n.Attrs.Int(AlwaysDrops, 0) == 0 {
			continue
		}
		if t.Seed == nil {
			t.Seed = g.AddInput("dropout_seed", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{}})
		}
		n.Inputs = []*ir.Value{n.Inputs[0], t.Seed}
		n.Attrs = n.Attrs.With("salt", layer)
		layer++
	}
}
