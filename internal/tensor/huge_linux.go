package tensor

import (
	"syscall"
	"unsafe"
)

// hugePage is the size of a large page on common processors.
const hugePage = 2 << 20

// advise asks for large pages under a buffer: touching memory for the first time is then cheaper by
// far, and so are strided reads, above all in virtual machines. Neighbours in the first and the last
// page share them. It is a hint; that a system does not know it, or has no memory there, does not
// matter.
func advise(b []byte) {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from := at &^ (hugePage - 1)
	to := (at + uintptr(len(b)) + hugePage - 1) &^ (hugePage - 1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_HUGEPAGE)
}
