// Package joint runs several networks as one: what they compute alike they compute once.
//
// In: networks that take the same inputs, such as models tuned from one base. Out: their outputs for
// examples, each of which asks for some of them. Whatever several networks compute from the same
// inputs with the same operators and weights is a piece, found by digests and not by names. A batch
// goes through each piece once, for all examples whose networks have it.
package joint

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Source is a network. Its graph has one output, with the examples on its first axis.
type Source interface {
	// Graph compiles the network, with frozen weights, for a batch of examples of a length.
	Graph(batch, length int, c *compile.Constants) (*ir.Graph, error)
	// OneByOne reports whether the network takes one example at a time.
	OneByOne() bool
}

// Network is several networks that run as one. It must not be used from several goroutines at once,
// but networks of one Shelf may.
type Network struct {
	shelf   *Shelf
	names   []string // of the networks, in messages
	nets    []Source
	layouts map[int]*layout // by length
}

// Sizes are the numbers of examples for which programs are compiled. Other numbers are divided.
var Sizes = []int{16, 4, 1}

// mostLengths limits for how many lengths of examples programs are kept.
const mostLengths = 8

// Shelf holds the programs of networks by what they compute, so that a network that replaces
// another, and has pieces in common with it, need not compile them. One batch runs at a time. It is
// safe for concurrent use.
type Shelf struct {
	mu       sync.Mutex // of all below, and of running programs, which have one memory
	folded   *compile.Constants
	sums     *split.Sums
	arena    compile.Arena
	programs map[form]*compile.Program
}

// form is what a program is compiled for.
type form struct {
	piece  split.Digest
	batch  int
	length int
}

func NewShelf() *Shelf {
	return &Shelf{folded: &compile.Constants{}, sums: split.NewSums(), programs: map[form]*compile.Program{}}
}

// sharing is what graphs have in common while they are compiled.
func (s *Shelf) sharing() (*compile.Constants, *split.Sums) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.folded, s.sums
}

// New joins networks. All take the same inputs, in the same order, or they must not be joined.
func New(shelf *Shelf, names []string, nets []Source) *Network {
	return &Network{shelf: shelf, names: names, nets: nets, layouts: map[int]*layout{}}
}

// Prepare compiles what batches of up to most examples of a length need. Batches of other networks
// run meanwhile. It errors if a network cannot be compiled.
func (n *Network) Prepare(length, most int) error {
	l, err := n.layout(length)
	if err != nil {
		return err
	}
	for _, p := range l.pieces {
		for _, size := range Sizes {
			if size > most || n.size(p, size) != size {
				continue
			}
			if err := n.compile(p, size, length); err != nil {
				return err
			}
		}
	}
	return nil
}

// Shared is the share of the work of all networks that is done for more than one of them, from 0 to
// 1, for examples of a length that was prepared.
func (n *Network) Shared(length int) float64 {
	if l := n.layouts[length]; l != nil {
		return l.shared
	}
	return 0
}

// Pieces is the number of pieces for examples of a length that was prepared.
func (n *Network) Pieces(length int) int {
	if l := n.layouts[length]; l != nil {
		return len(l.pieces)
	}
	return 0
}

// Sweep drops the programs that the network does not use, and what was kept to compile more.
func (n *Network) Sweep() {
	used := map[split.Digest]bool{}
	for _, l := range n.layouts {
		for _, p := range l.pieces {
			used[p.key] = true
		}
	}
	s := n.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.programs {
		if !used[f.piece] {
			delete(s.programs, f)
		}
	}
	s.folded, s.sums = &compile.Constants{}, split.NewSums()
}

func (n *Network) layout(length int) (*layout, error) {
	if l := n.layouts[length]; l != nil {
		return l, nil
	}
	if len(n.layouts) >= mostLengths {
		for old := range n.layouts { // any: who asks for many lengths pays for each
			for _, p := range n.layouts[old].pieces {
				for _, size := range Sizes {
					n.shelf.drop(form{p.key, size, old})
				}
			}
			delete(n.layouts, old)
			break
		}
	}
	l, err := n.divide(length)
	if err != nil {
		return nil, err
	}
	n.layouts[length] = l
	return l, nil
}

// compile makes the program of a piece for a batch size, where there is none.
func (n *Network) compile(p *piece, batch, length int) error {
	f := form{p.key, batch, length}
	if n.shelf.program(f) != nil {
		return nil
	}
	folded, _ := n.shelf.sharing()
	g, err := n.nets[p.owner].Graph(batch, length, folded)
	if err != nil {
		return err
	}
	all := values(g)
	pick := func(cs []crossing) (out []*ir.Value, err error) {
		for _, c := range cs {
			if c.at >= len(all) || all[c.at] == nil || all[c.at].Name != c.name {
				return nil, fmt.Errorf("%s: the graph for %d examples has another structure", n.names[p.owner], batch)
			}
			out = append(out, all[c.at])
		}
		return out, nil
	}
	in, err := pick(p.in)
	if err != nil {
		return err
	}
	out := g.Outputs
	if !p.whole {
		if out, err = pick(p.out); err != nil {
			return err
		}
	}
	sub, _ := ir.Extract(g, "piece", in, out)
	n.shelf.mu.Lock()
	defer n.shelf.mu.Unlock()
	q, err := compile.Region(sub, compile.Memory{Arena: &n.shelf.arena, Constants: n.shelf.folded})
	if err != nil {
		return fmt.Errorf("%s: %w", n.names[p.owner], err)
	}
	n.shelf.programs[f] = q
	return nil
}

// program returns a program, nil for none.
func (s *Shelf) program(f form) *compile.Program {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.programs[f]
}

func (s *Shelf) drop(f form) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.programs, f)
}

// Example is one example, and the networks whose outputs are asked for.
type Example struct {
	Inputs   []*tensor.Tensor // in the order of the networks' inputs, a batch of one
	Networks []int
}

// Run returns for each example the outputs of its networks, in their order. All examples have the
// length.
func (n *Network) Run(ctx context.Context, length int, examples []Example) ([][]*tensor.Tensor, error) {
	l, err := n.layout(length)
	if err != nil {
		return nil, err
	}
	made := make([][][]*tensor.Tensor, len(l.pieces)) // by piece, output and example
	for i, p := range l.pieces {
		made[i] = make([][]*tensor.Tensor, len(p.out))
		for k := range p.out {
			made[i][k] = make([]*tensor.Tensor, len(examples))
		}
		var rows []int
		for e := range examples {
			if slices.ContainsFunc(examples[e].Networks, func(m int) bool { _, ok := slices.BinarySearch(p.users, m); return ok }) {
				rows = append(rows, e)
			}
		}
		value := func(s source, e int) *tensor.Tensor {
			if s.piece < 0 {
				return examples[e].Inputs[s.at]
			}
			return made[s.piece][s.at][e]
		}
		for len(rows) > 0 {
			size := n.size(p, len(rows))
			if err := n.run(ctx, p, length, rows[:size], value, made[i]); err != nil {
				return nil, err
			}
			rows = rows[size:]
		}
	}
	found := make([][]*tensor.Tensor, len(examples))
	for e, x := range examples {
		for _, m := range x.Networks {
			s := l.output[m]
			found[e] = append(found[e], made[s.piece][s.at][e])
		}
	}
	return found, nil
}

// run runs a piece on some examples and keeps what it gives for each.
func (n *Network) run(ctx context.Context, p *piece, length int, rows []int, value func(source, int) *tensor.Tensor, made [][]*tensor.Tensor) error {
	f := form{p.key, len(rows), length}
	n.shelf.mu.Lock()
	for n.shelf.programs[f] == nil {
		n.shelf.mu.Unlock()
		if err := cmp.Or(ctx.Err(), n.compile(p, len(rows), length)); err != nil {
			return err
		}
		n.shelf.mu.Lock()
	}
	defer n.shelf.mu.Unlock()
	q := n.shelf.programs[f]
	given := make([]*tensor.Tensor, len(p.in))
	for k, s := range p.from {
		given[k] = stack(q.Graph().Inputs[k].Type, rows, func(e int) *tensor.Tensor { return value(s, e) })
	}
	out, err := q.Run(ctx, given...)
	if err != nil {
		return err
	}
	for k, t := range out {
		for j, e := range rows {
			made[k][e] = part(t, j, len(rows))
		}
	}
	return nil
}

// size is the largest batch size of up to rows examples.
func (n *Network) size(p *piece, rows int) int {
	for _, s := range Sizes {
		if s <= rows && !p.whole && !n.nets[p.owner].OneByOne() {
			return s
		}
	}
	return 1
}

// stack puts the values of examples one after another.
func stack(t ir.Type, examples []int, value func(e int) *tensor.Tensor) *tensor.Tensor {
	if len(examples) == 1 {
		return value(examples[0])
	}
	all := tensor.New(t.DType, t.Shape...)
	at := 0
	for _, e := range examples {
		at += copy(all.Bytes[at:], value(e).Bytes)
	}
	return all
}

// part copies example number j of size from a value.
func part(t *tensor.Tensor, j, size int) *tensor.Tensor {
	shape := t.Shape.Clone()
	shape[0] /= size
	n := len(t.Bytes) / size
	one := tensor.New(t.DType, shape...)
	copy(one.Bytes, t.Bytes[j*n:(j+1)*n])
	return one
}
