package kernel

import (
	"runtime/debug"
	"runtime/metrics"
)

// Bounds of a heap that ReleaseMemory searches.
const (
	releaseBytes = 64 << 20 // in use, at least
	releasePart  = 4        // times what holds pointers, which is what a search costs
)

// ReleaseMemory gives memory that is no longer used back to the system at once, where it may be much
// and finding it takes little time: a heap of large buffers. It may be called from any goroutine.
func ReleaseMemory() {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/scan/heap:bytes"}}
	metrics.Read(heap)
	if used, scan := heap[0].Value.Uint64(), heap[1].Value.Uint64(); used >= releaseBytes && used >= releasePart*scan {
		debug.FreeOSMemory()
	}
}
