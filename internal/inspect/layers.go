package inspect

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Layer is a layer that owns weights.
type Layer struct {
	Name   string // module path, which also selects it
	Op     string // ONNX operator
	Params int
	// for one example, including following operations without weights
	FLOPs int64
	State freeze.State

	Node    string // path of the node that reads the weight
	Block   string
	Weights []WeightState
}

// WeightState is one weight of a layer.
type WeightState struct {
	Name  string
	Role  freeze.Role
	Shape tensor.Shape
	State freeze.State
}

// Block is a repeated part of the network.
type Block struct {
	Name   string
	Params int
	Thawed int
}

func symbolic(s tensor.Shape, dims []string) string {
	var parts []string
	for i, d := range s {
		switch {
		case d >= 0:
			parts = append(parts, fmt.Sprint(d))
		case i < len(dims) && dims[i] != "":
			parts = append(parts, dims[i])
		default:
			parts = append(parts, "?")
		}
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// layers groups weights that can train into layers and blocks, with their states in the plan, and
// adds up the operations of one example for each.
func (in *Inspection) layers(t *trainable, plan *freeze.Plan) error {
	ops := map[string]string{}
	for _, n := range t.net.Headed.Graph.Nodes {
		ops[n.Name] = n.Op
	}
	blocks := make([]Block, len(t.net.Set.Blocks))
	for i, name := range t.net.Set.Blocks {
		blocks[i].Name = name
	}
	trains := map[string]bool{} // layers of fixed tables alone have no weights
	for _, w := range t.net.Set.Weights {
		if w.Role.Trains() {
			trains[layerName(w)] = true
		}
	}
	at := map[string]int{}
	owner := map[string]int{} // weight name -> layer index
	for _, w := range t.net.Set.Weights {
		name, node := layerName(w), nodeName(w)
		if !trains[name] {
			continue
		}
		k, ok := at[name]
		if !ok {
			k = len(in.Layers)
			at[name] = k
			in.Layers = append(in.Layers, Layer{Name: name, Op: ops[node], Node: node})
			if w.Block >= 0 {
				in.Layers[k].Block = t.net.Set.Blocks[w.Block]
			} else if w.Head {
				in.Layers[k].Block = "head"
			}
		}
		l := &in.Layers[k]
		e := plan.Of(w.Name)
		owner[w.Name] = k
		l.Weights = append(l.Weights, WeightState{w.Name, w.Role, w.Value.Type.Shape, e.State})
		if !w.Role.Trains() {
			continue
		}
		l.Params += w.Len()
		if w.Block >= 0 {
			b := &blocks[w.Block]
			b.Params += w.Len()
			if e.State == freeze.Thaw || e.State == freeze.Partly {
				b.Thawed += w.Len()
			}
		}
	}
	for i := range in.Layers {
		in.Layers[i].State = layerState(in.Layers[i].Weights)
	}
	in.Blocks = blocks
	return in.count(t, owner)
}

// nodeName is the path of the node that reads the weight, or the weight's own name.
func nodeName(w *freeze.Weight) string {
	if len(w.Nodes) > 0 {
		return w.Nodes[0]
	}
	return w.Name
}

// layerName is the module path of the weight's layer, or its nodeName.
func layerName(w *freeze.Weight) string {
	return cmp.Or(strings.Join(w.Module, "."), nodeName(w))
}

// layerState derives the state of a layer from those of its weights. Running statistics count only
// if there is nothing else.
func layerState(ws []WeightState) freeze.State {
	var state freeze.State
	for _, w := range ws {
		switch {
		case !w.Role.Trains():
		case state == "":
			state = w.State
		case state != w.State:
			return freeze.Partly
		}
	}
	if state == "" && len(ws) > 0 {
		return ws[0].State
	}
	return state
}

// count adds up the operations of one example. A node counts for the layer whose weight it reads. A
// node without weights counts for the previous layer.
func (in *Inspection) count(t *trainable, owner map[string]int) error {
	g, err := compile.Model(t.net.Headed.Graph, compile.Options{Shapes: t.sized.Base.ShapesAt(1, t.sized.Length), Plain: true})
	if err != nil {
		return err
	}
	// values that depend only on weights, and their layer, counted from 1
	from := map[*ir.Value]int{}
	layer := -1
	for _, n := range g.Nodes {
		static, reads := true, -1
		for _, v := range n.Inputs {
			if v == nil || v.Kind == ir.Const {
				continue
			}
			k, ok := from[v]
			if v.Kind == ir.Param {
				k, ok = owner[v.Name]
			}
			static = static && ok
			if ok {
				reads = max(reads, k)
			}
		}
		if static && reads >= 0 {
			for _, v := range n.Outputs {
				from[v] = reads
			}
			continue
		}
		if reads >= 0 {
			layer = reads
		}
		f := n.FLOPs()
		in.FLOPs += f
		if layer >= 0 {
			in.Layers[layer].FLOPs += f
		}
	}
	return nil
}
