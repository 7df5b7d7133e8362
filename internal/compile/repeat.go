package compile

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Repeat returns a program for n examples that runs p, which is for one, on each of them in turn. The
// examples are on the first axis of every input and output. It shares p's memory, and its outputs
// have their own.
func (p *Program) Repeat(n int) *Program {
	q := &Program{graph: p.graph, plan: p.plan, one: p, times: n}
	for _, v := range p.graph.Inputs {
		q.inputs = append(q.inputs, []*tensor.Tensor{repeated(v.Type.DType, v.Type.Shape, n)})
	}
	for _, t := range p.out {
		all := repeated(t.DType, t.Shape, n)
		all.Bytes = tensor.AlignedBytes(all.Shape.Len() * all.DType.Size())
		q.out = append(q.out, all)
	}
	return q
}

// repeated is the header of n examples.
func repeated(dt tensor.DType, one tensor.Shape, n int) *tensor.Tensor {
	s := one.Clone()
	if len(s) > 0 {
		s[0] *= n
	}
	return &tensor.Tensor{DType: dt, Shape: s}
}

// runEach is run of a repeated program.
func (p *Program) runEach(ctx context.Context, inputs []*tensor.Tensor, after func(*step) bool) ([]*tensor.Tensor, error) {
	for i, t := range inputs {
		if want := p.inputs[i][0]; t.DType != want.DType || !t.Shape.Equal(want.Shape) {
			return nil, fmt.Errorf("compile: input %q is %v%v, given %v%v", p.graph.Inputs[i].Name, want.DType, want.Shape, t.DType, t.Shape)
		}
	}
	given := make([]*tensor.Tensor, len(inputs))
	for k := range p.times {
		for i, t := range inputs {
			size := len(t.Bytes) / p.times
			given[i] = &tensor.Tensor{DType: t.DType, Shape: p.graph.Inputs[i].Type.Shape, Bytes: t.Bytes[k*size : (k+1)*size]}
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
