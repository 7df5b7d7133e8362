package compile

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/ondisk"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Options say how Model compiles.
type Options struct {
	// Shapes of the inputs by name. Inputs without an entry must have known shapes in the model.
	Shapes map[string]tensor.Shape

	// Known holds inputs whose contents never change, by name. They become constants, and are not
	// inputs of the result.
	Known map[string]*tensor.Tensor

	// Frozen selects the weights that become constants, whose contents folding and packing may use;
	// nil for none. The caller must not change them while anything compiled from the result is in
	// use. The other weights may train. Model errors if that is impossible, as inside a loop that
	// is not unrolled.
	Frozen func(weight *ir.Value) bool

	// Constants are shared with other graphs of the same model; nil does not share.
	Constants *Constants

	// Plain stops before operators are simplified and fused. The result has the model's own
	// operators with static types, and only constant parts are folded. Use it to look at shapes and
	// costs.
	Plain bool

	values map[*ir.Value]*ir.Value // if not nil, receives what each raw value became
}

// All freezes every weight.
func All(*ir.Value) bool { return true }

// Model compiles a raw graph to a static one: it specialises it to shapes, freezes weights and runs
// the passes for whole models. The raw graph is not changed; both share the contents of weights.
// The result can be run (Region), or first divided with ir.Extract. Several goroutines may compile
// the same raw graph.
//
// It errors, naming the node, on an unsupported operator, on types and shapes that do not fit, and
// on shapes that depend on data.
func Model(raw *ir.Graph, o Options) (*ir.Graph, error) {
	s, err := specialise(raw, o.Shapes)
	if err != nil {
		return nil, err
	}
	for v, nv := range s.env {
		if o.values != nil {
			o.values[v] = nv
		}
	}
	g := s.g
	if err := fix(g, o.Known); err != nil {
		return nil, err
	}
	if o.Frozen != nil {
		if err := checkLoops(g, o.Frozen); err != nil {
			return nil, err
		}
		freeze(g, o.Frozen)
	}
	c := o.Constants
	if c == nil {
		c = new(Constants)
	}
	passes := modelPasses(c)
	if o.Plain {
		passes = []pass{{"fold", "what constants determine", c.fold}}
	}
	if err := runPasses(g, passes); err != nil {
		return nil, err
	}
	g.Prune()
	ondisk.Release() // what folding read
	return g, nil
}

// fix makes inputs constants.
func fix(g *ir.Graph, known map[string]*tensor.Tensor) error {
	var rest []*ir.Value
	for _, v := range g.Inputs {
		t := known[v.Name]
		if t == nil {
			rest = append(rest, v)
			continue
		}
		if !ir.TypeOf(t).Equal(v.Type) {
			return fmt.Errorf("compile: input %q is %v, known as %v", v.Name, v.Type, ir.TypeOf(t))
		}
		v.Kind, v.Data = ir.Const, t
	}
	g.Inputs = rest
	return nil
}

// Trace returns what the values of a raw graph become when it is specialised: values with static
// types, and constants where shapes and constants determine them.
func Trace(raw *ir.Graph, shapes map[string]tensor.Shape) (map[*ir.Value]*ir.Value, error) {
	values := map[*ir.Value]*ir.Value{}
	_, err := Model(raw, Options{Shapes: shapes, Plain: true, values: values})
	return values, err
}

// Inference compiles a whole model, with all weights frozen, to a program.
func Inference(raw *ir.Graph, shapes map[string]tensor.Shape, m Memory) (*Program, error) {
	g, err := Model(raw, Options{Shapes: shapes, Frozen: All})
	if err != nil {
		return nil, err
	}
	return Region(g, m)
}
