package compile

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func Specialise(raw *ir.Graph, shapes map[string]tensor.Shape) (*ir.Graph, error) {
	return Model(raw, Options{Shapes: shapes, Plain: true})
}
func Freeze(g *ir.Graph, frozen func(*ir.Value) bool)           { freeze(g, frozen) }
func CheckLoops(g *ir.Graph, frozen func(*ir.Value) bool) error { return checkLoops(g, frozen) }
func Fold(g *ir.Graph) error                                    { return foldAlone(g) }
func Simplify(g *ir.Graph) error                                { return SimplifyWith(g, new(Constants)) }
func SimplifyWith(g *ir.Graph, c *Constants) error              { return runPasses(g, modelPasses(c)) }
func Compile(g *ir.Graph) (*Program, error)                     { return Region(g, Memory{}) }
func FoldBatchNorms(g *ir.Graph) error                          { return foldBatchNorms(g) }
func FuseTrainNorms(g *ir.Graph)                                { fuseTrainNorms(g) }
func CompileWithin(g *ir.Graph, budget int, arena *Arena) (*Program, Recomputed, error) {
	p, err := Region(g, Memory{budget, arena})
	if err != nil {
		return nil, Recomputed{}, err
	}
	return p, p.Recomputed(), nil
}
