package inspect

import (
	"path"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Outline is the network of a fit, node by node, in the parts that it has.
type Outline struct {
	Parts []Part        // from the input to the head
	Nodes []OutlineNode // each after those that it reads
}

// Part is a block, the head, or what lies between two of these.
type Part struct {
	Name     string
	Selector string   // names its weights, and only these; "" where it has none
	Nodes    []int    // indices
	Layers   []string // names, see Layer
	Picks    []string // the selector of each layer
}

// OutlineNode is an operation of the model's file or of its new head.
type OutlineNode struct {
	Name  string
	Op    string
	Part  int
	From  []int  // nodes that compute what it reads
	Layer string // of the weights that it reads; "" for none
	Shape []int  // of the largest of these
}

// outline lists the nodes of the network. A node without weights belongs to the part of what it
// reads; one that depends on no example, to the part that reads it.
func (t *trainable) outline(in *Inspection) (*Outline, error) {
	g, o := t.net.Headed.Graph, &Outline{}
	weights := map[string]*freeze.Weight{}
	for _, w := range t.net.Set.Weights {
		if w.Role.Trains() {
			weights[w.Name] = w
		}
	}
	part := map[string]int{} // by the name of a block
	partOf := func(layer *Layer) int {
		k, ok := part[layer.Block]
		if !ok {
			k = len(o.Parts)
			part[layer.Block] = k
			o.Parts = append(o.Parts, Part{Name: layer.Block})
		}
		return k
	}
	layer := map[string]int{}
	for i := range in.Layers {
		layer[in.Layers[i].Name] = i
		if in.Layers[i].Block != "" {
			partOf(&in.Layers[i])
		}
	}
	const none = -1
	at := map[*ir.Node]int{}
	fed := map[*ir.Node]bool{} // depends on an example
	for _, n := range g.Needed() {
		if n.Op == "Constant" {
			continue
		}
		node := OutlineNode{Name: n.Name, Op: n.Op, Part: none}
		for _, v := range n.Inputs {
			switch {
			case v == nil || v.Kind == ir.Const:
			case v.Kind == ir.Input:
				fed[n] = true
			case v.Kind == ir.Param:
				if w := weights[v.Name]; w != nil {
					if node.Layer == "" || w.Len() > elements(node.Shape) {
						node.Shape = w.Value.Type.Shape
					}
					node.Layer = layerName(w)
				}
			case v.Node != nil && v.Node.Op != "Constant":
				k, ok := at[v.Node]
				if !ok {
					continue
				}
				if !slices.Contains(node.From, k) {
					node.From = append(node.From, k)
				}
				fed[n] = fed[n] || fed[v.Node]
				node.Part = max(node.Part, o.Nodes[k].Part)
			}
		}
		if k, ok := layer[node.Layer]; ok && in.Layers[k].Block != "" {
			node.Part = part[in.Layers[k].Block]
		}
		at[n] = len(o.Nodes)
		o.Nodes = append(o.Nodes, node)
	}
	// What no part has is of the one that reads it.
	for i := len(o.Nodes) - 1; i >= 0; i-- {
		n := &o.Nodes[i]
		for _, k := range n.From {
			if from := &o.Nodes[k]; n.Part != none && (from.Part == none || from.Part > n.Part) {
				from.Part = n.Part
			}
		}
	}
	if len(o.Parts) == 0 {
		o.Parts = append(o.Parts, Part{Name: "network"})
	}
	for i := range o.Nodes {
		n := &o.Nodes[i]
		n.Part = max(n.Part, 0)
		o.Parts[n.Part].Nodes = append(o.Parts[n.Part].Nodes, i)
	}
	for i := range in.Layers {
		l := &in.Layers[i]
		k, ok := part[l.Block]
		if l.Block == "" || !ok {
			k = 0
			if j := slices.IndexFunc(o.Nodes, func(n OutlineNode) bool { return n.Layer == l.Name }); j >= 0 {
				k = o.Nodes[j].Part
			}
		}
		p := &o.Parts[k]
		p.Layers, p.Picks = append(p.Layers, l.Name), append(p.Picks, t.pick(l))
	}
	for i := range o.Parts {
		p := &o.Parts[i]
		p.Selector = strings.Join(p.Picks, ",")
		if len(p.Layers) > 0 && t.exact(p.Name, p.Layers, in) {
			p.Selector = p.Name
		}
	}
	return o, nil
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// pick is a selector of the weights of a layer, and only of these.
func (t *trainable) pick(l *Layer) string {
	own := map[string]bool{}
	for _, w := range l.Weights {
		if w.Role.Trains() {
			own[w.Name] = true
		}
	}
	for _, name := range []string{l.Name, l.Node, path.Dir(l.Node)} {
		if t.names(name, own) {
			return name
		}
	}
	var all []string
	for _, w := range l.Weights {
		if own[w.Name] {
			all = append(all, w.Name)
		}
	}
	return strings.Join(all, ",")
}

// exact reports whether a name selects the weights of these layers, and only these.
func (t *trainable) exact(name string, layers []string, in *Inspection) bool {
	own := map[string]bool{}
	for i := range in.Layers {
		if slices.Contains(layers, in.Layers[i].Name) {
			for _, w := range in.Layers[i].Weights {
				if w.Role.Trains() {
					own[w.Name] = true
				}
			}
		}
	}
	return t.names(name, own)
}

func (t *trainable) names(selector string, own map[string]bool) bool {
	if selector == "" || selector == "." || strings.ContainsAny(selector, ",") {
		return false
	}
	found, err := t.net.Set.Select([]string{selector})
	return err == nil && len(found) == len(own) && !slices.ContainsFunc(found, func(w *freeze.Weight) bool { return !own[w.Name] })
}
