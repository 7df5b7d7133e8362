// Package freeze decides which weights train.
//
// Comes in: the raw graph of a model, selectors of what to thaw and to freeze, and, for a share of
// the elements, their scores. Goes out: the weights as users see them (names, blocks, roles) and a
// plan that says what trains, which every other package obeys. It must not know how a model is run
// or trained.
package freeze

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	_ "github.com/permafrost-ml/permafrost/internal/op" // registers the operators
)

// Role is what a weight does in its layer.
type Role string

// The roles. Selectors of the form kind:ROLE use the same words. Stat and Table cannot be selected,
// since they are not trained.
const (
	RoleWeight    Role = "weight"    // matrices and filters
	RoleBias      Role = "bias"      // added to a layer's result
	RoleNorm      Role = "norm"      // scale and shift of a normalisation
	RoleEmbedding Role = "embedding" // a table looked up by index
	RoleAdapter   Role = "adapter"   // added beside a layer by package adapter
	RoleStat      Role = "stat"      // running mean or variance of a batch normalisation
	RoleTable     Role = "table"     // sines and cosines of positions
)

// Trains reports whether weights of the role can be trained.
func (r Role) Trains() bool { return r != RoleStat && r != RoleTable }

// adapterName matches the names that package adapter gives to weights.
var adapterName = regexp.MustCompile(`\.(lora_[AB]|ia3)(_[0-9]+)?$`)

// Weight is one parameter of the model. Tied weights are one Weight: it has one name, one state and
// one gradient, however many nodes read it.
type Weight struct {
	Name   string
	Value  *ir.Value // the parameter in the raw graph
	Role   Role
	Module []string // path of the layer that owns it: layer1, 0, conv1
	Nodes  []string // paths of the layers that read it, in order
	Head   bool     // belongs to the classifier at the end
	Block  int      // index into Set.Blocks, -1 for none
	Use    Use      // what a linear layer is for in a transformer; 0: nothing known
	// Variance says that it is a running variance, whose numbers are not below 0.
	Variance bool
	norm     []*Weight
	op       string // operator of the first node that reads it
	shift    bool   // of a normalisation: it is added, so training biases alone includes it
}

// Len is the number of elements.
func (w *Weight) Len() int { return w.Value.Type.Shape.Len() }

// Set is all weights of a model, frozen and thawed, in order of first use. An optimiser takes
// Thawed, so it is never handed a Set.
type Set struct {
	Weights []*Weight
	Blocks  []string // names of the repeated parts of the network, from the input to the head

	Attention bool // the network has any

	// Tokens looks the row of a token up, for selectors of rows; nil where there is no tokenizer.
	Tokens func(token string) (int, bool)

	// Original is the model's graph where a new head took the place of its classifier; nil where none
	// did.
	Original *ir.Graph

	integers []*ir.Value // weights that cannot train, see integersOf
	byName   map[string]*Weight
}

// Describe lists the weights of a raw graph. Head names those that belong to the classifier at the
// end.
func Describe(raw *ir.Graph, head []string) *Set {
	s := &Set{byName: map[string]*Weight{}, integers: integersOf(raw)}
	users := raw.Users()
	at := make(map[string]int, len(raw.Nodes))
	for i, n := range raw.Nodes {
		at[n.Name] = i
	}
	type place struct{ node, slot int }
	first := map[*Weight]place{}
	for _, p := range raw.Params() {
		w := &Weight{Name: p.Name, Value: p, Role: RoleWeight, Block: -1, Head: slices.Contains(head, p.Name)}
		readers(users, p, 0, func(n *ir.Node, slot int) {
			here := place{at[n.Name], slot}
			if old, ok := first[w]; !ok || here.node < old.node {
				first[w] = here
			}
			if w.op == "" {
				w.op = n.Op
				w.shift = n.RawTraits().Use(slot) == ir.UseShift
				w.Variance = n.RawTraits().Use(slot) == ir.UseVariance
			}
			if !slices.Contains(w.Nodes, n.Name) {
				w.Nodes = append(w.Nodes, n.Name)
			}
			if r := roleOf(n, slot, p); len(w.Nodes) == 1 || w.Role == RoleWeight {
				w.Role = r
			}
		})
		slices.SortStableFunc(w.Nodes, func(a, b string) int { return cmp.Compare(at[a], at[b]) })
		if adapterName.MatchString(w.Name) {
			w.Role = RoleAdapter
		}
		w.Module = modulePath(w)
		s.Weights = append(s.Weights, w)
		s.byName[w.Name] = w
	}
	// Exporters move nodes that only pass a weight on to the start of the graph. The layer that
	// reads the weight through them counts.
	slices.SortStableFunc(s.Weights, func(a, b *Weight) int {
		p, q := first[a], first[b]
		return cmp.Or(cmp.Compare(p.node, q.node), cmp.Compare(p.slot, q.slot))
	})
	s.shiftsOfNorms()
	tables(s.Weights)
	s.Attention = findUses(raw, users, s.Weights)
	s.Blocks = findBlocks(raw, s.Weights)
	return s
}

// ByName finds a weight, or returns nil.
func (s *Set) ByName(name string) *Weight { return s.byName[name] }

// readers calls fn for every node that reads v, also through nodes that only pass a weight on.
func readers(users map[*ir.Value][]*ir.Node, v *ir.Value, depth int, fn func(n *ir.Node, slot int)) {
	for _, n := range users[v] {
		for slot, in := range n.Inputs {
			if in != v {
				continue
			}
			if depth < 8 && slot == 0 && n.RawTraits().HandsOn {
				readers(users, n.Outputs[0], depth+1, fn)
				continue
			}
			fn(n, slot)
		}
	}
}

// roleOf is the role of a weight that node n reads as input slot.
func roleOf(n *ir.Node, slot int, v *ir.Value) Role {
	rank1 := v.Type.Shape.Len() == maxDim(v.Type.Shape)
	switch n.RawTraits().Use(slot) {
	case ir.UseScale, ir.UseShift:
		return RoleNorm
	case ir.UseMean, ir.UseVariance:
		return RoleStat
	case ir.UseBias:
		return RoleBias
	case ir.UseTable:
		if !rank1 {
			return RoleEmbedding
		}
	case ir.UseTerm:
		if rank1 {
			return RoleBias
		}
	case ir.UseFactor:
		if rank1 {
			return RoleNorm
		}
	}
	return RoleWeight
}

func maxDim(s []int) int {
	m := 1
	for _, d := range s {
		m = max(m, d)
	}
	return m
}

// shiftsOfNorms finds the shifts of normalisations that an exporter wrote as Mul and Add. A bias
// whose layer also owns a norm scale is part of that norm.
func (s *Set) shiftsOfNorms() {
	scales := map[string]*Weight{}
	for _, w := range s.Weights {
		if w.Role == RoleNorm {
			scales[strings.Join(w.Module, ".")] = w
		}
	}
	for _, w := range s.Weights {
		if n := scales[strings.Join(w.Module, ".")]; n != nil && w.Role == RoleBias && n.Len() == w.Len() {
			w.Role, w.shift = RoleNorm, true
		}
	}
	// scale, shift and statistics of one batch normalisation know each other
	for _, w := range s.Weights {
		if w.Role == RoleNorm || w.Role == RoleStat {
			for _, v := range s.Weights {
				if v != w && (v.Role == RoleNorm || v.Role == RoleStat) && len(w.Nodes) > 0 && len(v.Nodes) > 0 && v.Nodes[0] == w.Nodes[0] {
					w.norm = append(w.norm, v)
				}
			}
		}
	}
}

// modulePath is the path of the layer that owns a weight. It comes from the weight's own name where
// that is a path (layer1.0.conv1.weight). Where the exporter made the name up (onnx::Conv_193), it
// comes from the path of the node that reads the weight (/layer1/layer1.0/conv1/Conv).
func modulePath(w *Weight) []string {
	if !madeUp(w.Name) {
		if parts := splitName(w.Name); len(parts) > 1 {
			return parts[:len(parts)-1]
		}
	}
	if len(w.Nodes) == 0 {
		return nil
	}
	return NodeModule(w.Nodes[0])
}

// madeUp reports whether the name is a number that an exporter gave.
func madeUp(name string) bool {
	if strings.HasPrefix(name, "onnx::") || strings.HasPrefix(name, "/") {
		return true
	}
	return strings.Trim(name, "0123456789") == "" || !strings.ContainsAny(name, "./")
}

func splitName(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '/' })
}

// NodeModule turns a node path into a module path. PyTorch repeats the parent's name in its
// children, so /layer1/layer1.0/conv1/Conv is layer1, 0, conv1. The last part names the operator.
func NodeModule(node string) []string {
	parts := strings.Split(strings.Trim(path.Dir(node), "/"), "/")
	var out []string
	parent := ""
	for _, p := range parts {
		if p == "" || p == "." {
			continue
		}
		rest := p
		if parent != "" && strings.HasPrefix(p, parent+".") {
			rest = p[len(parent)+1:]
		}
		out = append(out, strings.Split(rest, ".")...)
		parent = p
	}
	return out
}

// Elements counts the elements of all weights that can train, which excludes running statistics.
func (s *Set) Elements() int {
	n := 0
	for _, w := range s.Weights {
		if w.Role.Trains() {
			n += w.Len()
		}
	}
	return n
}
