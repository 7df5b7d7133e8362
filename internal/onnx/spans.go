package onnx

import (
	"cmp"
	"slices"
	"unsafe"
)

// Span says where in the file the contents of a parameter are.
type Span struct {
	Name        string
	Offset, Len int
}

// Source returns the serialised model that was read. It must not be changed.
func (m *Model) Source() []byte { return m.data }

// Spans lists the parameters that are initializers stored in the file as plain little-endian bytes,
// in order of offset. Those in another encoding or in external data are not listed.
func (m *Model) Spans() []Span {
	var out []Span
	for _, p := range m.Params {
		if p.Initializer < 0 {
			continue
		}
		t := m.proto.graph.inits[p.Initializer]
		if !t.hasRaw || len(t.raw) == 0 || t.external != nil {
			continue
		}
		// raw is a view of data, so its offset is the distance between their first bytes.
		off := int(uintptr(unsafe.Pointer(&t.raw[0])) - uintptr(unsafe.Pointer(&m.data[0])))
		if off < 0 || off+len(t.raw) > len(m.data) {
			continue
		}
		out = append(out, Span{p.Name, off, len(t.raw)})
	}
	slices.SortFunc(out, func(a, b Span) int { return cmp.Compare(a.Offset, b.Offset) })
	return out
}
