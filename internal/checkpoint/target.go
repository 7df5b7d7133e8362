package checkpoint

import (
	"strings"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// target is a place for a tensor in a model: a parameter, or one of the names that an exporter gave
// it through Identity nodes, since several parameters were equal.
type target struct {
	name   string
	param  *onnx.Param
	alias  bool     // name is the output of an Identity node
	node   *ir.Node // the first layer that reads it, nil where none does
	slot   int      // the input of node
	turned bool     // a Transpose stands between
	module string   // path of the layer in PyTorch's spelling: layer1.0.conv1
}

func (t *target) shape() tensor.Shape { return t.param.Tensor.Shape }

// op is the operator of the layer.
func (t *target) op() string {
	if t.node == nil {
		return ""
	}
	return t.node.Op
}

// madeUp reports whether the exporter made up the name, such as onnx::Conv_193 or
// /Constant_output_0.
func (t *target) madeUp() bool { return madeUp(t.name) }

func madeUp(name string) bool {
	return strings.HasPrefix(name, "onnx::") || strings.Contains(name, "_output_") || strings.Trim(name, "0123456789") == ""
}

// targets lists the places of a model, in the order of the file.
func targets(m *onnx.Model) []*target {
	users := m.Graph.Users()
	var out []*target
	for _, p := range m.Params {
		own := &target{name: p.Name, param: p}
		var others []*target
		var walk func(v *ir.Value)
		walk = func(v *ir.Value) {
			for _, n := range users[v] {
				if n.Op == "Identity" && n.Outputs[0] != nil {
					a := &target{name: n.Outputs[0].Name, param: p, alias: true}
					a.reader(users, n.Outputs[0], false, 0)
					others = append(others, a)
					walk(n.Outputs[0])
				}
			}
		}
		walk(p.Value)
		own.reader(users, p.Value, false, 0)
		if own.node == nil && len(others) == 1 { // a name in passing
			own.node, own.slot, own.turned, own.module = others[0].node, others[0].slot, others[0].turned, others[0].module
			others = nil
		}
		out = append(append(out, own), others...)
	}
	return out
}

// reader finds the first layer that reads v, also through nodes that only pass a weight on. Other
// names of the weight are targets of their own.
func (t *target) reader(users map[*ir.Value][]*ir.Node, v *ir.Value, turned bool, depth int) {
	for _, n := range users[v] {
		for slot, in := range n.Inputs {
			if in != v || t.node != nil {
				continue
			}
			switch {
			case n.Op == "Identity":
			case n.RawTraits().HandsOn:
				if slot == 0 && depth < 8 {
					t.reader(users, n.Outputs[0], turned != (n.Op == "Transpose"), depth+1)
				}
			default:
				t.node, t.slot, t.turned = n, slot, turned
				t.module = moduleOf(n)
			}
		}
	}
}

// moduleOf is the path of the module that a node belongs to.
func moduleOf(n *ir.Node) string { return strings.Join(freeze.NodeModule(n.Name), ".") }

// transposable reports whether the layer takes [in,out] where PyTorch's Linear keeps [out,in].
func (t *target) transposable() bool {
	if len(t.shape()) != 2 || t.turned || t.node == nil {
		return false
	}
	return t.node.RawTraits().Linear && t.slot == 1 && !t.node.Attrs.Bool("transB")
}

// guesses lists the names that the tensor may have in PyTorch where its own name says nothing, the
// most likely first.
func (t *target) guesses(users map[*ir.Value][]*ir.Node) []string {
	if t.node == nil {
		return nil
	}
	var out []string
	if t.op() == "MatMul" { // a product and its bias: in_proj_weight belongs to in_proj_bias
		for _, n := range users[t.node.Outputs[0]] {
			for _, in := range n.Inputs {
				if n.Op == "Add" && in != nil && (in.Kind == ir.Param || in.Node != nil && in.Node.Op == "Identity") {
					if base, ok := strings.CutSuffix(in.Name, "bias"); ok {
						out = append(out, base+"weight")
					}
				}
			}
		}
	}
	kind := "weight"
	switch t.node.RawTraits().Use(t.slot) {
	case ir.UseMean:
		kind = "running_mean"
	case ir.UseVariance:
		kind = "running_var"
	case ir.UseShift, ir.UseBias:
		kind = "bias"
	case ir.UseTerm:
		if len(squeezed(t.shape())) > 1 { // computed, as masks and biases of attention are
			return out
		}
		kind = "bias"
	}
	return append(out, join(t.module, kind))
}

func join(module, name string) string {
	if module == "" {
		return name
	}
	return module + "." + name
}

// parent is the path of the module that owns a tensor, and own the tensor's name in it.
func parent(name string) (module, own string) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}
