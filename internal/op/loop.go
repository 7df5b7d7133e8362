package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Loop runs its attribute body, a specialised graph (iteration int64, condition bool, states...,
// captured...) -> (condition, states...), while the condition holds and fewer than trips iterations
// have passed. Inputs are trips, the condition (both optional), the states and the captured values.
// Outputs are the last states, whose types do not change. It is used if a model's loop cannot be
// unrolled. It has no gradient. Attribute start is the number of the first iteration, states the
// number of states.
func init() {
	register(ir.Def{
		Name: "Loop",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			g, k, err := loopBody(n)
			if err != nil {
				return nil, err
			}
			if len(n.Inputs) != len(g.Inputs) || len(g.Outputs) != 1+k {
				return nil, fmt.Errorf("a body with %d inputs and %d outputs does not fit %d states", len(g.Inputs), len(g.Outputs), k)
			}
			if c := g.Outputs[0].Type; c.DType != tensor.Bool || c.Shape.Len() != 1 {
				return nil, fmt.Errorf("the body's condition is %v", c)
			}
			var types []ir.Type
			for i := range k {
				t := n.Inputs[2+i].Type
				if u := g.Outputs[1+i].Type; !u.Equal(t) {
					return nil, fmt.Errorf("state %d changes from %v to %v", i, t, u)
				}
				types = append(types, t)
			}
			return types, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			g, _, err := loopBody(n)
			if err != nil {
				return ir.Bound{}, err
			}
			body, err := newInterpreter(g)
			if err != nil {
				return ir.Bound{}, err
			}
			start := int64(n.Attrs.Int("start", 0))
			return ir.Bound{Stateful: body.stateful(), Run: func(in, out []*tensor.Tensor, _ []byte) error {
				args := slices.Clone(in)
				on := in[1] == nil || tensor.Data[bool](in[1])[0]
				for i := start; on && (in[0] == nil || i < in[0].I64()[0]); i++ {
					args[0], args[1] = tensor.Scalar(i), tensor.Scalar(on)
					results, err := body.run(args)
					if err != nil {
						return fmt.Errorf("iteration %d: %w", i, err)
					}
					on = tensor.Data[bool](results[0])[0]
					copy(args[2:], results[1:])
				}
				for i, t := range out {
					if t != nil {
						copy(t.Bytes, args[2+i].Bytes)
					}
				}
				return nil
			}}, nil
		},
		Cases: func() []ir.Case {
			return []ir.Case{{Name: "doubles", Attrs: ir.Attrs{"body": doubling(), "states": 1},
				Inputs: []*tensor.Tensor{nil, nil, tensor.Scalar(int64(3))}, Want: []*tensor.Tensor{tensor.Scalar(int64(24))}}}
		},
	})
}

func loopBody(n *ir.Node) (*ir.Graph, int, error) {
	g := n.Attrs.Graph("body")
	k := n.Attrs.Int("states", 0)
	if g == nil || k < 0 || len(n.Inputs) < 2+k {
		return nil, 0, fmt.Errorf("has %d inputs for %d states and no body", len(n.Inputs), k)
	}
	return g, k, nil
}

// doubling is the body of a test case: it doubles its state while that is below 20.
func doubling() *ir.Graph {
	g := ir.New("body")
	g.AddInput("i", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{}})
	g.AddInput("on", ir.Type{DType: tensor.Bool, Shape: tensor.Shape{}})
	x := g.AddInput("x", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{}})
	y := g.AddNode(&ir.Node{Name: "y", Op: "Add", Inputs: []*ir.Value{x, x}}, []ir.Type{x.Type}).Outputs[0]
	limit := g.NewConst("limit", tensor.Scalar(int64(20)))
	c := g.AddNode(&ir.Node{Name: "c", Op: "Less", Inputs: []*ir.Value{y, limit}}, []ir.Type{{DType: tensor.Bool, Shape: tensor.Shape{}}}).Outputs[0]
	g.Outputs = []*ir.Value{c, y}
	return g
}

// interpreter runs a specialised graph node by node with new memory for every result.
type interpreter struct {
	g      *ir.Graph
	bounds []ir.Bound
}

func newInterpreter(g *ir.Graph) (*interpreter, error) {
	p := &interpreter{g: g}
	for _, n := range g.Nodes {
		d := ir.Lookup(n.Op)
		if d == nil || d.Bind == nil {
			return nil, n.Errorf("cannot run inside a loop")
		}
		b, err := d.Bind(n)
		if err != nil {
			return nil, n.Errorf("%w", err)
		}
		p.bounds = append(p.bounds, b)
	}
	return p, nil
}

// stateful reports whether a node keeps something between runs.
func (p *interpreter) stateful() bool {
	return slices.ContainsFunc(p.bounds, func(b ir.Bound) bool { return b.Stateful })
}

// run computes the graph's outputs. They share no memory, except with args that are passed through.
func (p *interpreter) run(args []*tensor.Tensor) ([]*tensor.Tensor, error) {
	env := make(map[*ir.Value]*tensor.Tensor, len(p.g.Nodes))
	for i, v := range p.g.Inputs {
		env[v] = args[i]
	}
	get := func(v *ir.Value) *tensor.Tensor {
		switch {
		case v == nil:
			return nil
		case env[v] != nil:
			return env[v]
		}
		return v.Data
	}
	for k, n := range p.g.Nodes {
		b := p.bounds[k]
		in, out := make([]*tensor.Tensor, len(n.Inputs)), make([]*tensor.Tensor, len(n.Outputs))
		for i, v := range n.Inputs {
			in[i] = get(v)
		}
		for i, v := range n.Outputs {
			switch {
			case v == nil:
				continue
			case b.View && i == 0:
				out[i] = &tensor.Tensor{DType: v.Type.DType, Shape: v.Type.Shape, Bytes: in[0].Bytes}
			default:
				out[i] = tensor.New(v.Type.DType, v.Type.Shape...)
			}
			env[v] = out[i]
		}
		if b.View {
			continue
		}
		if err := b.Run(in, out, tensor.AlignedBytes(b.Scratch)); err != nil {
			return nil, n.Errorf("%w", err)
		}
	}
	results := make([]*tensor.Tensor, len(p.g.Outputs))
	for i, v := range p.g.Outputs {
		results[i] = get(v)
	}
	return results, nil
}
