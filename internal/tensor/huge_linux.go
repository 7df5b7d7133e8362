package tensor

import (
	"syscall"
	"unsafe"
)

// hugePage is the size of a large page on common processors.
const hugePage = 2 << 20

// advise asks for large pages where a buffer holds whole ones: touching memory for the first time
// is then cheaper by far, above all in virtual machines. It is a hint; that a system does not know
// it does not matter.
func advise(b []byte) {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	skip := int(-start & (hugePage - 1))
	if n := (len(b) - skip) &^ (hugePage - 1); n > 0 {
		_ = syscall.Madvise(b[skip:skip+n], syscall.MADV_HUGEPAGE)
	}
}
