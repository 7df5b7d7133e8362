package onnx

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/permafrost-ml/permafrost/internal/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

// tensorProto is a TensorProto whose contents have not been decoded yet.
type tensorProto struct {
	name     string
	elem     int // TensorProto.DataType
	dims     numbers
	raw      []byte
	hasRaw   bool
	floats   numbers  // float_data, field 4
	int32s   numbers  // int32_data, field 5
	int64s   numbers  // int64_data, field 7
	doubles  numbers  // double_data, field 10
	uint64s  numbers  // uint64_data, field 11
	strings  [][]byte // string_data, field 6
	segment  bool
	external map[string]string // location of contents outside the file; nil if there are none
	decoded  *tensor.Tensor    // the earlier result of decode
}

func parseTensor(b []byte) (*tensorProto, error) {
	t := &tensorProto{}
	located := false
	for f, err := range fields(b) {
		if err == nil {
			var v int64
			switch f.num {
			case 1:
				err = t.dims.add(f, protowire.VarintType)
			case 2:
				v, err = f.int64()
				t.elem = int(int32(v))
			case 3:
				t.segment = true
			case 4:
				err = t.floats.add(f, protowire.Fixed32Type)
			case 5:
				err = t.int32s.add(f, protowire.VarintType)
			case 6:
				var s []byte
				s, err = f.bytes()
				t.strings = append(t.strings, s)
			case 7:
				err = t.int64s.add(f, protowire.VarintType)
			case 8:
				t.name, err = f.str()
			case 9:
				t.raw, err = f.bytes()
				t.hasRaw = true
			case 10:
				err = t.doubles.add(f, protowire.Fixed64Type)
			case 11:
				err = t.uint64s.add(f, protowire.VarintType)
			case 13:
				if t.external == nil {
					t.external = map[string]string{}
				}
				err = addProp(t.external, f)
			case 14:
				v, err = f.int64()
				located = v == 1
			}
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.name, err)
		}
	}
	if !located {
		t.external = nil
	} else if t.external == nil {
		t.external = map[string]string{}
	}
	return t, nil
}

// shape decodes the dimensions and returns the number of elements. It errors if that overflows.
func (t *tensorProto) shape() (tensor.Shape, int, error) {
	vs, err := t.dims.varints()
	if err != nil {
		return nil, 0, err
	}
	if len(vs) > 64 {
		return nil, 0, fmt.Errorf("%d axes are more than 64", len(vs))
	}
	s := make(tensor.Shape, len(vs))
	n, empty := uint64(1), false
	for i, v := range vs {
		if int64(v) < 0 {
			return nil, 0, fmt.Errorf("axis %d has the negative size %d", i, int64(v))
		}
		s[i] = int(v)
		if v == 0 {
			empty = true
			continue
		}
		hi, lo := bits.Mul64(n, v)
		if hi != 0 || lo > 1<<48 {
			return nil, 0, fmt.Errorf("shape %v has more elements than any file can hold", s)
		}
		n = lo
	}
	if empty {
		n = 0
	}
	return s, int(n), nil
}

// field returns the typed field that holds the contents of a tensor with this element type if they
// are not raw, and the field's number.
func (t *tensorProto) field(dt tensor.DType) (*numbers, protowire.Number) {
	switch dt {
	case tensor.Float32:
		return &t.floats, 4
	case tensor.Float64:
		return &t.doubles, 10
	case tensor.Int64:
		return &t.int64s, 7
	case tensor.Uint32, tensor.Uint64:
		return &t.uint64s, 11
	}
	return &t.int32s, 5
}

// decode returns the contents. They share the file's memory if they are aligned there. It allocates
// no more than the file's own bytes fill. store provides external contents.
func (t *tensorProto) decode(store *store) (*tensor.Tensor, error) {
	if t.decoded != nil {
		return t.decoded, nil
	}
	dt, err := DType(t.elem)
	if err != nil {
		return nil, err
	}
	shape, n, err := t.shape()
	if err != nil {
		return nil, err
	}
	if t.segment {
		return nil, fmt.Errorf("tensors in segments are not supported")
	}
	want := (n*dt.Bits() + 7) / 8
	raw := t.raw
	switch {
	case t.external != nil:
		if raw, err = store.read(t.external, want); err != nil {
			return nil, err
		}
	case !t.hasRaw:
		raw, err = t.decodeTyped(dt, want/dt.Size())
		if err != nil {
			return nil, err
		}
	}
	if len(raw) != want {
		return nil, fmt.Errorf("%v%v needs %d bytes, %d are there", dt, shape, want, len(raw))
	}
	if dt == tensor.Bool {
		raw = bools(raw)
	}
	raw = unpack(raw, dt, n)
	t.decoded = &tensor.Tensor{DType: dt, Shape: shape, Bytes: align(raw, dt.Size(), store)}
	return t.decoded, nil
}

// unpack expands n elements of less than a byte, packed in b from the low bits up, to one byte
// each.
func unpack(b []byte, dt tensor.DType, n int) []byte {
	width := dt.Bits()
	if width >= 8 {
		return b
	}
	out := make([]byte, n)
	for i := range out {
		x := b[i*width/8] >> (i * width % 8) << (8 - width)
		if dt == tensor.Int4 || dt == tensor.Int2 {
			out[i] = byte(int8(x) >> (8 - width))
		} else {
			out[i] = x >> (8 - width)
		}
	}
	return out
}

// pack is the inverse of unpack.
func pack(b []byte, dt tensor.DType) []byte {
	width := dt.Bits()
	if width >= 8 {
		return b
	}
	out := make([]byte, (len(b)*width+7)/8)
	for i, x := range b {
		out[i*width/8] |= x << (8 - width) >> (8 - width) << (i * width % 8)
	}
	return out
}

// align returns b, or a copy if the processor needs it at a multiple of size.
func align(b []byte, size int, store *store) []byte {
	if len(b) == 0 {
		return []byte{}
	}
	if tensor.Unaligned || uintptr(unsafe.Pointer(&b[0]))%uintptr(size) == 0 {
		return b
	}
	var c []byte
	if store != nil {
		c = store.slab.Bytes(len(b))
	} else {
		c = tensor.AlignedBytes(len(b))
	}
	copy(c, b)
	return c
}

// bools returns b with every non-zero byte set to 1, the only valid form of true in Go.
func bools(b []byte) []byte {
	for i, x := range b {
		if x > 1 {
			c := make([]byte, len(b))
			copy(c, b[:i])
			for j, x := range b[i:] {
				if x != 0 {
					c[i+j] = 1
				}
			}
			return c
		}
	}
	return b
}

// decodeTyped returns the little-endian bytes of contents in a typed field.
func (t *tensorProto) decodeTyped(dt tensor.DType, n int) ([]byte, error) {
	s, _ := t.field(dt)
	// packed fixed-size numbers are already in the raw form
	if dt == tensor.Float32 || dt == tensor.Float64 {
		return s.joined(), nil
	}
	if n > s.size() { // a varint takes at least one byte
		return nil, fmt.Errorf("%d elements are declared, at most %d are there", n, s.size())
	}
	b := s.joined()
	out := make([]byte, 0, n*dt.Size())
	for ; len(b) > 0; n-- {
		v, m := protowire.ConsumeVarint(b)
		if m < 0 {
			return nil, protowire.ParseError(m)
		}
		if n == 0 {
			return nil, fmt.Errorf("more elements are there than declared")
		}
		b = b[m:]
		switch dt.Size() {
		case 1:
			if dt == tensor.Bool && v != 0 {
				v = 1
			}
			out = append(out, byte(v))
		case 2:
			out = binary.LittleEndian.AppendUint16(out, uint16(v))
		case 4:
			out = binary.LittleEndian.AppendUint32(out, uint32(v))
		case 8:
			out = binary.LittleEndian.AppendUint64(out, v)
		}
	}
	return out, nil
}

// element reads element i of little-endian contents as the varint that a typed field holds.
func element(b []byte, dt tensor.DType, i int) uint64 {
	switch dt.Size() {
	case 1:
		if dt == tensor.Int8 {
			return uint64(int64(int8(b[i])))
		}
		return uint64(b[i])
	case 2:
		v := binary.LittleEndian.Uint16(b[2*i:])
		if dt == tensor.Int16 {
			return uint64(int64(int16(v)))
		}
		return uint64(v)
	case 4:
		v := binary.LittleEndian.Uint32(b[4*i:])
		if dt == tensor.Int32 {
			return uint64(int64(int32(v)))
		}
		return uint64(v)
	}
	return binary.LittleEndian.Uint64(b[8*i:])
}

// encodeTensor makes a TensorProto with raw contents.
func encodeTensor(name string, t *tensor.Tensor) *rope {
	var b []byte
	for _, d := range t.Shape {
		b = appendInt(b, 1, int64(d))
	}
	b = appendInt(b, 2, int64(Code(t.DType)))
	if name != "" {
		b = appendString(b, 8, name)
	}
	r := &rope{}
	r.add(b)
	r.addField(9, pack(t.Bytes, t.DType))
	return r
}
