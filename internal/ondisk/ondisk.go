// Package ondisk keeps large contents of files out of the heap: as copies on disk that nobody else can
// open, mapped into memory. The system fetches a page when it is read, and has it back on Release.
//
// A mapping that a slice somewhere still looks into cannot be taken away, and the collector does not
// know such slices. So a copy stays until the process ends. Equal contents have one copy.
package ondisk

import (
	"bytes"
	"os"
	"sync"
)

const (
	smallest = 1 << 20 // bytes that are worth a copy
	spare    = 16      // times the copy, at least, must be free on the disk
)

// copies are the mappings of the process.
var copies struct {
	sync.Mutex
	all [][]byte
}

// Copy returns n bytes of f from offset on, as they are now: what becomes of the file does not matter.
// They must not be written to, which the processor enforces. ok is false where a copy cannot be had or
// gains nothing: on systems other than Linux, of few bytes, on a disk that is nearly full, is in memory
// or is another machine's, and where f is shorter. The position in f may change. Copy may be called from
// many goroutines, with different files.
func Copy(f *os.File, offset, n int64) (b []byte, ok bool) {
	if n < smallest || n != int64(int(n)) {
		return nil, false
	}
	b, err := mapCopy(f, offset, n)
	if err != nil {
		return nil, false
	}
	copies.Lock()
	defer copies.Unlock()
	for _, c := range copies.all {
		if bytes.Equal(b, c) {
			unmap(b)
			return c, true
		}
	}
	copies.all = append(copies.all, b)
	return b, true
}

// Release gives the memory of all copies back. What is read again comes from the system's cache of files,
// or from the disk. It takes far below a millisecond and may be called at any time, from any goroutine.
func Release() {
	copies.Lock()
	defer copies.Unlock()
	for _, c := range copies.all {
		release(c)
	}
}
