package tensor

import "slices"

// Slab makes tensors that live and die together out of a few large buffers, which are cheaper than
// many small ones. The zero value is ready. It is not safe for use by several goroutines at once.
type Slab struct {
	free []byte
	size int // of the last buffer
}

// A Slab's buffers grow between these sizes.
const slabMin, slabMax = 256 << 10, 8 << 20

// Bytes returns n zero bytes that start at a multiple of Align.
func (s *Slab) Bytes(n int) []byte {
	size := (n + Align - 1) &^ (Align - 1)
	if size > slabMax/4 { // little is saved, and much is lost at the end of a buffer
		return AlignedBytes(n)
	}
	if size > len(s.free) {
		s.size = min(slabMax, max(slabMin, 2*s.size, 4*size))
		s.free = AlignedBytes(s.size)
	}
	b := s.free[:n:n]
	s.free = s.free[size:]
	return b
}

// Clone is t.Clone in the slab.
func (s *Slab) Clone(t *Tensor) *Tensor {
	c := &Tensor{DType: t.DType, Shape: slices.Clone(t.Shape), Bytes: s.Bytes(len(t.Bytes))}
	copy(c.Bytes, t.Bytes)
	return c
}
