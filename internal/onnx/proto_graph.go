package onnx

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

type graphProto struct {
	name      string
	nodes     []*nodeProto
	inits     []*tensorProto
	sparse    []string // names of sparse initializers
	inputs    []*valueProto
	outputs   []*valueProto
	valueInfo []*valueProto
	free      []string // names read from the surrounding graph, once freeNames has run
	hasFree   bool
}

type nodeProto struct {
	name, op, domain, overload string
	inputs, outputs            []string
	attrs                      []*attrProto
	index                      int // index in the graph's list
}

// label names the node in errors and for selectors: its name, or else its result.
func (n *nodeProto) label() string {
	if n.name != "" {
		return n.name
	}
	for _, o := range n.outputs {
		if o != "" {
			return o
		}
	}
	return n.op
}

func (n *nodeProto) errorf(format string, args ...any) error {
	return fmt.Errorf("node %q (%s): %w", n.label(), n.op, fmt.Errorf(format, args...))
}

type attrProto struct {
	name, ref string
	typ       int
	f         float32
	i         int64
	s         string
	t         *tensorProto
	g         *graphProto
	floats    numbers
	ints      numbers
	strings   []string
	wire      []byte // the message, of which the fields above are a part
}

// Attribute types, AttributeProto.AttributeType.
const (
	attrFloat   = 1
	attrInt     = 2
	attrString  = 3
	attrTensor  = 4
	attrGraph   = 5
	attrFloats  = 6
	attrInts    = 7
	attrStrings = 8
)

var attrTypes = map[int]string{9: "list of tensors", 10: "list of graphs", 11: "sparse tensor",
	12: "list of sparse tensors", 13: "type", 14: "list of types"}

func parseGraph(b []byte, depth int) (*graphProto, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("graphs nest deeper than %d", maxNesting)
	}
	g := &graphProto{}
	for f, err := range fields(b) {
		if err == nil {
			err = g.add(f, depth)
		}
		if err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *graphProto) add(f field, depth int) error {
	switch f.num {
	case 2:
		var err error
		g.name, err = f.str()
		return err
	case 1, 5, 11, 12, 13, 15:
	default:
		return nil
	}
	b, err := f.bytes()
	if err != nil {
		return err
	}
	switch f.num {
	case 1:
		n, err := parseNode(b, depth)
		if err != nil {
			return err
		}
		n.index = len(g.nodes)
		g.nodes = append(g.nodes, n)
	case 5:
		t, err := parseTensor(b)
		if err != nil {
			return err
		}
		g.inits = append(g.inits, t)
	case 15:
		name, err := sparseName(b)
		if err != nil {
			return err
		}
		g.sparse = append(g.sparse, name)
	default:
		v, err := parseValue(b)
		if err != nil {
			return err
		}
		switch f.num {
		case 11:
			g.inputs = append(g.inputs, v)
		case 12:
			g.outputs = append(g.outputs, v)
		case 13:
			g.valueInfo = append(g.valueInfo, v)
		}
	}
	return nil
}

// sparseName returns the name of a SparseTensorProto, which is that of its values.
func sparseName(b []byte) (string, error) {
	for f, err := range fields(b) {
		if err == nil && f.num == 1 {
			if b, err = f.bytes(); err == nil {
				var t *tensorProto
				if t, err = parseTensor(b); err == nil {
					return t.name, nil
				}
			}
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

func parseNode(b []byte, depth int) (*nodeProto, error) {
	n := &nodeProto{}
	for f, err := range fields(b) {
		if err == nil {
			var s string
			switch f.num {
			case 1:
				s, err = f.str()
				n.inputs = append(n.inputs, s)
			case 2:
				s, err = f.str()
				n.outputs = append(n.outputs, s)
			case 3:
				n.name, err = f.str()
			case 4:
				n.op, err = f.str()
			case 7:
				s, err = f.str()
				n.domain = normDomain(s)
			case 8:
				n.overload, err = f.str()
			case 5:
				var b []byte
				if b, err = f.bytes(); err == nil {
					var a *attrProto
					a, err = parseAttr(b, depth)
					n.attrs = append(n.attrs, a)
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("node %q: %w", n.label(), err)
		}
	}
	if n.op == "" {
		return nil, fmt.Errorf("node %q has no operator", n.label())
	}
	return n, nil
}

func parseAttr(b []byte, depth int) (*attrProto, error) {
	a := &attrProto{wire: b}
	guess := 0 // for a file so old that it does not state the type
	for f, err := range fields(b) {
		if err == nil {
			var sub []byte
			var v int64
			switch f.num {
			case 1:
				a.name, err = f.str()
			case 21:
				a.ref, err = f.str()
			case 20:
				v, err = f.int64()
				a.typ = int(v)
			case 2:
				if f.typ != protowire.Fixed32Type {
					err = errWire
				}
				a.f, guess = math.Float32frombits(uint32(f.val)), attrFloat
			case 3:
				a.i, err = f.int64()
				guess = attrInt
			case 4:
				a.s, err = f.str()
				guess = attrString
			case 5:
				if sub, err = f.bytes(); err == nil {
					a.t, err = parseTensor(sub)
				}
				guess = attrTensor
			case 6:
				if sub, err = f.bytes(); err == nil {
					a.g, err = parseGraph(sub, depth+1)
				}
				guess = attrGraph
			case 7:
				err = a.floats.add(f, protowire.Fixed32Type)
				guess = attrFloats
			case 8:
				err = a.ints.add(f, protowire.VarintType)
				guess = attrInts
			case 9:
				var s string
				s, err = f.str()
				a.strings = append(a.strings, s)
				guess = attrStrings
			}
		}
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", a.name, err)
		}
	}
	if a.typ == 0 && a.ref == "" {
		a.typ = guess
	}
	if a.typ == attrTensor && a.t == nil && a.ref == "" || a.typ == attrGraph && a.g == nil && a.ref == "" {
		return nil, fmt.Errorf("attribute %q is empty", a.name)
	}
	return a, nil
}

func parseFunc(b []byte) (*funcProto, error) {
	fn := &funcProto{opsets: map[string]int{}}
	for f, err := range fields(b) {
		if err == nil {
			var s string
			var sub []byte
			switch f.num {
			case 1:
				fn.key.name, err = f.str()
			case 10:
				s, err = f.str()
				fn.key.domain = normDomain(s)
			case 13:
				fn.key.overload, err = f.str()
			case 4:
				s, err = f.str()
				fn.inputs = append(fn.inputs, s)
			case 5:
				s, err = f.str()
				fn.outputs = append(fn.outputs, s)
			case 7:
				if sub, err = f.bytes(); err == nil {
					var n *nodeProto
					if n, err = parseNode(sub, 0); err == nil {
						n.index = len(fn.nodes)
						fn.nodes = append(fn.nodes, n)
					}
				}
			case 9:
				err = addOpset(fn.opsets, f)
			case 11:
				if sub, err = f.bytes(); err == nil {
					var a *attrProto
					a, err = parseAttr(sub, 0)
					fn.defaults = append(fn.defaults, a)
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("function %q: %w", fn.key.name, err)
		}
	}
	return fn, nil
}
