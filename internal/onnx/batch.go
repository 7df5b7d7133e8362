package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// FreeBatch makes a batch that the file fixes at 1 free: the first axis of every input becomes symbolic,
// constant Reshape targets that spell the batch out infer it instead, and constants that are
// concatenated with examples (class tokens) are repeated for each of them. It changes m's raw graph and
// declared inputs and outputs, and returns the same change as a Patch for the written file, with a line
// that says what was done, empty where the batch was free already.
//
// How the batch travels through the graph is followed operator by operator. Where that fails the error
// names the node and m is unchanged. Operators that this package does not know are taken to keep
// examples apart along axis 0; the caller makes sure by comparing a batch with its examples one by one.
//
// Trace, such as exec.Trace, tells the shapes of all values and those that shapes decide; without it, or
// where it fails, only the simple ones are known.
func FreeBatch(m *Model, trace func(*ir.Graph, map[string]tensor.Shape) (map[*ir.Value]*ir.Value, error)) (*Patch, string, error) {
	p := &Patch{}
	if len(m.Inputs) == 0 || len(m.Inputs[0].Shape) == 0 || m.Inputs[0].Shape[0] < 0 {
		return p, "", nil
	}
	if b := m.Inputs[0].Shape[0]; b != 1 {
		return nil, "", fmt.Errorf("onnx: the model's batch is fixed at %d: only a batch of 1 can be made free", b)
	}
	t := &tracker{m: m, at: map[*ir.Value]spread{}, known: map[*ir.Value]tensor.Shape{}, sizes: map[*ir.Value][]bool{}, edits: map[*ir.Node][]int64{}}
	if trace != nil {
		if seen, err := trace(m.Graph, nil); err == nil {
			t.seen = seen
		}
	}
	for _, v := range m.Graph.Inputs {
		if len(v.Type.Shape) > 0 && v.Type.Shape[0] == 1 {
			t.at[v] = spread{q: 1, dims: v.Type.Shape.Clone()}
		}
	}
	for _, n := range m.Graph.Nodes {
		if err := t.node(n); err != nil {
			return nil, "", fmt.Errorf("onnx: the model's batch is fixed at 1 and cannot be made free: %w", n.Errorf("%w", err))
		}
	}
	targets := t.collect(p)
	t.declare(p)
	if _, err := m.resolve(p, nil); err != nil {
		return nil, "", fmt.Errorf("onnx: the model's batch is fixed at 1 and cannot be made free: %w", err)
	}
	t.apply(p)
	note := "the batch was fixed at 1 and is free now"
	var did []string
	if targets > 0 {
		did = append(did, count(targets, "Reshape target", "infers it", "infer it"))
	}
	if len(t.repeats) > 0 {
		did = append(did, count(len(t.repeats), "constant", "is repeated for each example", "are repeated for each example"))
	}
	if len(t.assumed) > 0 {
		slices.Sort(t.assumed)
		did = append(did, "taken to keep examples apart: "+strings.Join(slices.Compact(t.assumed), ", "))
	}
	if len(did) > 0 {
		note += ": " + strings.Join(did, "; ")
	}
	return p, note, nil
}

func count(n int, what, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s %s", what, one)
	}
	return fmt.Sprintf("%d %ss %s", n, what, many)
}

// spread says how the batch lies in a value: along axis, whose size is q*B*r for a batch of B.
type spread struct {
	axis int
	q    int          // elements of the axis that lie before the batch in memory
	dims tensor.Shape // the shape at a batch of 1, -1 for unknown sizes; nil where even the rank is unknown
}

// pure reports whether the axis is the batch and nothing else.
func (s spread) pure() bool { return s.q == 1 && (s.dims == nil || s.dims[s.axis] == 1) }

// before is how many elements lie before the batch in memory; not known after an axis of unknown size.
func (s spread) before() (int, bool) {
	p := s.q
	for i := range s.axis {
		if s.dims == nil || s.dims[i] < 0 {
			return 0, false
		}
		p *= s.dims[i]
	}
	return p, true
}

type tracker struct {
	m       *Model
	at      map[*ir.Value]spread       // the values that hold a batch
	known   map[*ir.Value]tensor.Shape // shapes of others, where they are simple to know
	seen    map[*ir.Value]*ir.Value    // what the values are at a batch of 1, where that is known
	sizes   map[*ir.Value][]bool       // which elements of them follow the batch
	edits   map[*ir.Node][]int64       // new targets of Reshape nodes
	repeats []*repeat
	assumed []string // operators whose effect is not known
}

// repeat makes input index of a node, a constant, as large as the batch of like along axis.
type repeat struct {
	node              *ir.Node
	index, axis, rank int
	like              *ir.Value
}

// collect writes the edits of nodes into p and counts the Reshape targets.
func (t *tracker) collect(p *Patch) int {
	users := map[*ir.Value]int{}
	for _, n := range t.m.Graph.Nodes {
		for _, v := range n.Inputs {
			if v != nil {
				users[v]++
			}
		}
	}
	// A target that several nodes share can be edited in place only if all want the same.
	same := map[*ir.Value]int{}
	first := map[*ir.Value][]int64{}
	for _, n := range t.m.Graph.Nodes {
		if e, ok := t.edits[n]; ok {
			v := n.Inputs[1]
			if first[v] == nil {
				first[v] = e
			}
			if slices.Equal(first[v], e) {
				same[v]++
			}
		}
	}
	p.Tensors = map[string]*tensor.Tensor{}
	for _, n := range t.m.Graph.Nodes {
		e, ok := t.edits[n]
		if !ok {
			continue
		}
		v := n.Inputs[1]
		if c := t.m.consts[v.Name]; same[v] == users[v] && c != nil && c.value == v {
			p.Tensors[v.Name] = tensor.Of(e, len(e))
			continue
		}
		name := t.name(n.Outputs[0].Name + "_shape")
		p.AddInitializers = append(p.AddInitializers, Initializer{name, tensor.Of(e, len(e))})
		p.Rewire = append(p.Rewire, Rewire{n.Outputs[0].Name, 1, name})
	}
	for _, r := range t.repeats {
		out := r.node.Outputs[0].Name
		base := t.name(fmt.Sprintf("%s_batch%d", out, r.index))
		add := func(what, op string, attrs ir.Attrs, in ...string) string {
			name := base + "_" + what
			p.AddNodes = append(p.AddNodes, &Node{Name: name, Op: op, Inputs: in, Outputs: []string{name}, Attrs: attrs, Before: out})
			return name
		}
		ints := func(what string, v ...int64) string {
			name := base + "_" + what
			p.AddInitializers = append(p.AddInitializers, Initializer{name, tensor.Of(v, len(v))})
			return name
		}
		size := add("size", "Gather", nil, add("shape", "Shape", nil, r.like.Name), ints("axis", int64(r.axis)))
		parts := []string{size}
		if r.axis > 0 {
			parts = slices.Insert(parts, 0, ints("left", ones(r.axis)...))
		}
		if k := r.rank - r.axis - 1; k > 0 {
			parts = append(parts, ints("right", ones(k)...))
		}
		target := add("target", "Concat", ir.Attrs{"axis": 0}, parts...)
		p.Rewire = append(p.Rewire, Rewire{out, r.index, add("expand", "Expand", nil, r.node.Inputs[r.index].Name, target)})
	}
	return len(t.edits)
}

func ones(n int) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// name makes a name that the file does not use.
func (t *tracker) name(want string) string {
	g := t.m.proto.graph
	taken := func(s string) bool {
		for _, n := range g.nodes {
			if slices.ContainsFunc(n.outputs, func(o string) bool { return strings.HasPrefix(o, s) }) {
				return true
			}
		}
		return slices.ContainsFunc(g.inits, func(i *tensorProto) bool { return strings.HasPrefix(i.name, s) })
	}
	name := want
	for k := 1; taken(name); k++ {
		name = fmt.Sprintf("%s_%d", want, k)
	}
	return name
}

// declare writes the new types of inputs and outputs into p.
func (t *tracker) declare(p *Patch) {
	symbol := "batch"
	for k := 1; t.symbolTaken(symbol); k++ {
		symbol = fmt.Sprintf("batch_%d", k)
	}
	free := func(v ValueInfo, axis int, name string) ValueInfo {
		v.Shape = v.Shape.Clone()
		v.Dims = append(slices.Clone(v.Dims), make([]string, max(0, len(v.Shape)-len(v.Dims)))...)
		v.Shape[axis], v.Dims[axis] = -1, name
		return v
	}
	for i, v := range t.m.Inputs {
		if _, ok := t.at[t.m.Graph.Inputs[i]]; ok {
			p.Inputs = append(p.Inputs, free(v, 0, symbol))
		}
	}
	for i, v := range t.m.Outputs {
		if s, ok := t.at[t.m.Graph.Outputs[i]]; ok && s.axis < len(v.Shape) {
			name := symbol
			if !s.pure() || v.Shape[s.axis] != 1 {
				name = ""
			}
			v = free(v, s.axis, name)
		}
		p.Outputs = append(p.Outputs, v)
	}
	carries := map[string]bool{}
	for v := range t.at {
		carries[v.Name] = true
	}
	for _, v := range t.m.proto.graph.valueInfo {
		if carries[v.name] {
			p.DropValueInfos = append(p.DropValueInfos, v.name)
		}
	}
}

func (t *tracker) symbolTaken(s string) bool {
	for _, v := range append(slices.Clone(t.m.Inputs), t.m.Outputs...) {
		if slices.Contains(v.Dims, s) {
			return true
		}
	}
	return false
}

// apply makes the changes of p in the raw graph and the model's declarations.
func (t *tracker) apply(p *Patch) {
	g := t.m.Graph
	values := map[string]*ir.Value{}
	maker := map[string]*ir.Node{}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if v != nil {
				values[v.Name] = v
			}
		}
		for _, v := range n.Outputs {
			if v != nil {
				values[v.Name], maker[v.Name] = v, n
			}
		}
	}
	for name, to := range p.Tensors {
		values[name].Data = to
	}
	for _, i := range p.AddInitializers {
		values[i.Name] = g.NewConst(i.Name, i.Tensor)
	}
	for _, a := range p.AddNodes {
		n := &ir.Node{Name: a.Name, Op: a.Op, Version: t.m.Opsets[""], Attrs: a.Attrs}
		for _, in := range a.Inputs {
			n.Inputs = append(n.Inputs, values[in])
		}
		g.AddNode(n, []ir.Type{{}}, a.Outputs[0])
		values[a.Outputs[0]] = n.Outputs[0]
		g.Nodes = slices.Insert(g.Nodes[:len(g.Nodes)-1], slices.Index(g.Nodes, maker[a.Before]), n)
	}
	for _, w := range p.Rewire {
		maker[w.Node].Inputs[w.Index] = values[w.Value]
	}
	for _, v := range p.Inputs {
		for i := range t.m.Inputs {
			if t.m.Inputs[i].Name == v.Name {
				t.m.Inputs[i] = v
				g.Inputs[i].Type.Shape, g.Inputs[i].Dims = v.Shape.Clone(), v.Dims
			}
		}
	}
	t.m.Outputs = slices.Clone(p.Outputs)
}
