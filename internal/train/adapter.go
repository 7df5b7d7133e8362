package train

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// adapterIndex is where the first weights of adapters begin among those that a seed draws, behind the head's.
const adapterIndex = 16

// plan adds the adapters that the options ask for, describes the weights and makes the plan.
func (h *Headed) plan(cfg Config, base *onnx.Model, tokens func(string) (int, bool)) (*freeze.Set, *freeze.Plan, error) {
	set := freeze.Describe(h.Graph, h.Weights)
	if cfg.Adapter != "" {
		spec, err := adapter.Parse(cfg.Adapter)
		if err != nil {
			return nil, nil, fmt.Errorf("--adapter: %w", err)
		}
		spec.Alpha, spec.Targets = cfg.AdapterAlpha, cfg.AdapterTargets
		spec.Draw = func(n, inputs, index int) []float32 { return kaiming(n, inputs, cfg.Seed, adapterIndex+index) }
		if !h.Fresh {
			for _, v := range base.Graph.Outputs {
				spec.Outputs = append(spec.Outputs, v.Name)
			}
		}
		if cfg.AdapterMerge {
			h.bare = h.clone()
		}
		if h.Adapters, err = adapter.Add(h.Graph, set, spec); err != nil {
			return nil, nil, err
		}
		h.New = append(h.New, h.Adapters.Nodes...)
		set = freeze.Describe(h.Graph, h.Weights)
	}
	set.Tokens = tokens
	plan, err := freeze.New(set, freeze.Options{Thaw: cfg.Thaw, Freeze: cfg.Freeze, BatchNorm: cfg.BatchNorm, Model: base.Digest(), Head: cfg.Head, NewHead: h.fresh()})
	return set, plan, err
}

// clone is a copy whose graph can be changed apart.
func (h *Headed) clone() *Headed {
	isNew := map[string]bool{}
	for _, n := range h.New {
		isNew[n.Name] = true
	}
	c := *h
	c.Graph, _ = ir.Clone(h.Graph)
	c.New = nil
	for _, n := range c.Graph.Nodes {
		if isNew[n.Name] {
			c.New = append(c.New, n)
		}
	}
	return &c
}

// adapted are notes on the adapters for the user.
func (h *Headed) adapted() []string {
	if h.Adapters == nil {
		return nil
	}
	a := h.Adapters
	notes := []string{fmt.Sprintf("%d layers have an adapter", a.Layers)}
	if n := len(a.Skipped); n > 0 {
		notes = append(notes, fmt.Sprintf("%d of the layers named have none, the first: %s", n, a.Skipped[0]))
	}
	if h.bare != nil {
		notes = append(notes, "adapters are merged into the weights in the end: verify will name these as changed")
	}
	return notes
}

// mergeAdapters puts new contents of the weights that adapters change into changed and the patch, in place of the adapters.
func (s *Session) mergeAdapters(p *onnx.Patch, changed map[string]*tensor.Tensor) error {
	merged, err := s.Headed.Adapters.Merge()
	if err != nil {
		return err
	}
	for _, name := range s.Headed.Adapters.Weights {
		delete(changed, name)
	}
	for name, t := range merged {
		changed[name], p.Tensors[name] = t, t
	}
	return nil
}
