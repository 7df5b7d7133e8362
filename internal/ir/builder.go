package ir

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Builder adds typed nodes to a graph. The first error sticks: later calls do nothing and return
// nil values, so that a rule can be written as plain expressions and Err asked once at the end.
type Builder struct {
	Graph *Graph
	Scope string // prefix of the names of new nodes
	err   error

	// Inline builds the nodes of a raw subgraph (a branch of If, the body of Loop) into Graph, its
	// inputs bound to args, and returns its outputs. Specialisation sets it; elsewhere it is nil.
	Inline func(sub *Graph, args []*Value) ([]*Value, error)

	// Subgraph specialises a raw subgraph on its own for operators that run it themselves. Values
	// that it reads from the graph around it become further inputs, returned in that order.
	Subgraph func(sub *Graph, inputs []Type) (g *Graph, captured []*Value, err error)
}

// NewBuilder builds into g; names of new nodes begin with scope.
func NewBuilder(g *Graph, scope string) *Builder { return &Builder{Graph: g, Scope: scope} }

// Err is the first error, or nil.
func (b *Builder) Err() error { return b.err }

// Fail records an error.
func (b *Builder) Fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Op adds a node with one output that is wanted and returns that output.
func (b *Builder) Op(op string, attrs Attrs, inputs ...*Value) *Value {
	out := b.Ops(op, attrs, inputs...)
	if len(out) == 0 {
		return nil
	}
	return out[0]
}

// Ops adds a node and returns all its outputs.
func (b *Builder) Ops(op string, attrs Attrs, inputs ...*Value) []*Value {
	if b.err != nil {
		return nil
	}
	n := &Node{Name: b.Scope, Op: op, Inputs: inputs, Attrs: attrs}
	if n.Name == "" {
		n.Name = op
	}
	n.Name = b.Graph.Unique(n.Name)
	return b.Add(n)
}

// Add infers the types of n, a node whose Name, Op, Inputs and Attrs are set, and appends it.
// Names, in order, name the outputs. Outputs are nil after an error.
func (b *Builder) Add(n *Node, names ...string) []*Value {
	if b.err != nil {
		return nil
	}
	d := Lookup(n.Op)
	if d == nil {
		b.Fail(n.Errorf("no such operator"))
		return nil
	}
	types, err := d.Infer(n)
	if err != nil {
		b.Fail(fmt.Errorf("node %q (%s): %w", n.Name, n.Op, err))
		return nil
	}
	if d.Fold != nil {
		if ts := d.Fold(n); ts != nil {
			out := make([]*Value, len(ts))
			for i, t := range ts {
				name := n.Name
				if i < len(names) && names[i] != "" {
					name = names[i]
				}
				out[i] = b.Graph.NewConst(name, t)
			}
			return out
		}
	}
	return b.Graph.AddNode(n, types, names...).Outputs
}

// Const makes a constant.
func (b *Builder) Const(t *tensor.Tensor) *Value { return b.Graph.NewConst("const", t) }

// Ints makes a constant int64 vector, the form in which shapes and axes are given.
func (b *Builder) Ints(v ...int) *Value {
	d := make([]int64, len(v))
	for i, x := range v {
		d[i] = int64(x)
	}
	return b.Const(tensor.Of(d, len(d)))
}

// Float makes a float32 scalar constant.
func (b *Builder) Float(v float32) *Value { return b.Const(tensor.Scalar(v)) }
