package compile

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Repeat returns a program for n examples that runs p, which is for one, on each of them in turn. The
// examples are on the first axis of every input and output. It shares p's memory, and its outputs
// have their own.
func (p *Program) Repeat(n int) *Program {
	g := *p.graph // of which only inputs and outputs are looked at
	q := &Program{graph: &g, plan: p.plan, one: p, times: n}
	g.Inputs, g.Outputs = repeated(g.Inputs, n), repeated(g.Outputs, n)
	for _, v := range g.Outputs {
		q.out = append(q.out, tensor.New(v.Type.DType, v.Type.Shape...))
	}
	return q
}

// repeated gives values for one example the types of n.
func repeated(vs []*ir.Value, n int) []*ir.Value {
	out := make([]*ir.Value, len(vs))
	for i, v := range vs {
		w := *v
		if w.Type.Shape = v.Type.Shape.Clone(); len(w.Type.Shape) > 0 {
			w.Type.Shape[0] *= n
		}
		out[i] = &w
	}
	return out
}

// runEach is run of a repeated program.
func (p *Program) runEach(ctx context.Context, inputs []*tensor.Tensor, after func(*step) bool) ([]*tensor.Tensor, error) {
	for i, t := range inputs {
		if v := p.graph.Inputs[i]; t.DType != v.Type.DType || !t.Shape.Equal(v.Type.Shape) {
			return nil, fmt.Errorf("compile: input %q is %v, given %v%v", v.Name, v.Type, t.DType, t.Shape)
		}
	}
	given := make([]*tensor.Tensor, len(inputs))
	for k := range p.times {
		for i, t := range inputs {
			size := len(t.Bytes) / p.times
			given[i] = &tensor.Tensor{DType: t.DType, Shape: p.one.graph.Inputs[i].Type.Shape, Bytes: t.Bytes[k*size : (k+1)*size]}
		}
		out, err := p.one.run(ctx, given, after)
		if err != nil {
			return nil, err
		}
		for i, t := range out {
			copy(p.out[i].Bytes[k*len(t.Bytes):], t.Bytes)
		}
	}
	return p.out, nil
}
