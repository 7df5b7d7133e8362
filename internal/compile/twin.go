package compile

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Twin makes a program that computes the same in its own memory, so that both can run at once. They
// share the weights, including packed ones, and prepared operators. Twins may be made while any of
// them runs, but from one goroutine at a time.
func (p *Program) Twin() (*Program, error) { return p.twin(nil) }

// twin makes a Twin with its own contents for some weights, which operators must not have packed.
func (p *Program) twin(own map[*ir.Value]*tensor.Tensor) (*Program, error) {
	if p.one != nil {
		one, err := p.one.twin(own)
		if err != nil {
			return nil, err
		}
		return one.Repeat(p.times), nil
	}
	plan := *p.plan
	plan.header, plan.own, plan.bounds = map[*ir.Value]*tensor.Tensor{}, own, map[*ir.Node]ir.Bound{}
	for n, b := range p.plan.bounds {
		if b.Stateful {
			var err error
			if b, err = ir.Lookup(n.Op).Bind(n); err != nil {
				return nil, n.Errorf("%w", err)
			}
		}
		plan.bounds[n] = b
	}
	return plan.program(p.graph, nil), nil
}
