// Package ir is the intermediate representation between an ONNX file and running code: a graph of
// single-assignment values with static types.
//
// A graph has two states. As read from a file it is raw: nodes have their ONNX operator, domain and
// version, and result types are unknown. Once specialised (package compile), every value has a
// concrete type, every node names a registered operator (see Def), and shape arithmetic has been
// folded. Values and nodes keep their names from the file, as users select weights by them.
package ir

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Type is the static type of a value.
type Type struct {
	DType tensor.DType
	Shape tensor.Shape
}

func (t Type) String() string { return fmt.Sprintf("%v%v", t.DType, t.Shape) }

// Equal reports whether both types have the same dtype and shape.
func (t Type) Equal(u Type) bool { return t.DType == u.DType && t.Shape.Equal(u.Shape) }

// Bytes returns the size of a value of this type.
func (t Type) Bytes() int { return t.Shape.Len() * t.DType.Size() }

// TypeOf returns the type of a tensor.
func TypeOf(t *tensor.Tensor) Type { return Type{t.DType, t.Shape} }

// Kind says where a value comes from.
type Kind uint8

// The kinds of values.
const (
	Input  Kind = iota // given at each run
	Param              // a weight of the model: read at each run, and may change between runs
	Const              // known and never different
	Result             // computed by a node
)

// Value is one single-assignment value: it is defined once and never changes during a run.
type Value struct {
	ID   int    // unique within its graph
	Name string // the ONNX name, or one derived from the node that computes it
	Kind Kind
	Type Type
	Dims []string       // names of symbolic axes of a raw graph's Input ("" where known)
	Data *tensor.Tensor // contents of a Param or Const
	Node *Node          // the node that computes a Result
	Out  int            // index among Node.Outputs
}

// IsConst reports whether v is present and its contents are known at compile time. In a raw graph the
// axis of a constant that counts examples may be open: its contents are then those for one example.
func (v *Value) IsConst() bool { return v != nil && v.Kind == Const }

// Node is one operation.
type Node struct {
	Name    string // node path, such as /layer1/layer1.0/conv1/Conv
	Op      string
	Domain  string   // raw graphs: ONNX domain, "" for ai.onnx
	Version int      // raw graphs: opset version of the domain
	Inputs  []*Value // nil for an absent optional input
	Outputs []*Value // nil for an optional output that is not wanted
	Attrs   Attrs
}

// In returns input i, or nil if it is absent.
func (n *Node) In(i int) *Value {
	if i >= len(n.Inputs) {
		return nil
	}
	return n.Inputs[i]
}

// Errorf makes an error that names the node and its operator.
func (n *Node) Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	prefix := fmt.Sprintf("node %q (%s): ", n.Name, n.Op)
	if strings.HasPrefix(err.Error(), prefix) { // of an operator that this one is lowered to
		return err
	}
	return fmt.Errorf("%s%w", prefix, err)
}

// Graph is a list of nodes, ordered so that every value is computed before it is used.
type Graph struct {
	Name    string
	Inputs  []*Value // Kind Input
	Outputs []*Value
	Nodes   []*Node
	ids     int
	names   map[string]int
}

// New returns an empty graph.
func New(name string) *Graph { return &Graph{Name: name} }

func (g *Graph) value(name string, kind Kind, t Type) *Value {
	g.ids++
	return &Value{ID: g.ids, Name: name, Kind: kind, Type: t}
}

// AddInput appends an input.
func (g *Graph) AddInput(name string, t Type) *Value {
	v := g.value(name, Input, t)
	g.Inputs = append(g.Inputs, v)
	return v
}

// NewParam makes a weight with the given contents. It becomes part of the graph when a node uses
// it.
func (g *Graph) NewParam(name string, data *tensor.Tensor) *Value {
	v := g.value(name, Param, TypeOf(data))
	v.Data = data
	return v
}

// NewConst makes a constant.
func (g *Graph) NewConst(name string, data *tensor.Tensor) *Value {
	v := g.value(name, Const, TypeOf(data))
	v.Data = data
	return v
}

// AddNode appends a node with one output per type. A zero Type makes an absent output. Output names
// come from names if given, else from the node's name.
func (g *Graph) AddNode(n *Node, types []Type, names ...string) *Node {
	n.Outputs = make([]*Value, len(types))
	for i, t := range types {
		if t.DType == tensor.Invalid && t.Shape == nil && i > 0 {
			continue
		}
		name := n.Name
		if i < len(names) && names[i] != "" {
			name = names[i]
		} else if i > 0 {
			name = fmt.Sprintf("%s:%d", n.Name, i)
		}
		v := g.value(name, Result, t)
		v.Node, v.Out = n, i
		n.Outputs[i] = v
	}
	g.Nodes = append(g.Nodes, n)
	return n
}

// Unique returns name, with a number appended if this graph returned the same name before.
func (g *Graph) Unique(name string) string {
	if g.names == nil {
		g.names = map[string]int{}
	}
	k := g.names[name]
	g.names[name]++
	if k == 0 {
		return name
	}
	return fmt.Sprintf("%s_%d", name, k)
}

// Params lists the weights that nodes or outputs read, in order of first use.
func (g *Graph) Params() []*Value {
	var ps []*Value
	seen := map[*Value]bool{}
	visit := func(v *Value) {
		if v != nil && v.Kind == Param && !seen[v] {
			seen[v] = true
			ps = append(ps, v)
		}
	}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			visit(v)
		}
	}
	for _, v := range g.Outputs {
		visit(v)
	}
	return ps
}

// Needed lists the nodes that the outputs of a raw graph depend on, in order: what else a file
// holds need not be understood.
func (g *Graph) Needed() []*Node {
	read := map[*Value]bool{}
	for _, v := range g.Outputs {
		read[v] = true
	}
	var out []*Node
	for _, n := range slices.Backward(g.Nodes) {
		if !slices.ContainsFunc(n.Outputs, func(v *Value) bool { return v != nil && read[v] }) {
			continue
		}
		out = append(out, n)
		for _, v := range n.Inputs {
			read[v] = true
		}
		for _, sub := range n.Attrs.Graphs() {
			for _, v := range sub.Captures() {
				read[v] = true
			}
		}
	}
	slices.Reverse(out)
	return out
}

// Users maps every value to the nodes that read it, in order; a node that reads it twice is listed
// twice.
func (g *Graph) Users() map[*Value][]*Node {
	u := map[*Value][]*Node{}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if v != nil {
				u[v] = append(u[v], n)
			}
		}
	}
	return u
}

// Replace makes every use of old, in nodes and outputs, read new instead.
func (g *Graph) Replace(old, new *Value) {
	for _, n := range g.Nodes {
		for i, v := range n.Inputs {
			if v == old {
				n.Inputs[i] = new
			}
		}
	}
	for i, v := range g.Outputs {
		if v == old {
			g.Outputs[i] = new
		}
	}
}

// Prune removes the nodes on which no output depends.
func (g *Graph) Prune() {
	live := g.Ancestors(g.Outputs...)
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *Node) bool { return !live[n] })
}

// Ancestors returns the nodes on which the values depend, including those that compute them.
func (g *Graph) Ancestors(values ...*Value) map[*Node]bool {
	live := map[*Node]bool{}
	var stack []*Node
	push := func(v *Value) {
		if v != nil && v.Node != nil && !live[v.Node] {
			live[v.Node] = true
			stack = append(stack, v.Node)
		}
	}
	for _, v := range values {
		push(v)
	}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, v := range n.Inputs {
			push(v)
		}
		for _, s := range n.Attrs.Graphs() {
			for _, v := range s.Captures() {
				push(v)
			}
		}
	}
	return live
}

// Captures lists the values that a subgraph reads from the surrounding graph.
func (g *Graph) Captures() []*Value {
	own := map[*Value]bool{}
	for _, v := range g.Inputs {
		own[v] = true
	}
	for _, n := range g.Nodes {
		for _, v := range n.Outputs {
			own[v] = true
		}
	}
	var outer []*Value
	seen := map[*Value]bool{}
	visit := func(v *Value) {
		if v != nil && !own[v] && !seen[v] && (v.Kind == Result || v.Kind == Input) {
			seen[v] = true
			outer = append(outer, v)
		}
	}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			visit(v)
		}
		for _, s := range n.Attrs.Graphs() {
			for _, v := range s.Captures() {
				visit(v)
			}
		}
	}
	for _, v := range g.Outputs {
		visit(v)
	}
	return outer
}

// Sort orders the nodes so that every value is computed before it is used, and otherwise keeps the
// order. It errors if values depend on each other in a cycle.
func (g *Graph) Sort() error {
	const visiting, done = 1, 2
	state := make(map[*Node]int, len(g.Nodes))
	order := make([]*Node, 0, len(g.Nodes))
	type frame struct {
		n    *Node
		deps []*Value
	}
	deps := func(n *Node) []*Value {
		d := n.Inputs
		for _, s := range n.Attrs.Graphs() {
			d = append(slices.Clip(d), s.Captures()...)
		}
		return d
	}
	for _, root := range g.Nodes {
		if state[root] == done {
			continue
		}
		stack := []frame{{root, deps(root)}}
		state[root] = visiting
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if len(f.deps) == 0 {
				state[f.n] = done
				order = append(order, f.n)
				stack = stack[:len(stack)-1]
				continue
			}
			v := f.deps[0]
			f.deps = f.deps[1:]
			if v == nil || v.Node == nil || state[v.Node] == done {
				continue
			}
			if state[v.Node] == visiting {
				return v.Node.Errorf("its output %q depends on itself", v.Name)
			}
			state[v.Node] = visiting
			stack = append(stack, frame{v.Node, deps(v.Node)})
		}
	}
	g.Nodes = order
	return nil
}
