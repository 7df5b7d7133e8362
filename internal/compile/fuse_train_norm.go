package compile

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/op"
)

// fuseTrainNorms merges the residual sum and the activation after a training batch normalisation
// into it. It runs before differentiation, so that the gradient is one operator too, and values
// between normalisation and activation are neither written nor kept. Channels must be the last
// axis. The nodes keep their identity: outputs 1 to 3 are still the batch's statistics.
func fuseTrainNorms(g *ir.Graph) error {
	users := g.Users()
	outputs := map[*ir.Value]bool{}
	for _, v := range g.Outputs {
		outputs[v] = true
	}
	only := func(v *ir.Value) *ir.Node { // the only reader of v
		if len(users[v]) != 1 || outputs[v] {
			return nil
		}
		return users[v][0]
	}
	for _, n := range slices.Clone(g.Nodes) {
		if n.Op != "BatchNormTrain" || n.Attrs.Str("layout", "") != "NHWC" && len(n.Inputs[0].Type.Shape) > 2 {
			continue
		}
		last := n // the node whose result the fused operator computes
		var residual *ir.Value
		if add := only(n.Outputs[0]); add != nil && add.Op == "Add" {
			for i, v := range add.Inputs {
				if v == n.Outputs[0] && add.Inputs[1-i].Type.Equal(v.Type) {
					residual, last = add.Inputs[1-i], add
				}
			}
		}
		attrs := ir.Attrs{"epsilon": n.Attrs.Float("epsilon", 1e-5)}
		if act := only(last.Outputs[0]); act != nil {
			if a, ok := op.NormFusable(act); ok && (residual == nil || op.NormTakesResidual(a)) {
				last = act
				for k, v := range a {
					attrs[k] = v
				}
			}
		}
		if last == n {
			continue
		}
		n.Op, n.Attrs = "BatchNormAct", attrs
		if residual != nil {
			n.Inputs = append(n.Inputs[:3:3], residual)
		}
		n.Outputs[0] = last.Outputs[0]
		n.Outputs[0].Node, n.Outputs[0].Out = n, 0
		// It moves to the position of the last of them, after the residual.
		g.Nodes = slices.DeleteFunc(g.Nodes, func(m *ir.Node) bool { return m == n })
		at := slices.Index(g.Nodes, last)
		g.Nodes[at] = n
		users = g.Users()
	}
	g.Prune()
	return nil
}
