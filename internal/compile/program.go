// Package compile compiles a graph and runs it.
//
// In: a raw graph, and the shapes of its inputs. Out: a Program. On the way are the specialisation
// to static shapes, the tables of passes, and a memory plan made ahead of time. A Program runs its
// prepared operators in order.
package compile

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Program is a compiled graph: operators ready to run, in one planned arena. It must not be used
// from several goroutines at once; the operators themselves use all threads.
type Program struct {
	graph *ir.Graph
	steps []step
	// tensor headers that point to each graph input: its own and those of its views
	inputs [][]*tensor.Tensor
	out    []*tensor.Tensor
	arena  []byte
	spans  []span // of the arena, by the headers that look at it
	plan   *memoryPlan

	one   *Program // what a repeated program runs, see Repeat; nil for any other
	times int      // how often

	recomputed Recomputed
}

type step struct {
	node    *ir.Node
	run     func(in, out []*tensor.Tensor, scratch []byte) error
	in, out []*tensor.Tensor
	scratch []byte
}

// memoryPlan says where in memory every value of a graph is.
type memoryPlan struct {
	bounds  map[*ir.Node]ir.Bound
	home    map[*ir.Value]*ir.Value // the value whose buffer a view or an in-place result shares
	block   map[*ir.Value]*block    // by home value
	header  map[*ir.Value]*tensor.Tensor
	own     map[*ir.Value]*tensor.Tensor // contents of weights that replace their own, see Twin
	size    int                          // of all blocks together
	scratch int
}

// total is the memory that the program will need.
func (p *memoryPlan) total() int { return align(p.size) + p.scratch }

// planMemory binds the nodes that are missing in bounds and lays out the buffers.
func planMemory(g *ir.Graph, bounds map[*ir.Node]ir.Bound) (*memoryPlan, error) {
	p := &memoryPlan{bounds: bounds, home: map[*ir.Value]*ir.Value{}, block: map[*ir.Value]*block{}, header: map[*ir.Value]*tensor.Tensor{}}
	last := map[*ir.Value]int{}
	packing := newPacker(g)
	for i, n := range g.Nodes {
		if _, ok := bounds[n]; !ok {
			d := ir.Lookup(n.Op)
			if d.Bind == nil {
				return nil, n.Errorf("a sequence is no value that can be computed or given out")
			}
			b, err := d.Bind(n)
			if err != nil {
				return nil, n.Errorf("%w", err)
			}
			bounds[n] = b
		}
		for _, v := range n.Inputs {
			if v != nil {
				last[v] = i
			}
		}
		packing.bound(n, bounds[n])
	}
	// Views come first, so that last reads count for the buffer and not only for the name.
	for _, n := range g.Nodes {
		if bounds[n].View {
			p.home[n.Outputs[0]] = p.root(n.Inputs[0])
		}
	}
	lastHome := map[*ir.Value]int{}
	for v, i := range last {
		h := p.root(v)
		lastHome[h] = max(lastHome[h], i)
	}
	for _, v := range g.Outputs {
		lastHome[p.root(v)] = len(g.Nodes)
	}
	var blocks []*block
	for i, n := range g.Nodes {
		p.scratch = max(p.scratch, bounds[n].Scratch)
		for k, v := range n.Outputs {
			if v == nil || k == 0 && bounds[n].View {
				continue
			}
			if k == 0 {
				if h := p.reusable(n, i, lastHome); h != nil {
					p.home[v] = h
					b := p.block[h]
					b.to = max(b.to, lastHome[v], i)
					lastHome[h] = b.to
					continue
				}
			}
			b := &block{size: v.Type.Bytes(), from: i, to: max(i, lastHome[v])}
			p.block[v] = b
			blocks = append(blocks, b)
		}
	}
	p.size = layout(blocks)
	return p, nil
}

// program allocates the arena and connects every node to its buffers.
func (p *memoryPlan) program(g *ir.Graph, arena *Arena) *Program {
	base := align(p.size)
	if arena == nil {
		arena = &Arena{}
	}
	q := &Program{graph: g, plan: p}
	q.inputs = make([][]*tensor.Tensor, len(g.Inputs))
	follow := map[*ir.Value]int{}
	for i, v := range g.Inputs {
		h := &tensor.Tensor{DType: v.Type.DType, Shape: v.Type.Shape}
		p.header[v], q.inputs[i], follow[v] = h, []*tensor.Tensor{h}, i
	}
	for _, n := range g.Nodes {
		b := p.bounds[n]
		s := step{node: n, run: b.Run}
		for k, v := range n.Inputs {
			if v.IsConst() && slices.Contains(b.Packed, k) {
				s.in = append(s.in, nil)
				continue
			}
			s.in = append(s.in, p.tensor(v))
		}
		for k, v := range n.Outputs {
			if v == nil {
				s.out = append(s.out, nil)
				continue
			}
			h := &tensor.Tensor{DType: v.Type.DType, Shape: v.Type.Shape}
			root := p.root(v)
			if bl := p.block[root]; bl != nil {
				q.spans = append(q.spans, span{h, bl.offset, v.Type.Bytes()})
			} else if k == 0 && b.View {
				if at, ok := follow[root]; ok {
					q.inputs[at] = append(q.inputs[at], h)
				} else {
					h.Bytes = p.tensor(root).Bytes
				}
			}
			p.header[v] = h
			s.out = append(s.out, h)
		}
		if !b.View {
			q.steps = append(q.steps, s)
		}
	}
	for _, v := range g.Outputs {
		q.out = append(q.out, p.tensor(v))
	}
	arena.admit(q, base+p.scratch)
	return q
}

// root follows views and in-place results to the value that owns the buffer.
func (p *memoryPlan) root(v *ir.Value) *ir.Value {
	for p.home[v] != nil {
		v = p.home[v]
	}
	return v
}

// reusable finds the buffer that the node's first output may overwrite. It is an input's buffer of
// the same size, planned by this program, read here for the last time and by one input only.
func (p *memoryPlan) reusable(n *ir.Node, at int, last map[*ir.Value]int) *ir.Value {
	for _, k := range p.bounds[n].InPlace {
		v := n.In(k)
		if v == nil {
			continue
		}
		h := p.root(v)
		bl := p.block[h]
		if bl == nil || last[h] != at || bl.size != n.Outputs[0].Type.Bytes() {
			continue
		}
		uses := 0
		for _, u := range n.Inputs {
			if u != nil && p.root(u) == h {
				uses++
			}
		}
		if uses == 1 {
			return h
		}
	}
	return nil
}

// tensor returns the header through which v is read.
func (p *memoryPlan) tensor(v *ir.Value) *tensor.Tensor {
	if v == nil {
		return nil
	}
	if t := p.own[v]; t != nil {
		return t
	}
	if v.Data != nil && (v.Kind == ir.Param || v.Kind == ir.Const) {
		return v.Data
	}
	return p.header[v]
}

// Run computes the graph's outputs from its inputs, in the graph's order. The outputs are views of
// the program's memory, valid until the next Run. If ctx ends, Run stops between two operators.
func (p *Program) Run(ctx context.Context, inputs ...*tensor.Tensor) ([]*tensor.Tensor, error) {
	return p.run(ctx, inputs, nil)
}

// run calls after following every step, and stops early if it returns false.
func (p *Program) run(ctx context.Context, inputs []*tensor.Tensor, after func(*step) bool) ([]*tensor.Tensor, error) {
	if len(inputs) != len(p.graph.Inputs) {
		return nil, fmt.Errorf("compile: graph %s takes %d inputs, given %d", p.graph.Name, len(p.graph.Inputs), len(inputs))
	}
	if p.one != nil {
		return p.runEach(ctx, inputs, after)
	}
	for i, t := range inputs {
		v := p.graph.Inputs[i]
		if t.DType != v.Type.DType || !t.Shape.Equal(v.Type.Shape) {
			return nil, fmt.Errorf("compile: input %q is %v, given %v%v", v.Name, v.Type, t.DType, t.Shape)
		}
		for _, h := range p.inputs[i] {
			h.Bytes = t.Bytes
		}
	}
	for i := range p.steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := &p.steps[i]
		if err := s.run(s.in, s.out, s.scratch); err != nil {
			return nil, s.node.Errorf("%w", err)
		}
		if after != nil && !after(s) {
			break
		}
	}
	return p.out, nil
}

// Graph returns the compiled graph. The nodes of a repeated program are for one example.
func (p *Program) Graph() *ir.Graph { return p.graph }

// Recomputed says which values the program computes twice to stay within its memory budget.
func (p *Program) Recomputed() Recomputed { return p.recomputed }

// ArenaBytes returns the program's memory for intermediate values and workspaces.
func (p *Program) ArenaBytes() int {
	if p.one != nil {
		return p.one.ArenaBytes()
	}
	return len(p.arena)
}

// ArenaBytesFor estimates ArenaBytes of the same program for times as many examples. Values grow
// with the number of examples, the workspace does not.
func (p *Program) ArenaBytesFor(times float64) int {
	return align(int(times*float64(p.plan.size))) + p.plan.scratch
}

// Output returns an output's index by the value's name, or -1.
func (p *Program) Output(name string) int {
	return slices.IndexFunc(p.graph.Outputs, func(v *ir.Value) bool { return v.Name == name })
}

// OutputTensor returns the view through which output i is read after a run.
func (p *Program) OutputTensor(i int) *tensor.Tensor { return p.out[i] }

// FirstNonFinite runs the program and describes the first value that contains a NaN or an infinity:
// an input, a weight or the result of a node. It returns "" if there is none.
func (p *Program) FirstNonFinite(ctx context.Context, inputs ...*tensor.Tensor) (string, error) {
	for i, t := range inputs {
		if !finite(t) {
			return fmt.Sprintf("the input %q", p.graph.Inputs[i].Name), nil
		}
	}
	for _, v := range p.graph.Params() {
		if !finite(v.Data) {
			return fmt.Sprintf("the weight %q", v.Name), nil
		}
	}
	found := ""
	_, err := p.run(ctx, inputs, func(s *step) bool {
		for _, t := range s.out {
			if t != nil && !finite(t) {
				found = fmt.Sprintf("node %q (%s)", s.node.Name, s.node.Op)
				return false
			}
		}
		return true
	})
	return found, err
}

func finite(t *tensor.Tensor) bool {
	if !t.DType.IsFloat() {
		return true
	}
	for _, x := range t.Float64s() {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// Timing is the time of one node in a run.
type Timing struct {
	Node *ir.Node
	Time time.Duration
}

// Profile runs the program and measures every node.
func (p *Program) Profile(ctx context.Context, inputs ...*tensor.Tensor) ([]Timing, error) {
	var out []Timing
	last := time.Now()
	_, err := p.run(ctx, inputs, func(s *step) bool {
		now := time.Now()
		out = append(out, Timing{s.node, now.Sub(last)})
		last = now
		return true
	})
	return out, err
}
