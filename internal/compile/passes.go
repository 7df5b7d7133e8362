package compile

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// A pass rewrites a graph into one that computes the same outputs.
type pass struct {
	name string
	why  string // why it stands where it stands
	run  func(*ir.Graph) error
}

// The compiler is two tables of passes. Those of the first run on the whole model, before it is split
// and differentiated; those of the second on each region by itself. Each runs once, from top to bottom.
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
		{"channels-last", "after fusing, so that fewer operators need a rule; before splitting, so that the frontier and all gradients follow", c.channelsLast},
		{"fold", "transposed constants", c.fold},
	}
}

var regionPasses = []pass{
	{"dropout", "what is still off stays off, and hides neighbours", dropDropout},
	{"fold", "gradients of constants are constants", Fold},
	{"batchnorm", "a frozen norm disappears into the frozen convolution before it; here, as a region that never runs need not pay for it", FoldBatchNorms},
	{"prune", "gradient rules may compute what nobody reads", prune},
	{"common", "gradient rules recompute what the forward pass has", common},
	{"epilogues", "late, when it is known which results have one reader", fuseEpilogues},
	{"chains", "after epilogues, in which their links end", fuseChains},
	{"squeezes", "after chains, which give means too", fuseSqueezes},
}

func prune(g *ir.Graph) error { g.Prune(); return nil }

// Simplify runs the passes on a whole specialised model.
func Simplify(g *ir.Graph) error { return SimplifyWith(g, new(Constants)) }

// SimplifyWith does the same and shares constants with the graphs of the same model that c has been given before.
func SimplifyWith(g *ir.Graph, c *Constants) error { return runPasses(g, modelPasses(c)) }

func runPasses(g *ir.Graph, passes []pass) error {
	for _, p := range passes {
		if err := p.run(g); err != nil {
			return fmt.Errorf("compile: pass %s: %w", p.name, err)
		}
	}
	return nil
}
