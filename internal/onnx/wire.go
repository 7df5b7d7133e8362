package onnx

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/permafrost-ml/permafrost/internal/ondisk"
)

// field is one field of a protobuf message, as a view of the file's bytes.
type field struct {
	num protowire.Number
	typ protowire.Type
	raw []byte // tag and value as in the file
	val uint64 // the value of a varint or fixed field
	buf []byte // the value of a length-delimited field
}

// fields lists the fields of a message in order. It ends with an error if the message is malformed.
func fields(msg []byte) iter.Seq2[field, error] {
	return func(yield func(field, error) bool) {
		for len(msg) > 0 {
			f, err := nextField(msg)
			if !yield(f, err) || err != nil {
				return
			}
			msg = msg[len(f.raw):]
		}
	}
}

func nextField(msg []byte) (field, error) {
	num, typ, n := protowire.ConsumeTag(msg)
	if n < 0 {
		return field{}, protowire.ParseError(n)
	}
	f := field{num: num, typ: typ}
	m := 0
	switch typ {
	case protowire.VarintType:
		f.val, m = protowire.ConsumeVarint(msg[n:])
	case protowire.Fixed32Type:
		var v uint32
		v, m = protowire.ConsumeFixed32(msg[n:])
		f.val = uint64(v)
	case protowire.Fixed64Type:
		f.val, m = protowire.ConsumeFixed64(msg[n:])
	case protowire.BytesType:
		f.buf, m = protowire.ConsumeBytes(msg[n:])
	default:
		m = protowire.ConsumeFieldValue(num, typ, msg[n:])
	}
	if m < 0 {
		return field{}, protowire.ParseError(m)
	}
	f.raw = msg[: n+m : n+m]
	return f, nil
}

var errWire = errors.New("field of the wrong wire type")

// str returns the value of a string field.
func (f field) str() (string, error) {
	b, err := f.bytes()
	return string(b), err
}

// bytes returns the value of a length-delimited field.
func (f field) bytes() ([]byte, error) {
	if f.typ != protowire.BytesType {
		return nil, fmt.Errorf("field %d: %w", f.num, errWire)
	}
	return f.buf, nil
}

// int64 returns the value of a varint field.
func (f field) int64() (int64, error) {
	if f.typ != protowire.VarintType {
		return 0, fmt.Errorf("field %d: %w", f.num, errWire)
	}
	return int64(f.val), nil
}

// numbers collects a repeated numeric field without decoding it, whether it is packed or one by one
// in the file. It is a list of byte strings in the packed form.
type numbers struct {
	chunks [][]byte
	single []byte // elements that came one by one, in packed form; the last chunk while it grows
	packed bool   // the first occurrence was packed
	seen   bool
}

// add takes one occurrence of the field, whose elements have wire type elem.
func (s *numbers) add(f field, elem protowire.Type) error {
	if !s.seen {
		s.seen, s.packed = true, f.typ == protowire.BytesType
	}
	switch f.typ {
	case protowire.BytesType:
		s.flush()
		s.chunks = append(s.chunks, f.buf)
	case elem:
		_, _, n := protowire.ConsumeTag(f.raw)
		s.single = append(s.single, f.raw[n:]...)
	default:
		return fmt.Errorf("field %d: %w", f.num, errWire)
	}
	return nil
}

func (s *numbers) flush() {
	if len(s.single) > 0 {
		s.chunks = append(s.chunks, s.single)
		s.single = nil
	}
}

// size is the number of bytes in packed form.
func (s *numbers) size() int {
	n := len(s.single)
	for _, c := range s.chunks {
		n += len(c)
	}
	return n
}

// joined returns the packed form as one byte string. It shares the file's memory if it was one
// string there.
func (s *numbers) joined() []byte {
	s.flush()
	if len(s.chunks) == 1 {
		return s.chunks[0]
	}
	var b []byte
	for _, c := range s.chunks {
		b = append(b, c...)
	}
	return b
}

// varints decodes a field of varints.
func (s *numbers) varints() ([]uint64, error) {
	b := s.joined()
	n := 0
	for _, c := range b {
		if c < 0x80 {
			n++
		}
	}
	out := make([]uint64, 0, n)
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		out = append(out, v)
		b = b[n:]
	}
	return out, nil
}

// truncated reports whether err means that a message ended before its contents did.
func truncated(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

// rope is a message under construction, as a list of byte strings. It refers to large tensors
// without copying them.
type rope struct {
	parts [][]byte
	size  int
}

func (r *rope) add(b ...[]byte) {
	for _, p := range b {
		if len(p) > 0 {
			r.parts = append(r.parts, p)
			r.size += len(p)
		}
	}
}

// addField appends a length-delimited field.
func (r *rope) addField(num protowire.Number, value []byte) {
	h := protowire.AppendTag(nil, num, protowire.BytesType)
	r.add(protowire.AppendVarint(h, uint64(len(value))), value)
}

// addMessage appends a length-delimited field whose value is itself a rope.
func (r *rope) addMessage(num protowire.Number, value *rope) {
	h := protowire.AppendTag(nil, num, protowire.BytesType)
	r.add(protowire.AppendVarint(h, uint64(value.size)))
	r.add(value.parts...)
}

// replace appends field f with another value, or f itself if the value has not changed.
func (r *rope) replace(f field, value *rope) {
	if value == nil {
		r.add(f.raw)
		return
	}
	r.addMessage(f.num, value)
}

func (r *rope) writeTo(w io.Writer) error {
	for _, p := range r.parts {
		if err := ondisk.Write(w, p); err != nil {
			return err
		}
	}
	return nil
}

func (r *rope) bytes() []byte {
	b := make([]byte, 0, r.size)
	for _, p := range r.parts {
		b = append(b, p...)
	}
	return b
}

func appendString(b []byte, num protowire.Number, s string) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, s)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, v)
}

func appendInt(b []byte, num protowire.Number, v int64) []byte {
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(v))
}
