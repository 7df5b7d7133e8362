// Package hugepage asks the system for large pages.
package hugepage

import (
	"syscall"
	"unsafe"
)

// Available reports whether the system may have large pages.
const Available = true

// size of a large page on common processors.
const size = 2 << 20

// Advise asks for large pages under a buffer: touching memory for the first time is then cheaper by
// far, and so are strided reads, above all in virtual machines. Neighbours in the first and the last
// page share them. It is a hint; that a system does not know it, or has no memory there, does not
// matter. It may be called from any goroutine.
func Advise(b []byte) {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from := at &^ (size - 1)
	to := (at + uintptr(len(b)) + size - 1) &^ (size - 1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_HUGEPAGE)
}
