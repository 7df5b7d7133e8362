package split

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// splice adds to the patch what h has and the base lacks: new nodes with their weights and
// constants, and inputs of old nodes that read new values. A fresh head replaces the nodes whose
// results nobody reads any more.
func (net *Network) splice(p *onnx.Patch, h *Headed, changed map[string]*tensor.Tensor) {
	place := net.rewire(p, h)
	isNew := map[*ir.Node]bool{}
	for _, n := range h.New {
		isNew[n] = true
	}
	consts := map[*ir.Value]bool{}
	for _, n := range h.Graph.Nodes {
		if !isNew[n] {
			continue
		}
		add := &onnx.Node{Name: n.Name, Op: n.Op, Attrs: n.Attrs, Before: place[n]}
		for _, v := range n.Inputs {
			add.Inputs = append(add.Inputs, v.Name)
			if v.Kind == ir.Const && !consts[v] {
				consts[v] = true
				p.AddInitializers = append(p.AddInitializers, onnx.Initializer{Name: v.Name, Tensor: v.Data})
			}
		}
		for _, v := range n.Outputs {
			add.Outputs = append(add.Outputs, v.Name)
		}
		p.AddNodes = append(p.AddNodes, add)
	}
	for _, name := range h.fresh() {
		p.AddInitializers = append(p.AddInitializers, onnx.Initializer{Name: name, Tensor: changed[name]})
	}
	if h.Fresh {
		net.replace(p, h, isNew)
	}
}

// rewire makes the file's nodes read what they read in h. For each new node it returns the value
// before whose node it must be placed: the first node of the file that reads its result. New nodes
// that only other trailing new nodes read have none.
func (net *Network) rewire(p *onnx.Patch, h *Headed) map[*ir.Node]string {
	twin := map[string]*ir.Node{} // the file's nodes in h, by output
	for _, n := range h.Graph.Nodes {
		twin[firstOutput(n)] = n
	}
	first := map[string]int{} // new value -> first node of the file that needs it
	need := func(name string, at int) {
		if was, ok := first[name]; !ok || at < was {
			first[name] = at
		}
	}
	nodes := net.Base.Model.Graph.Nodes
	for i, n := range nodes {
		t := twin[firstOutput(n)]
		if t == nil && h.Fresh {
			continue // it is removed
		}
		for k, v := range n.Inputs {
			if v == nil {
				continue
			}
			name := h.short.instead(v.Name)
			if t != nil {
				name = t.Inputs[k].Name
			} else if h.Adapters != nil && h.Adapters.Instead[name] != "" {
				name = h.Adapters.Instead[name]
			}
			if name != v.Name {
				p.Rewire = append(p.Rewire, onnx.Rewire{Node: firstOutput(n), Index: k, Value: name})
				need(name, i)
			}
		}
	}
	place := map[*ir.Node]string{}
	for i := len(h.Graph.Nodes) - 1; i >= 0; i-- {
		n, at := h.Graph.Nodes[i], math.MaxInt
		for _, v := range n.Outputs {
			if v == nil {
				continue
			}
			if k, ok := first[v.Name]; ok {
				at = min(at, k)
			}
		}
		if at == math.MaxInt {
			continue
		}
		place[n] = firstOutput(nodes[at])
		for _, v := range n.Inputs {
			if v != nil && v.Node != nil {
				need(v.Name, at)
			}
		}
	}
	return place
}

// replace removes the nodes whose results nobody reads with a fresh head, and makes the head's
// scores the only output.
func (net *Network) replace(p *onnx.Patch, h *Headed, isNew map[*ir.Node]bool) {
	kept := map[string]bool{}
	for _, n := range h.Graph.Nodes {
		for _, v := range n.Outputs {
			if v != nil && !isNew[n] {
				kept[v.Name] = true
			}
		}
	}
	used := map[string]bool{}
	for _, w := range net.Set.Weights {
		used[w.Name] = true
	}
	for _, n := range net.Base.Model.Graph.Nodes {
		out := firstOutput(n)
		if out != "" && !kept[out] {
			p.RemoveNodes = append(p.RemoveNodes, out)
			for _, v := range n.Outputs {
				if v != nil {
					p.DropValueInfos = append(p.DropValueInfos, v.Name)
				}
			}
		}
	}
	for _, w := range net.Base.Model.Params {
		if !used[w.Name] && w.Initializer >= 0 {
			p.RemoveInitializers = append(p.RemoveInitializers, w.Name)
		}
	}
	out := h.Graph.Outputs[0]
	p.DropValueInfos = append(p.DropValueInfos, out.Name)
	batch := "batch"
	if in := net.Base.Model.Inputs[0]; len(in.Dims) > 0 && in.Dims[0] != "" {
		batch = in.Dims[0]
	}
	p.Outputs = []onnx.ValueInfo{{Name: out.Name, DType: tensor.Float32, Shape: tensor.Shape{-1, net.Task.Scores()}, Dims: []string{batch, ""}}}
}

func firstOutput(n *ir.Node) string {
	for _, v := range n.Outputs {
		if v != nil {
			return v.Name
		}
	}
	return ""
}
