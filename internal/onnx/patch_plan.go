package onnx

import (
	"fmt"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// plan is a Patch with its names resolved to positions in the file.
type plan struct {
	*Patch
	store    *store
	side     *sideFile
	external bool // some tensor is external
	dropInit map[string]bool
	dropNode map[int]bool
	dropInfo map[string]bool
	initNew  map[int]*tensor.Tensor
	nodeNew  map[int]*tensor.Tensor
	rewire   map[int]map[int]string
	attrs    map[int][]Attr
	cut      map[int]bool
	before   map[int][]*Node
	last     []*Node
	inputs   map[string]ValueInfo
	initIn   bool // initializers must also be listed as inputs, as IR version 3 requires
}

func (m *Model) resolve(p *Patch, side *sideFile) (*plan, error) {
	if p == nil {
		p = &Patch{}
	}
	g := m.proto.graph
	pl := &plan{Patch: p, side: side, external: m.proto.external(), initIn: m.IRVersion < 4,
		dropInit: map[string]bool{}, dropNode: map[int]bool{}, dropInfo: map[string]bool{},
		initNew: map[int]*tensor.Tensor{}, nodeNew: map[int]*tensor.Tensor{},
		rewire: map[int]map[int]string{}, attrs: map[int][]Attr{}, cut: map[int]bool{}, before: map[int][]*Node{}, inputs: map[string]ValueInfo{}}
	for _, name := range slices.Sorted(maps.Keys(p.Tensors)) {
		c, t := m.consts[name], p.Tensors[name]
		switch {
		case c == nil:
			return nil, fmt.Errorf("the model has no tensor %q", name)
		case !ir.TypeOf(t).Equal(c.value.Type) || len(t.Bytes) != t.Len()*t.DType.Size():
			return nil, fmt.Errorf("tensor %q is %v, its new contents are %v", name, c.value.Type, ir.TypeOf(t))
		case c.init >= 0:
			pl.initNew[c.init] = t
		default:
			pl.nodeNew[c.node] = t
		}
	}
	inits := map[string]bool{}
	for _, t := range g.inits {
		inits[t.name] = true
	}
	for _, name := range p.RemoveInitializers {
		if !inits[name] {
			return nil, fmt.Errorf("the model has no initializer %q to remove", name)
		}
		pl.dropInit[name] = true
	}
	maker := map[string]int{}
	for i, n := range g.nodes {
		for _, o := range n.outputs {
			if o != "" {
				maker[o] = i
			}
		}
	}
	at := func(value string) (int, error) {
		if i, ok := maker[value]; ok {
			return i, nil
		}
		return 0, fmt.Errorf("no node of the main graph computes %q", value)
	}
	for _, v := range p.RemoveNodes {
		i, err := at(v)
		if err != nil {
			return nil, err
		}
		pl.dropNode[i] = true
	}
	for _, w := range p.Rewire {
		i, err := at(w.Node)
		if err != nil {
			return nil, err
		}
		if w.Index < 0 || w.Index >= len(g.nodes[i].inputs) {
			return nil, g.nodes[i].errorf("has no input %d to rewire", w.Index)
		}
		if pl.rewire[i] == nil {
			pl.rewire[i] = map[int]string{}
		}
		pl.rewire[i][w.Index] = w.Value
	}
	for _, f := range p.Attrs {
		i, err := at(f.Node)
		if err != nil {
			return nil, err
		}
		pl.attrs[i] = append(pl.attrs[i], f)
	}
	for _, v := range p.CutOutputs {
		i, err := at(v)
		if err != nil {
			return nil, err
		}
		pl.cut[i] = true
	}
	for _, n := range p.AddNodes {
		if _, ok := m.Opsets[normDomain(n.Domain)]; !ok {
			return nil, fmt.Errorf("node %q (%s): the model imports no operators of domain %q", n.Name, n.Op, n.Domain)
		}
		if n.Before == "" {
			pl.last = append(pl.last, n)
			continue
		}
		i, err := at(n.Before)
		if err != nil {
			return nil, err
		}
		pl.before[i] = append(pl.before[i], n)
	}
	for _, name := range p.DropValueInfos {
		pl.dropInfo[name] = true
	}
	for _, v := range p.Inputs {
		if !slices.ContainsFunc(g.inputs, func(in *valueProto) bool { return in.name == v.Name }) {
			return nil, fmt.Errorf("the model has no input %q", v.Name)
		}
		pl.inputs[v.Name] = v
	}
	for _, v := range p.Outputs {
		if Code(v.DType) == 0 {
			return nil, fmt.Errorf("output %q has no type", v.Name)
		}
	}
	return pl, pl.check(g)
}

// check verifies that all names of the patched graph are defined once.
func (pl *plan) check(g *graphProto) error {
	defined := map[string]bool{"": true}
	define := func(name string) error {
		if name != "" && defined[name] {
			return fmt.Errorf("%q would be defined twice", name)
		}
		defined[name] = true
		return nil
	}
	for _, v := range g.inputs {
		if !pl.dropInit[v.name] {
			defined[v.name] = true
		}
	}
	for _, t := range g.inits {
		if !pl.dropInit[t.name] {
			defined[t.name] = true
		}
	}
	for _, name := range g.sparse {
		defined[name] = true
	}
	for _, t := range pl.AddInitializers {
		if t.Name == "" {
			return fmt.Errorf("an added initializer has no name")
		}
		if err := define(t.Name); err != nil {
			return err
		}
	}
	for i, n := range g.nodes {
		if !pl.dropNode[i] {
			for k, o := range n.outputs {
				defined[o] = defined[o] || k == 0 || !pl.cut[i]
			}
		}
	}
	for _, n := range pl.AddNodes {
		for _, o := range n.Outputs {
			if err := define(o); err != nil {
				return err
			}
		}
	}
	for i, n := range g.nodes {
		if pl.dropNode[i] {
			continue
		}
		for j, name := range n.reads() {
			if to, ok := pl.rewire[i][j]; ok {
				name = to
			}
			if !defined[name] {
				return n.errorf("would read %q, which nothing defines any more", name)
			}
		}
	}
	for _, n := range pl.AddNodes {
		for _, name := range n.Inputs {
			if !defined[name] {
				return fmt.Errorf("node %q (%s): reads %q, which nothing defines", n.Name, n.Op, name)
			}
		}
	}
	if pl.Outputs == nil {
		for _, v := range g.outputs {
			if !defined[v.name] {
				return fmt.Errorf("output %q would not be defined any more", v.name)
			}
		}
	}
	for _, v := range pl.Outputs {
		if v.Name == "" || !defined[v.Name] {
			return fmt.Errorf("output %q is not defined", v.Name)
		}
	}
	return nil
}
