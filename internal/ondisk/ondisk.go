// Package ondisk keeps large contents out of the heap: in files without a name, which nobody else can
// open, mapped into memory. The system fetches a page when it is read, and has it back on Release.
// It does so on Linux, with a disk of this machine that is neither nearly full nor in memory.
package ondisk

import (
	"bytes"
	"io"
	"os"
	"slices"
	"sync"
	"unsafe"
)

const (
	smallest = 1 << 20 // bytes that are worth a file
	spare    = 16      // times the file, at least, must be free on the disk
)

// mapped are the mappings of the process.
var mapped struct {
	sync.Mutex
	copies [][]byte // that stay until the process ends
	others [][]byte
}

// Copy returns n bytes of f from offset on, as they are now: what becomes of the file does not matter.
// They must not be written to, which the processor enforces. ok is false where they are not worth a
// file or cannot be had. The position in f may change. Copy may be called from many goroutines, with
// different files.
//
// Slices of a mapping are unknown to the collector, so it cannot be taken away when nobody looks into it
// any more: a copy stays until the process ends. Equal contents have one.
func Copy(f *os.File, offset, n int64) (b []byte, ok bool) {
	b, ok = newMapping(n, func(to *os.File) error {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return err
		}
		_, err := io.CopyN(to, f, n) // within the system, where it can
		return err
	})
	if !ok {
		return nil, false
	}
	mapped.Lock()
	defer mapped.Unlock()
	for _, c := range mapped.copies {
		if bytes.Equal(b, c) {
			unmap(b)
			return c, true
		}
	}
	mapped.copies = append(mapped.copies, b)
	return b, true
}

// Keep returns n bytes that write writes, which errors where it cannot. They must not be written to
// otherwise, and not be looked at after Drop. ok is false where they are not worth a file or cannot be
// kept. It may be called from many goroutines.
func Keep(n int64, write func(io.Writer) error) (b []byte, ok bool) {
	b, ok = newMapping(n, func(to *os.File) error { return write(to) })
	if ok {
		mapped.Lock()
		defer mapped.Unlock()
		mapped.others = append(mapped.others, b)
	}
	return b, ok
}

// Drop ends what Keep returned. It does nothing for nil.
func Drop(b []byte) {
	if b == nil {
		return
	}
	mapped.Lock()
	defer mapped.Unlock()
	mapped.others = slices.DeleteFunc(mapped.others, func(c []byte) bool { return unsafe.SliceData(c) == unsafe.SliceData(b) })
	unmap(b)
}

// Release gives the memory of all contents back. What is read again comes from the system's cache of
// files, or from the disk. It takes far below a millisecond and may be called at any time, from any
// goroutine.
func Release() {
	mapped.Lock()
	defer mapped.Unlock()
	for _, b := range slices.Concat(mapped.copies, mapped.others) {
		release(b)
	}
}

// Write writes b to w. Pages of contents here, of which b is a part, are in memory only while they are
// written.
func Write(w io.Writer, b []byte) error {
	if len(b) < smallest || !isMapped(b) {
		_, err := w.Write(b)
		return err
	}
	for piece := range slices.Chunk(b, smallest) {
		fetch(piece)
		if _, err := w.Write(piece); err != nil {
			return err
		}
		skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(piece)))) & (os.Getpagesize() - 1)
		release(piece[min(skip, len(piece)):])
	}
	return nil
}

// isMapped reports whether b is a part of a mapping.
func isMapped(b []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	mapped.Lock()
	defer mapped.Unlock()
	for _, m := range slices.Concat(mapped.copies, mapped.others) {
		if from := uintptr(unsafe.Pointer(unsafe.SliceData(m))); from <= at && at < from+uintptr(len(m)) {
			return true
		}
	}
	return false
}

// newMapping maps a new file of n bytes that write writes. The file must be that long, as the
// processor stops a program that reads behind its end.
func newMapping(n int64, write func(*os.File) error) (b []byte, ok bool) {
	if n < smallest || n != int64(int(n)) {
		return nil, false
	}
	b, err := mapFile(n, write)
	return b, err == nil
}
