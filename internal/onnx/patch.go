package onnx

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Patch says how a written model differs from the one that was read. The zero Patch changes
// nothing. Nodes are named by a value that they compute, since files may leave nodes without names.
type Patch struct {
	// Tensors gives new contents, of the same dtype and shape, to parameters and constants of the
	// main graph by name. They are written in the encoding that the file has: raw, packed or one by
	// one.
	Tensors map[string]*tensor.Tensor

	AddInitializers    []Initializer
	RemoveInitializers []string

	AddNodes    []*Node
	RemoveNodes []string // the node that computes the value, with all its outputs
	Rewire      []Rewire
	Attrs       []Attr
	CutOutputs  []string // the node that computes the value keeps its first output alone

	DropValueInfos []string // names of values whose declared type does not hold any more

	Inputs   []ValueInfo       // graph inputs to declare anew, by name; the others stay
	Outputs  []ValueInfo       // graph outputs, all of them, in order; nil leaves them as they are
	Metadata map[string]string // metadata_props to set; the others stay
}

// Initializer is a named tensor to add.
type Initializer struct {
	Name   string
	Tensor *tensor.Tensor
}

// Node is a node to add. It stands at the end of the file's nodes, or before the node that computes
// the value Before where that is given; several with the same place keep their order.
type Node struct {
	Name, Op, Domain string
	Inputs, Outputs  []string // "" for absent ones
	Attrs            ir.Attrs
	Before           string
}

// Rewire makes input Index of the node that computes Node read another value.
type Rewire struct {
	Node  string
	Index int
	Value string
}

// Attr gives an attribute of the node that computes Node another value, of a type of ir.Attrs.
type Attr struct {
	Node, Name string
	Value      any
}

// Empty reports whether p changes nothing.
func (p *Patch) Empty() bool {
	return p == nil || len(p.Tensors) == 0 && len(p.AddInitializers) == 0 && len(p.RemoveInitializers) == 0 &&
		len(p.AddNodes) == 0 && len(p.RemoveNodes) == 0 && len(p.Rewire) == 0 && len(p.DropValueInfos) == 0 &&
		len(p.Attrs) == 0 && len(p.CutOutputs) == 0 &&
		len(p.Inputs) == 0 && p.Outputs == nil && len(p.Metadata) == 0
}

// maxInline is the size up to which a model is written as one file: protobuf's limit of 2 GiB.
const maxInline = 1<<31 - 1

// Bytes gives the model with p applied as one serialised ModelProto; external data is taken in. An
// empty patch gives the bytes that were read. It errors where p names something that the model does
// not have, where a name would be defined twice or not at all, and where the result passes 2 GiB.
func (m *Model) Bytes(p *Patch) ([]byte, error) {
	if p.Empty() {
		return m.data, nil
	}
	r, err := m.patch(p, nil)
	if err != nil {
		return nil, fmt.Errorf("onnx: patch: %w", err)
	}
	if r.size > maxInline {
		return nil, fmt.Errorf("onnx: patch: %d bytes are more than one ONNX file can hold", r.size)
	}
	return r.bytes(), nil
}

// WriteFile writes the model with p applied. The file holds all of its tensors, even those that
// were external, unless that passes 2 GiB: then tensors of a KiB and more go to path.data beside
// it. With an empty patch and no external data the file has the bytes that were read. An existing
// file is replaced in one step.
func (m *Model) WriteFile(path string, p *Patch) error { return m.writeFile(path, p, maxInline) }

func (m *Model) writeFile(path string, p *Patch, limit int) error {
	r, err := m.patch(p, nil)
	if err != nil {
		return fmt.Errorf("onnx: patch: %w", err)
	}
	if r.size > limit {
		side := &sideFile{name: filepath.Base(path) + ".data"}
		if r, err = m.patch(p, side); err != nil {
			return fmt.Errorf("onnx: patch: %w", err)
		}
		if err := atomicfile.Write(path+".data", side.rope.writeTo); err != nil {
			return err
		}
	}
	return atomicfile.Write(path, r.writeTo)
}

// Check errors where Bytes would, but for the size, and is quick.
func (m *Model) Check(p *Patch) error {
	if _, err := m.resolve(p, nil); err != nil {
		return fmt.Errorf("onnx: patch: %w", err)
	}
	return nil
}

// patch copies the model field by field. Side takes large tensors where it is not nil.
func (m *Model) patch(p *Patch, side *sideFile) (*rope, error) {
	pl, err := m.resolve(p, side)
	if err != nil {
		return nil, err
	}
	pl.store = newStore(m.dir)
	defer pl.store.close()
	r := &rope{}
	set := maps.Clone(pl.Metadata)
	for f, err := range fields(m.data) {
		if err != nil {
			return nil, err
		}
		switch f.num {
		case 7:
			g, err := pl.graph(f.buf, m.proto.graph)
			if err != nil {
				return nil, err
			}
			r.replace(f, g)
		case 14:
			k, old, err := parseProp(f)
			if err != nil {
				return nil, err
			}
			if v, ok := set[k]; ok && v != old {
				r.addField(14, encodeProp(k, v))
			} else {
				r.add(f.raw)
			}
			delete(set, k)
		case 25:
			fn, err := pl.nested(f.buf, 7, -1)
			if err != nil {
				return nil, err
			}
			r.replace(f, fn)
		default:
			r.add(f.raw)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(set)) {
		r.addField(14, encodeProp(k, set[k]))
	}
	return r, nil
}
