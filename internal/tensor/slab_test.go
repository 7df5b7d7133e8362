package tensor

import (
	"testing"
	"unsafe"
)

func TestSlab(t *testing.T) {
	var s Slab
	src := Of([]float32{1, 2, 3}, 3, 1)
	var all []*Tensor
	for i := range 2000 {
		src.F32()[0] = float32(i)
		all = append(all, s.Clone(src))
		b := s.Bytes(i * 7)
		if len(b) != i*7 || cap(b) != i*7 {
			t.Fatalf("%d bytes, %d of room, want %d", len(b), cap(b), i*7)
		}
		for k := range b {
			if b[k] != 0 {
				t.Fatal("bytes are in use")
			}
			b[k] = 255
		}
	}
	for i, c := range all {
		if c.F32()[0] != float32(i) || c.F32()[2] != 3 || !c.Shape.Equal(Shape{3, 1}) {
			t.Fatalf("tensor %d is %v", i, c.F32())
		}
		if uintptr(unsafe.Pointer(&c.Bytes[0]))%Align != 0 {
			t.Fatal("not aligned")
		}
	}
	if n := slabMax; len(s.Bytes(n)) != n {
		t.Error("a large tensor")
	}
}
