package onnx

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Helpers that put messages together by hand, for the forms that this package reads and never
// writes.

func cat(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func fint(num protowire.Number, v int64) []byte         { return appendInt(nil, num, v) }
func fstr(num protowire.Number, s string) []byte        { return appendString(nil, num, s) }
func fmsg(num protowire.Number, parts ...[]byte) []byte { return appendBytes(nil, num, cat(parts...)) }
func props(num protowire.Number, k, v string) []byte    { return fmsg(num, encodeProp(k, v)) }
func varint(v uint64) []byte                            { return protowire.AppendVarint(nil, v) }
func fixed32(v float32) []byte                          { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)) }
func unpacked32(num protowire.Number, v float32) []byte {
	return cat(protowire.AppendTag(nil, num, protowire.Fixed32Type), fixed32(v))
}
func dims(d ...int64) (b []byte) {
	for _, v := range d {
		b = append(b, fint(1, v)...)
	}
	return b
}
func fnode(op string, in, out []string, more ...[]byte) []byte {
	var b []byte
	for _, s := range in {
		b = append(b, fstr(1, s)...)
	}
	for _, s := range out {
		b = append(b, fstr(2, s)...)
	}
	return fmsg(1, b, fstr(4, op), cat(more...))
}

func list(s ...string) []string { return s }

// floats declares a value of float32.
func value(num protowire.Number, name string) []byte {
	return fmsg(num, fstr(1, name), fmsg(2, fmsg(1, fint(1, 1), fmsg(2))))
}

// model wraps a graph's fields.
func model(graph ...[]byte) []byte {
	return cat(fint(1, 8), fmsg(7, graph...), fmsg(8, fint(2, 17)))
}
