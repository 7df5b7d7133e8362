package onnx

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

// encodeNode makes a NodeProto. names gives the names of the values that subgraphs read.
func encodeNode(n *Node, names *namer) (*rope, error) {
	var b []byte
	for _, s := range n.Inputs {
		b = appendString(b, 1, s)
	}
	for _, s := range n.Outputs {
		b = appendString(b, 2, s)
	}
	if n.Name != "" {
		b = appendString(b, 3, n.Name)
	}
	b = appendString(b, 4, n.Op)
	r := &rope{}
	r.add(b)
	for _, k := range slices.Sorted(maps.Keys(n.Attrs)) {
		a, err := encodeAttr(k, n.Attrs[k], names)
		if err != nil {
			return nil, fmt.Errorf("node %q (%s): attribute %q: %w", n.Name, n.Op, k, err)
		}
		r.addMessage(5, a)
	}
	if n.Domain != "" {
		r.add(appendString(nil, 7, n.Domain))
	}
	return r, nil
}

// encodeAttr makes an AttributeProto.
func encodeAttr(name string, v any, names *namer) (*rope, error) {
	r := &rope{}
	b := appendString(nil, 1, name)
	typ := 0
	switch v := v.(type) {
	case float32:
		typ = attrFloat
		b = protowire.AppendTag(b, 2, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, math.Float32bits(v))
	case int:
		typ = attrInt
		b = appendInt(b, 3, int64(v))
	case string:
		typ = attrString
		b = appendString(b, 4, v)
	case *tensor.Tensor:
		typ = attrTensor
		r.add(b)
		r.addMessage(5, encodeTensor("", v))
		b = nil
	case *ir.Graph:
		typ = attrGraph
		g, err := encodeGraph(v, names, false)
		if err != nil {
			return nil, err
		}
		r.add(b)
		r.addMessage(6, g)
		b = nil
	case []float32:
		typ = attrFloats
		for _, x := range v {
			b = protowire.AppendTag(b, 7, protowire.Fixed32Type)
			b = protowire.AppendFixed32(b, math.Float32bits(x))
		}
	case []int:
		typ = attrInts
		for _, x := range v {
			b = appendInt(b, 8, int64(x))
		}
	case []string:
		typ = attrStrings
		for _, x := range v {
			b = appendString(b, 9, x)
		}
	default:
		return nil, fmt.Errorf("no ONNX attribute holds a %T", v)
	}
	r.add(appendInt(b, 20, int64(typ)))
	return r, nil
}

// encodeValue makes a ValueInfoProto.
func encodeValue(v ValueInfo) []byte {
	return appendBytes(appendString(nil, 1, v.Name), 2, encodeType(v))
}

// encodeType makes the TypeProto of a tensor.
func encodeType(v ValueInfo) []byte {
	t := appendInt(nil, 1, int64(Code(v.DType)))
	if v.Shape != nil {
		var shape []byte
		for i, d := range v.Shape {
			var dim []byte
			switch {
			case d >= 0:
				dim = appendInt(nil, 1, int64(d))
			case i < len(v.Dims) && v.Dims[i] != "":
				dim = appendString(nil, 2, v.Dims[i])
			}
			shape = appendBytes(shape, 1, dim)
		}
		t = appendBytes(t, 2, shape)
	}
	return appendBytes(nil, 1, t)
}

// encodeProp makes a StringStringEntryProto.
func encodeProp(key, value string) []byte { return appendString(appendString(nil, 1, key), 2, value) }

// encodeTyped writes contents into a typed field in its original style: packed or one by one.
func encodeTyped(num protowire.Number, packed bool, t *tensor.Tensor) []byte {
	var tag, b []byte
	typ, size := protowire.VarintType, t.DType.Size()
	if num == 4 {
		typ = protowire.Fixed32Type
	} else if num == 10 {
		typ = protowire.Fixed64Type
	}
	if !packed {
		tag = protowire.AppendTag(nil, num, typ)
	}
	for i := range t.Len() {
		b = append(b, tag...)
		if typ == protowire.VarintType {
			b = protowire.AppendVarint(b, element(t.Bytes, t.DType, i))
		} else {
			b = append(b, t.Bytes[i*size:(i+1)*size]...)
		}
	}
	if packed {
		return appendBytes(nil, num, b)
	}
	return b
}

// encodeFloats and encodeInts write an attribute's list in its original style.
func encodeFloats(packed bool, t *tensor.Tensor) []byte {
	if packed {
		return appendBytes(nil, 7, t.Bytes)
	}
	var b []byte
	for i := range t.Len() {
		b = protowire.AppendTag(b, 7, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, binary.LittleEndian.Uint32(t.Bytes[4*i:]))
	}
	return b
}

func encodeInts(packed bool, t *tensor.Tensor) []byte {
	var b, p []byte
	for _, v := range t.I64() {
		if packed {
			p = protowire.AppendVarint(p, uint64(v))
		} else {
			b = appendInt(b, 8, v)
		}
	}
	if packed {
		return appendBytes(nil, 8, p)
	}
	return b
}
