package compile

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// A pass rewrites a graph into one that computes the same outputs.
type pass struct {
	name string
	why  string // why it has this position
	run  func(*ir.Graph) error
}

// The compiler consists of three tables of passes. Each table runs once, from top to bottom:
//
//   - modelPasses on the whole model, before it is split into regions (Model);
//   - trainingPasses on the live region, before it is differentiated (Train);
//   - regionPasses on each region separately, when it becomes a program (Region).
//
// Inference uses the first and the last, training all three.
func modelPasses(c *Constants) []pass {
	return []pass{
		{"halves", "first, so that every pattern and every kernel sees float32", widenHalves},
		{"fold", "frozen weights are constants: whatever they determine is computed first", c.fold},
		{"prune", "drops what folding left without a reader", prune},
		{"identities", "what hands its input on hides neighbours from the patterns below", dropIdentities},
		{"pads", "before channels-last, while axes are in ONNX's order", fusePads},
		{"norms", "normalisations written out as arithmetic become one operator with one gradient", fuseNorms},
		{"activations", "likewise", fuseActivations},
		{"attention", "after norms and activations, which it does not touch, before layout", fuseAttention},
		{"transposes", "after attention, which reads k through one", fuseTransposes},
		{"rows", "after attention, of which queries are rows, and before gradients, which then come from the same rows", onlyReadRows},
		{"channels-last", "after fusing, so that fewer operators need a rule; before splitting, so that the frontier and all gradients follow", c.channelsLast},
		{"fold", "transposed constants", c.fold},
	}
}

func (t *Training) passes(o TrainOptions) []pass {
	return []pass{
		{"batchnorm", "gradients must not read what lies between a frozen norm and the frozen convolution before it", foldBatchNorms},
		{"statistics", "after frozen norms are gone: what is left and tracks its data uses the batch's statistics",
			func(g *ir.Graph) error { return t.batchStatistics(g, o.Tracks) }},
		{"norm epilogues", "before differentiation, so that a norm with its activation has one gradient", fuseTrainNorms},
		{"dropout", "on where weights below train; off, and soon dropped, in what is frozen",
			func(g *ir.Graph) error { t.switchOnDropout(g, o.Thawed); return nil }},
	}
}

func regionPasses(c *Constants) []pass {
	return []pass{
		{"dropout", "what is still off stays off, and hides neighbours", dropDropout},
		{"fold", "gradients of constants are constants", foldAlone},
		{"batchnorm", "a frozen norm disappears into the frozen convolution before it; here, as a region that never runs need not pay for it", foldBatchNorms},
		{"prune", "gradient rules may compute what nobody reads", prune},
		{"common", "gradient rules recompute what the forward pass has", common},
		{"epilogues", "late, when it is known which results have one reader", fuseEpilogues},
		{"heads", "after epilogues, as products move with their biases", placeHeads},
		{"epilogues", "what transposes kept apart has met", fuseEpilogues},
		{"tables", "after epilogues, as a product's bias and activation go into the table", c.foldTables},
		{"chains", "after epilogues, in which their links end", fuseChains},
		{"squeezes", "after chains, which give means too", fuseSqueezes},
	}
}

func prune(g *ir.Graph) error { g.Prune(); return nil }

func runPasses(g *ir.Graph, passes []pass) error {
	for _, p := range passes {
		if err := p.run(g); err != nil {
			return fmt.Errorf("compile: pass %s: %w", p.name, err)
		}
	}
	return nil
}
