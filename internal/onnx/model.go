// Package onnx reads ONNX files into raw graphs, and writes them by patching the original bytes.
//
// A Model keeps the file's bytes. Reading decodes views of them. Writing copies them field by field
// and replaces only what a Patch names. So unknown fields, metadata, node order and every frozen
// weight are preserved bit for bit.
//
// # Reading
//
// Open and Parse accept ModelProto of IR version 3 and later. The resulting graph is raw: nodes
// have operator, domain, opset version and attributes as in the file, and results have no type.
// Local functions are inlined. Constant nodes become values. Subgraphs become *ir.Graph attributes
// whose captures point to the values of the surrounding graph. Absent optional inputs and outputs
// are nil. A node without a name is named after its first output.
//
// # Parameters
//
// A floating-point tensor is a parameter, Kind ir.Param, if it is an initializer with at least one
// axis and more than one element. It is also a parameter if it is in the weight slot of a layer
// (see slots.go), directly or through Identity, Transpose, Reshape, Cast, Squeeze or Unsqueeze,
// even if a Constant node holds it. Tensors that set a shape (the scales of Resize), quantisation
// scales and all others are constants. An initializer that is read in several places is one
// parameter, so tied weights stay tied. Two initializers with equal bytes are two parameters.
package onnx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// The supported versions. Whether an operator is known at a node's opset version is decided when it
// is lowered, as many have not changed since the first version.
const (
	MinIR    = 3
	MinOpset = 1
	MaxOpset = 28
)

// Model is an ONNX model: the file's bytes and what they mean.
type Model struct {
	Path      string // the file, "" where Parse read it
	IRVersion int
	Producer  string
	Opsets    map[string]int    // version by domain, "" for ai.onnx
	Metadata  map[string]string // metadata_props
	Graph     *ir.Graph         // raw
	// of the graph, in order, without the weights that old files list there
	Inputs  []ValueInfo
	Outputs []ValueInfo // as declared
	// first initializers in the order of the file, then Constant nodes in the order of the file
	Params []*Param

	data   []byte
	proto  *modelProto
	dir    string
	consts map[string]*constant // parameters and constants of the main graph by name
	file   fs.FileInfo          // of Path, before it was read
	digest func() string        // see Digest
}

// ValueInfo is a declared input or output.
type ValueInfo struct {
	Name  string
	DType tensor.DType // Invalid if not declared or not supported
	Shape tensor.Shape // -1 for sizes that are not fixed; nil if even the number of axes is unknown
	Dims  []string     // names of the axes, "" where there is none
}

// Param is one weight of a model.
type Param struct {
	Name   string // of the initializer, or of the Constant node's output
	Value  *ir.Value
	Tensor *tensor.Tensor // the contents, which must not be changed
	// number of node inputs and graph outputs that read it; above one, it is tied
	Uses int

	Initializer int // index among the graph's initializers, -1 if a Constant node holds it
	// index of the Constant node among the graph's nodes, -1 if an initializer holds it
	Node     int
	External bool
}

// Open reads a model file. Errors are one line that says what is wrong and where. For a file of
// another format, or a folder, it says how to come to an ONNX file from there.
func Open(path string) (*Model, error) { return openModel(path, inMemory) }

// OpenOnDisk is Open, with a large file as a copy on disk instead of in memory where the system can,
// see package ondisk: the copy stays until the process ends. Memory that reading the model took is free
// again after ondisk.Release.
func OpenOnDisk(path string) (*Model, error) { return openModel(path, onDisk) }

func openModel(path string, load loader) (*Model, error) {
	st, err := os.Stat(path)
	if err == nil && st.IsDir() {
		return nil, fmt.Errorf("onnx: %w", folder(path))
	}
	if err == nil && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("onnx: %s is no regular file", path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("onnx: no model file %s", path)
	}
	data, err := readFile(path, load)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	m, err := parse(data, filepath.Dir(path), load)
	if err != nil {
		if errors.Is(err, errNotModel) {
			err = fmt.Errorf("%w%s", err, byName(path))
		}
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	m.Path, m.file = path, st
	return m, nil
}

// Parse reads a serialised ModelProto. dir is the folder of its external data; if dir is empty,
// external data is an error. The model keeps data, which must not be changed later.
func Parse(data []byte, dir string) (*Model, error) {
	m, err := parse(data, dir, inMemory)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return m, nil
}

// errNotModel is the error for contents that are nothing like an ONNX file.
var errNotModel = errors.New("not an ONNX model")

func parse(data []byte, dir string, load loader) (*Model, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("the file is empty")
	}
	p, err := parseModel(data)
	switch {
	case err != nil && p.irVersion == 0, err == nil && p.irVersion == 0 && p.graph == nil:
		return nil, errNotModel
	case truncated(err):
		return nil, fmt.Errorf("the file ends early: truncated or damaged")
	case err != nil:
		return nil, err
	case p.graph == nil:
		return nil, fmt.Errorf("holds no graph: truncated, or not an ONNX model")
	case p.irVersion < MinIR:
		return nil, fmt.Errorf("IR version %d is older than %d, the oldest supported", p.irVersion, MinIR)
	case len(p.opsets) == 0:
		return nil, fmt.Errorf("imports no operator set")
	}
	if v, ok := p.opsets[""]; ok && v < MinOpset {
		return nil, fmt.Errorf("opset %d is older than %d, the oldest supported", v, MinOpset)
	} else if v > MaxOpset {
		return nil, fmt.Errorf("opset %d is newer than %d, the newest known", v, MaxOpset)
	}
	m := &Model{
		IRVersion: int(p.irVersion), Producer: p.producer, Opsets: p.opsets, Metadata: p.metadata,
		data: data, proto: p, dir: dir,
	}
	for _, v := range p.graph.outputs {
		m.Outputs = append(m.Outputs, v.info())
	}
	b := newReader(p, data, dir)
	b.store.load = load
	defer b.store.close()
	if m.Graph, err = b.graph(p.graph, nil); err != nil {
		return nil, err
	}
	// writing includes unused ones too, so an error is better found before a fit
	for t := range p.externals() {
		if _, err := t.decode(b.store); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.name, err)
		}
	}
	for _, v := range p.graph.inputs {
		if slices.ContainsFunc(m.Graph.Inputs, func(in *ir.Value) bool { return in.Name == v.name }) {
			m.Inputs = append(m.Inputs, v.info())
		}
	}
	m.Params = b.params(m.Graph)
	m.consts = map[string]*constant{}
	for _, c := range b.consts {
		m.consts[c.value.Name] = c
	}
	m.digest = sync.OnceValue(m.hexSum)
	return m, nil
}

// info returns the declaration in the types of package tensor.
func (v *valueProto) info() ValueInfo {
	i := ValueInfo{Name: v.name, DType: elems[v.elem], Dims: v.symbols}
	if v.ranked {
		i.Shape = append(tensor.Shape{}, v.dims...)
	}
	return i
}

// Param returns a parameter by name, or nil.
func (m *Model) Param(name string) *Param {
	for _, p := range m.Params {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Tensors returns, by name, every parameter and constant of the main graph that something reads. A
// Patch can give these new contents.
func (m *Model) Tensors() map[string]*tensor.Tensor {
	ts := make(map[string]*tensor.Tensor, len(m.consts))
	for name, c := range m.consts {
		ts[name] = c.value.Data
	}
	return ts
}

// FreshName returns a name that is not the prefix of any initializer or node result in the main
// graph: want itself, or want with a number appended. It can be the prefix of several values that a
// Patch adds.
func (m *Model) FreshName(want string) string {
	g := m.proto.graph
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

// Size returns the number of bytes of the model file.
func (m *Model) Size() int { return len(m.data) }
