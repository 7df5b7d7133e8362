package ir

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Builder adds typed nodes to a graph. After the first error, later calls do nothing and return nil
// values. So a rule can be written as plain expressions, with one check of Err at the end.
type Builder struct {
	Graph *Graph
	Scope string // prefix of the names of new nodes
	err   error

	// Inline builds the nodes of a raw subgraph (a branch of If, the body of Loop) into Graph, with
	// its inputs bound to args, and returns its outputs. Specialisation sets it; elsewhere it is
	// nil.
	Inline func(sub *Graph, args []*Value) ([]*Value, error)

	// Subgraph specialises a raw subgraph separately, for operators that run it themselves. Values
	// that it reads from the surrounding graph become further inputs, returned in that order.
	Subgraph func(sub *Graph, inputs []Type) (g *Graph, captured []*Value, err error)
}

// NewBuilder builds into g. Names of new nodes start with scope.
func NewBuilder(g *Graph, scope string) *Builder { return &Builder{Graph: g, Scope: scope} }

// Err returns the first error, or nil.
func (b *Builder) Err() error { return b.err }

// Fail records an error.
func (b *Builder) Fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Op adds a node with one output and returns that output.
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

// Add infers the types of n, a node with Name, Op, Inputs and Attrs set, and appends it. names are
// the names of the outputs, in order. After an error the outputs are nil.
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

// Ints makes a constant int64 vector, the form of shapes and axes.
func (b *Builder) Ints(v ...int) *Value {
	d := make([]int64, len(v))
	for i, x := range v {
		d[i] = int64(x)
	}
	return b.Const(tensor.Of(d, len(d)))
}

// Float makes a float32 scalar constant.
func (b *Builder) Float(v float32) *Value { return b.Const(tensor.Scalar(v)) }
