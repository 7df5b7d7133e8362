package peft

import (
	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Merged is an adapter as part of a model's weights: the new contents of those that it changes, by name,
// so that the model computes what it does with the adapter, up to rounding. From are the names of the
// adapter's tensors that went into each: two of a pair, or one that takes the place of the weight.
func (a *Adapter) Merged(raw *ir.Graph) (weights map[string]*tensor.Tensor, from map[string][]string, err error) {
	g, _ := ir.Clone(raw)
	set := freeze.Describe(g, nil)
	p, err := a.Place(g, set, nil)
	if err != nil {
		return nil, nil, err
	}
	added, err := adapter.Add(g, set, adapter.Spec{Given: p.Given})
	if err != nil {
		return nil, nil, err
	}
	if weights, err = added.Merge(); err != nil {
		return nil, nil, err
	}
	for name, t := range p.Full {
		weights[name] = t
	}
	return weights, p.From, nil
}
