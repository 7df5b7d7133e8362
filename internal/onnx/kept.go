package onnx

import (
	"fmt"
	"maps"
	"slices"
)

// Kept says how a patched file may differ from the original, for Model.Kept.
type Kept struct {
	Replaces bool            // nodes and tensors may be missing: something else replaces them
	Others   map[string]bool // tensors whose contents the caller compares

	Anew   func(was, is, output string) bool // a new node, named is, may compute this value in place of node was
	Rewire func(was, is string) bool         // a node may read is in place of was
	Output func(was, is string) bool         // the graph may give is in place of was
}

// KeptDifference is what a patched file must have in common with the original and lacks.
type KeptDifference struct {
	Tensors []string // initializers that differ or are missing
	Graph   []string // nodes, inputs, outputs and functions that differ, each with what differs
	// how many initializers and nodes were compared
	ComparedTensors, ComparedNodes int
}

// Kept compares everything of the original m that a patched file t keeps: initializers of every
// type, nodes with operator, attributes and wiring, inputs, outputs, functions and operator sets.
// Values are identified by name. Nodes and initializers that only t has are not looked at.
func (m *Model) Kept(t *Model, k Kept) *KeptDifference {
	c := &keptComparison{Kept: k, d: &KeptDifference{}, base: m, tuned: t}
	c.stores[0], c.stores[1] = newStore(m.dir), newStore(t.dir)
	defer c.stores[0].close()
	defer c.stores[1].close()
	c.model()
	slices.Sort(c.d.Tensors)
	return c.d
}

type keptComparison struct {
	Kept
	d           *KeptDifference
	base, tuned *Model
	stores      [2]*store
}

func (c *keptComparison) differs(format string, args ...any) {
	c.d.Graph = append(c.d.Graph, fmt.Sprintf(format, args...))
}

func (c *keptComparison) model() {
	was, is := c.base.proto, c.tuned.proto
	if was.irVersion != is.irVersion {
		c.differs("the IR version is %d, was %d", is.irVersion, was.irVersion)
	}
	for _, domain := range slices.Sorted(maps.Keys(was.opsets)) {
		if is.opsets[domain] != was.opsets[domain] {
			c.differs("the operator set %q has version %d, was %d", domain, is.opsets[domain], was.opsets[domain])
		}
	}
	for key, f := range was.functions {
		if g := is.functions[key]; g == nil || !c.sameFunction(f, g) {
			c.differs("the function %q differs", key.name)
		}
	}
	c.graph(was.graph, is.graph)
}

// graph compares the main graph.
func (c *keptComparison) graph(was, is *graphProto) {
	inits, makers, inputs := map[string]*tensorProto{}, map[string]*nodeProto{}, map[string]*valueProto{}
	for _, t := range is.inits {
		inits[t.name] = t
	}
	for _, v := range is.inputs {
		inputs[v.name] = v
	}
	for _, n := range is.nodes {
		for _, o := range n.outputs {
			makers[o] = n
		}
	}
	old := map[string]bool{}
	for _, t := range was.inits {
		old[t.name] = true
		to := inits[t.name]
		switch {
		case makers[t.name] != nil || to == nil && inputs[t.name] != nil:
			c.differs("%q is computed, was an initializer", t.name)
		case c.Others[t.name] || to == nil && c.Replaces:
		case to == nil || !c.sameTensor(t, to):
			c.d.ComparedTensors++
			c.d.Tensors = append(c.d.Tensors, t.name)
		default:
			c.d.ComparedTensors++
		}
	}
	for _, v := range was.inputs {
		if old[v.name] {
			continue
		}
		if to := inputs[v.name]; to == nil || inits[v.name] != nil {
			c.differs("the input %q is missing", v.name)
		} else if !sameValue(v, to) {
			c.differs("the input %q has another type", v.name)
		}
	}
	for _, n := range was.nodes {
		c.node(n, makers, inits, inputs)
	}
	if c.Replaces {
		return
	}
	for i, v := range was.outputs {
		if i >= len(is.outputs) {
			c.differs("the output %q is missing", v.name)
		} else if to := is.outputs[i].name; to != v.name && !c.Output(v.name, to) {
			c.differs("the output %q is %q", v.name, to)
		}
	}
}

// node compares a node of the main graph with the one that computes the same value.
func (c *keptComparison) node(n *nodeProto, makers map[string]*nodeProto, inits map[string]*tensorProto, inputs map[string]*valueProto) {
	out := ""
	for _, o := range n.outputs {
		if o != "" && inits[o] == nil && inputs[o] == nil {
			out = o
			break
		} else if o != "" {
			c.differs("node %q (%s): %q is no longer computed", n.label(), n.op, o)
			return
		}
	}
	if out == "" {
		return
	}
	to := makers[out]
	if to == nil {
		if !c.Replaces {
			c.differs("node %q (%s) is missing", n.label(), n.op)
		}
		return
	}
	if c.Anew(n.label(), to.label(), out) {
		return
	}
	c.d.ComparedNodes++
	what := ""
	switch {
	case n.op != to.op || n.domain != to.domain || n.overload != to.overload:
		what = fmt.Sprintf("is %s", to.op)
	case !slices.Equal(n.outputs, to.outputs):
		what = "gives other outputs"
	default:
		if what = c.wiring(n, to); what == "" {
			what = c.attributes(n.attrs, to.attrs, n.op == "Constant" && c.Others[out])
		}
	}
	if what != "" {
		c.differs("node %q (%s) %s", n.label(), n.op, what)
	}
}

func (c *keptComparison) wiring(was, is *nodeProto) string {
	for i := range max(len(was.inputs), len(is.inputs)) {
		a, b := "", "" // absent inputs may be left out at the end
		if i < len(was.inputs) {
			a = was.inputs[i]
		}
		if i < len(is.inputs) {
			b = is.inputs[i]
		}
		if a != b && !c.Rewire(a, b) {
			return fmt.Sprintf("reads %q at input %d, read %q", b, i, a)
		}
	}
	return ""
}

// attributes compares attributes by name and says what differs. With names it compares no values.
func (c *keptComparison) attributes(was, is []*attrProto, names bool) string {
	theirs := map[string]*attrProto{}
	for _, a := range is {
		theirs[a.name] = a
	}
	for _, a := range was {
		b := theirs[a.name]
		if b == nil {
			return fmt.Sprintf("lacks the attribute %s", a.name)
		}
		delete(theirs, a.name)
		if !names && !c.sameAttr(a, b) {
			return fmt.Sprintf("has another %s", a.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		return fmt.Sprintf("has the attribute %s, had none", name)
	}
	return ""
}

func (c *keptComparison) sameAttr(a, b *attrProto) bool {
	switch {
	case a.wire != nil && string(a.wire) == string(b.wire) && !outside(a) && !outside(b):
		return true
	case a.typ != b.typ || a.ref != b.ref:
		return false
	case a.typ == attrTensor && a.t != nil && b.t != nil:
		return c.sameTensor(a.t, b.t)
	case a.typ == attrGraph && a.g != nil && b.g != nil:
		return c.sameGraph(a.g, b.g)
	case a.typ < attrFloat || a.typ > attrStrings:
		return false
	}
	return a.f == b.f && a.i == b.i && a.s == b.s && slices.Equal(a.strings, b.strings) && sameNumbers(a.floats, b.floats) && sameNumbers(a.ints, b.ints)
}

// outside reports whether contents of an attribute are in another file.
func outside(a *attrProto) bool {
	return a.t != nil && a.t.external != nil || a.g != nil && !a.g.externals(func(*tensorProto) bool { return false })
}

func sameNumbers(a, b numbers) bool { return string(a.joined()) == string(b.joined()) }

// sameTensor compares type, shape and contents, whatever their encoding.
func (c *keptComparison) sameTensor(a, b *tensorProto) bool {
	if a.elem != b.elem || !sameNumbers(a.dims, b.dims) {
		return false
	}
	if a.external == nil && b.external == nil && a.hasRaw == b.hasRaw && string(a.raw) == string(b.raw) &&
		slices.EqualFunc(a.strings, b.strings, func(x, y []byte) bool { return string(x) == string(y) }) &&
		sameNumbers(a.floats, b.floats) && sameNumbers(a.int32s, b.int32s) && sameNumbers(a.int64s, b.int64s) &&
		sameNumbers(a.doubles, b.doubles) && sameNumbers(a.uint64s, b.uint64s) {
		return true
	}
	x, err := a.decode(c.stores[0])
	if err != nil {
		return false
	}
	y, err := b.decode(c.stores[1])
	return err == nil && string(x.Bytes) == string(y.Bytes)
}

func sameValue(a, b *valueProto) bool {
	return a.name == b.name && a.kind == b.kind && a.elem == b.elem && a.ranked == b.ranked && slices.Equal(a.dims, b.dims)
}

// sameGraph compares subgraphs, of which a patch keeps everything.
func (c *keptComparison) sameGraph(a, b *graphProto) bool {
	return slices.EqualFunc(a.inits, b.inits, func(x, y *tensorProto) bool { return x.name == y.name && c.sameTensor(x, y) }) &&
		slices.EqualFunc(a.inputs, b.inputs, sameValue) && slices.EqualFunc(a.outputs, b.outputs, sameValue) &&
		c.sameNodes(a.nodes, b.nodes)
}

func (c *keptComparison) sameFunction(a, b *funcProto) bool {
	return slices.Equal(a.inputs, b.inputs) && slices.Equal(a.outputs, b.outputs) && maps.Equal(a.opsets, b.opsets) &&
		c.attributes(a.defaults, b.defaults, false) == "" && c.sameNodes(a.nodes, b.nodes)
}

func (c *keptComparison) sameNodes(a, b []*nodeProto) bool {
	return slices.EqualFunc(a, b, func(x, y *nodeProto) bool {
		return x.op == y.op && x.domain == y.domain && x.overload == y.overload && slices.Equal(x.inputs, y.inputs) &&
			slices.Equal(x.outputs, y.outputs) && c.attributes(x.attrs, y.attrs, false) == ""
	})
}

// Patched is the model with p applied, in memory. It is m where p changes nothing.
func (m *Model) Patched(p *Patch) (*Model, error) {
	if p.Empty() {
		return m, nil
	}
	r, err := m.patch(p, nil)
	if err != nil {
		return nil, fmt.Errorf("onnx: patch: %w", err)
	}
	return Parse(r.bytes(), m.dir)
}
