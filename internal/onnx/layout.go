package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"unsafe"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Layout says where a file has the contents of its tensors.
type Layout struct {
	Spans    []Span                    // of the contents that are not in Skeleton, in order
	Tensors  map[string]*tensor.Tensor // those of which the contents are known; the others are a base's
	Skeleton []byte                    // the file without the spans
	Digest   string                    // of the whole file, see Model.Digest
}

// Layout describes the file that was read. Its tensors are the parameters.
func (m *Model) Layout() *Layout {
	l := &Layout{Spans: m.Spans(), Tensors: map[string]*tensor.Tensor{}, Digest: m.Digest()}
	at := 0
	for _, s := range l.Spans {
		l.Tensors[s.Name] = m.Param(s.Name).Tensor
		l.Skeleton = append(l.Skeleton, m.data[at:s.Offset]...)
		at = s.Offset + s.Len
	}
	l.Skeleton = append(l.Skeleton, m.data[at:]...)
	return l
}

// PatchedLayout describes the file that WriteFile writes for p, without building it. Its tensors are
// the parameters that the patch gives. It returns nil if contents lie, or would lie, outside of the
// file.
func (m *Model) PatchedLayout(p *Patch) (*Layout, error) {
	for range m.proto.externals() {
		return nil, nil
	}
	r, err := m.patch(p, nil)
	if err != nil || r.size > maxInline {
		return nil, err
	}
	l := &Layout{Tensors: map[string]*tensor.Tensor{}}
	given := map[*byte]string{} // names of the patch's tensors, by where their contents begin
	add := func(name string, t *tensor.Tensor) {
		if len(t.Bytes) > 0 {
			l.Tensors[name] = t
			given[unsafe.SliceData(t.Bytes)] = name
		}
	}
	for name, t := range p.Tensors {
		add(name, t)
	}
	for _, i := range p.AddInitializers {
		if i.Tensor.DType.IsFloat() && i.Tensor.Len() > 1 && len(i.Tensor.Shape) > 0 { // a parameter
			add(i.Name, i.Tensor)
		}
	}
	own := m.Spans()
	first := uintptr(unsafe.Pointer(unsafe.SliceData(m.data)))
	sum := sha256.New()
	at := 0
	for _, part := range r.parts {
		sum.Write(part)
		// a part is a view of the file that was read, of a tensor of the patch, or new
		off := int(uintptr(unsafe.Pointer(unsafe.SliceData(part))) - first)
		rest := 0
		if name, ok := given[unsafe.SliceData(part)]; ok && len(part) == len(l.Tensors[name].Bytes) {
			l.Spans = append(l.Spans, Span{name, at, len(part)})
			rest = len(part)
		} else if off >= 0 && off+len(part) <= len(m.data) {
			for _, s := range own {
				if k := s.Offset - off; k >= rest && k+s.Len <= len(part) {
					l.Skeleton = append(l.Skeleton, part[rest:k]...)
					l.Spans = append(l.Spans, Span{s.Name, at + k, s.Len})
					rest = k + s.Len
				}
			}
		}
		l.Skeleton = append(l.Skeleton, part[rest:]...)
		at += len(part)
	}
	l.Digest = hex.EncodeToString(sum.Sum(nil))
	return l, nil
}
