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

// Patch says how a written model differs from the original. The zero Patch changes nothing. Nodes
// are identified by a value that they compute, as files may leave nodes without names.
type Patch struct {
	// Tensors gives new contents, with the same dtype and shape, to parameters and constants of the
	// main graph by name. They are written in the encoding of the file: raw, packed or one by one.
	Tensors map[string]*tensor.Tensor

	AddInitializers    []Initializer
	RemoveInitializers []string

	AddNodes    []*Node
	RemoveNodes []string // the node that computes the value, with all its outputs
	Rewire      []Rewire
	Attrs       []Attr
	CutOutputs  []string // the node that computes the value keeps its first output alone

	DropValueInfos []string // names of values whose declared type is no longer valid

	Inputs   []ValueInfo       // graph inputs to redeclare, by name; others stay
	Outputs  []ValueInfo       // all graph outputs, in order; nil does not change them
	Metadata map[string]string // metadata_props to set; others stay
}

// Initializer is a named tensor to add.
type Initializer struct {
	Name   string
	Tensor *tensor.Tensor
}

// Node is a node to add. It goes to the end of the file's nodes, or before the node that computes
// the value Before, if given. Several nodes with the same place keep their order.
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

// maxInline is the largest size of a model in one file: protobuf's limit of 2 GiB.
const maxInline = 1<<31 - 1

// Bytes returns the model with p applied as one serialised ModelProto that includes external data.
// An empty patch returns the original bytes. It errors if p names something that the model lacks,
// if a name would be defined twice or not at all, or if the result exceeds 2 GiB.
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

// WriteFile writes the model with p applied. The file contains all tensors, even those that were
// external, unless it would exceed 2 GiB. Then tensors of a KiB and more go to path.data beside it.
// With an empty patch and no external data, the file has the original bytes. An existing file is
// replaced atomically.
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

// Check errors where Bytes would, except for the size, and is fast.
func (m *Model) Check(p *Patch) error {
	if _, err := m.resolve(p, nil); err != nil {
		return fmt.Errorf("onnx: patch: %w", err)
	}
	return nil
}

// patch copies the model field by field. If side is not nil, large tensors go there.
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
