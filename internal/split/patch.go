package split

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Patch describes how the tuned file differs from the base for a plan of what trained. It holds new
// contents of changed weights, the new head in place of what it replaces, and adapters beside their
// layers. If merge is set, adapters are merged into their layers' weights. Standardisation is folded
// into the head's weights, and so is the division of a fresh head's scores by the temperature, if
// that is not 0. The caller adds the metadata.
func (n *Network) Patch(plan *freeze.Plan, merge bool, temperature float64) (*onnx.Patch, error) {
	p := &onnx.Patch{Tensors: map[string]*tensor.Tensor{}}
	changed := map[string]*tensor.Tensor{} // and added ones, by name
	fresh := n.Headed.fresh()
	for _, w := range n.Set.Weights {
		added := slices.Contains(fresh, w.Name) // with a schedule it may never have trained
		if added || plan.Of(w.Name).State != freeze.Frozen {
			changed[w.Name] = w.Value.Data
		}
		if !added && plan.Of(w.Name).State != freeze.Frozen {
			p.Tensors[w.Name] = w.Value.Data
		}
	}
	if n.Headed.Fresh {
		n.foldHead(changed)
		n.foldAnswers(changed)
		n.foldTemperature(changed, temperature)
	}
	h := n.Headed
	if h.Adapters != nil && merge {
		if err := n.mergeAdapters(p, changed); err != nil {
			return nil, err
		}
		h = h.bare
	}
	n.splice(p, h, changed)
	p = n.Base.prepend(p)
	if s := n.Headed.short; s != nil && (s.Cut != "" || len(s.Bypasses) > 0) {
		n.Base.Model.Trim(p)
	}
	return p, nil
}

// foldHead rewrites the first layer of the head in changed so that it reads raw features.
func (n *Network) foldHead(changed map[string]*tensor.Tensor) {
	if n.rooted().Norm == nil {
		return
	}
	weight, bias := n.Headed.Weights[0], n.Headed.Weights[1]
	w, b := changed[weight].Clone(), changed[bias].Clone()
	n.rooted().Norm.Fold(w.F32(), b.F32())
	changed[weight], changed[bias] = w, b
}

// foldAnswers rewrites the last layer of a fresh head that trained on standardised targets so that
// it gives the original units.
func (n *Network) foldAnswers(changed map[string]*tensor.Tensor) {
	r, ok := task.Plain(n.Task).(task.Scaled)
	if !ok {
		return
	}
	names := n.Headed.Weights[len(n.Headed.Weights)-2:]
	for _, name := range names {
		changed[name] = changed[name].Clone()
	}
	r.Fold(changed[names[0]].F32(), changed[names[1]].F32())
}

// foldTemperature rewrites the last layer of a fresh head so that its scores are divided by the
// temperature.
func (n *Network) foldTemperature(changed map[string]*tensor.Tensor, temperature float64) {
	if temperature == 0 || temperature == 1 {
		return
	}
	for _, name := range n.Headed.Weights[len(n.Headed.Weights)-2:] {
		t := changed[name].Clone()
		for i, v := range t.F32() {
			t.F32()[i] = float32(float64(v) / temperature)
		}
		changed[name] = t
	}
}

// mergeAdapters puts new contents of the adapted weights into changed and the patch, in place of
// the adapters.
func (n *Network) mergeAdapters(p *onnx.Patch, changed map[string]*tensor.Tensor) error {
	merged, err := n.Headed.Adapters.Merge()
	if err != nil {
		return err
	}
	for _, name := range n.Headed.Adapters.Weights {
		delete(changed, name)
	}
	for name, t := range merged {
		changed[name], p.Tensors[name] = t, t
	}
	return nil
}

// prepend merges the edits that freed the batch size into the edits of a fit.
func (b *Base) prepend(p *onnx.Patch) *onnx.Patch {
	if b.Patch == nil {
		return p
	}
	q := *b.Patch
	if q.Tensors == nil {
		q.Tensors = map[string]*tensor.Tensor{}
	}
	for k, v := range p.Tensors {
		q.Tensors[k] = v
	}
	for name := range q.Tensors { // removed by the fit, so needs no new contents
		if slices.Contains(p.RemoveInitializers, name) {
			delete(q.Tensors, name)
		}
	}
	// What freeing the batch adds behind the place where the head reads is not added at all.
	initializers, nodes := slices.Clone(p.RemoveInitializers), slices.Clone(p.RemoveNodes)
	q.AddInitializers = slices.DeleteFunc(slices.Clone(q.AddInitializers), func(i onnx.Initializer) bool { return took(&initializers, i.Name) })
	q.AddNodes = slices.DeleteFunc(slices.Clone(q.AddNodes), func(n *onnx.Node) bool {
		return slices.ContainsFunc(n.Outputs, func(o string) bool { return took(&nodes, o) })
	})
	q.AddInitializers = append(q.AddInitializers, p.AddInitializers...)
	q.RemoveInitializers = append(slices.Clone(q.RemoveInitializers), initializers...)
	q.AddNodes = append(q.AddNodes, p.AddNodes...)
	q.RemoveNodes = append(slices.Clone(q.RemoveNodes), nodes...)
	q.Rewire = append(slices.Clone(q.Rewire), p.Rewire...)
	q.DropValueInfos = append(slices.Clone(q.DropValueInfos), p.DropValueInfos...)
	if p.Outputs != nil {
		q.Outputs = p.Outputs
	}
	q.Inputs = append(slices.Clone(q.Inputs), p.Inputs...)
	q.Metadata = p.Metadata
	return &q
}

// took removes a name from a list, and reports whether it was there.
func took(names *[]string, name string) bool {
	i := slices.Index(*names, name)
	if i >= 0 {
		*names = slices.Delete(*names, i, i+1)
	}
	return i >= 0
}
