package split

import (
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// namedPlaces resolves the values that the option attach names: by their own names, or by those of
// nodes, weights, layers and blocks, for what these give. The end of a layer's name will do where
// no other ends so.
func namedPlaces(raw *ir.Graph, f *flow, names []string) ([]*ir.Value, error) {
	byName := valueNames(raw)
	var layers map[string]*ir.Value // once a name is none of a value
	var out []*ir.Value
	for _, name := range names {
		v := byName[name]
		if v == nil {
			if layers == nil {
				layers = layerNames(raw)
			}
			v = layers[name]
		}
		if v == nil {
			var like []string
			for layer := range layers {
				if strings.HasSuffix(layer, "."+name) {
					like = append(like, layer)
				}
			}
			slices.Sort(like)
			switch {
			case len(like) == 1:
				v = layers[like[0]]
			case len(like) > 1:
				return nil, option.Errorf("attach", "%q could be %s; give the whole name", name, strings.Join(like[:min(len(like), 4)], " or "))
			case slices.ContainsFunc(raw.Inputs, func(in *ir.Value) bool { return in.Name == name }):
				return nil, option.Errorf("attach", "%q is an input of the model; name a value that it computes", name)
			case strings.HasPrefix(name, "/head/"):
				return nil, option.Errorf("attach", "%q belongs to a new head; name a value of the model, or leave the option out", name)
			default:
				return nil, option.Errorf("attach", "the model has no value, node or layer %q; permafrost inspect lists the layers", name)
			}
		}
		if !f.example[v] {
			return nil, option.Errorf("attach", "%q is the same for every example: it does not depend on what the model's inputs hold; name another value", name)
		}
		out = append(out, v)
	}
	return out, nil
}

// valueNames gives the values by their own names and those of nodes.
func valueNames(raw *ir.Graph) map[string]*ir.Value {
	byName := map[string]*ir.Value{}
	for _, n := range raw.Nodes {
		for _, v := range n.Outputs {
			if v != nil {
				byName[v.Name] = v
			}
		}
	}
	for _, n := range raw.Nodes { // behind the values: a node may be called like the value of another
		if len(n.Outputs) > 0 && n.Outputs[0] != nil {
			byName[n.Name] = n.Outputs[0]
		}
	}
	return byName
}

// layerNames gives values by the names of weights, layers and blocks.
func layerNames(raw *ir.Graph) map[string]*ir.Value {
	layers := map[string]*ir.Value{}
	nodes := map[string]*ir.Node{}
	for _, n := range raw.Nodes {
		nodes[n.Name] = n
	}
	users := raw.Users()
	set := freeze.Describe(raw, nil)
	for _, w := range set.Weights {
		if len(w.Nodes) == 0 {
			continue
		}
		n := nodes[w.Nodes[len(w.Nodes)-1]]
		if n == nil || len(n.Outputs) == 0 {
			continue
		}
		layers[w.Name] = n.Outputs[0]
		for k := range w.Module { // the last weight decides
			v := n.Outputs[0]
			if k < len(w.Module)-1 {
				v = behind(users, v)
			}
			layers[strings.Join(w.Module[:k+1], ".")] = v
		}
		if w.Block >= 0 {
			layers[set.Blocks[w.Block]] = behind(users, n.Outputs[0])
		}
	}
	return layers
}

// behind follows a value over the arithmetic and normalisations that alone read it.
func behind(users map[*ir.Value][]*ir.Node, v *ir.Value) *ir.Value {
	for len(users[v]) == 1 {
		n := users[v][0]
		if t := n.RawTraits(); isLayer(n) || len(n.Outputs) == 0 || !t.Elementwise && t.Use(1) != ir.UseScale {
			return v
		}
		v = n.Outputs[0]
	}
	return v
}
