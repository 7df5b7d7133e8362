package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/hugepage"
)

// Limits of the garbage that waits to be collected.
const (
	garbagePercent = 10      // of the memory in use
	serverPercent  = 5       // the same of a server, whose garbage is requests
	garbageBytes   = 8 << 20 // beside what a collection has to scan
	fewBytes       = 4 << 20 // always wait, of a server half as many: a small heap would be collected all the time
)

// mostGarbage is the percentage of the memory in use that garbage may take; 0 where Go's own rule holds.
var mostGarbage atomic.Int64

// collectGarbage keeps garbage small, unless GOGC says how. Nearly all memory is large buffers that
// live long and hold no pointers: collecting costs little, however much memory there is, and waiting
// for a tenth of it to become garbage would only hold memory. Where much is to be scanned,
// collections are rarer.
func collectGarbage() {
	runtime.MemProfileRate = 0 // nobody reads the profile, which takes memory
	if os.Getenv("GOGC") != "" {
		return
	}
	mostGarbage.Store(garbagePercent)
	debug.SetGCPercent(garbagePercent)
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/heap:bytes"}}
	percent := int64(garbagePercent)
	var afterEach func()
	afterEach = func() {
		metrics.Read(samples)
		live, scan := samples[0].Value.Uint64(), samples[1].Value.Uint64()
		if p := garbageShare(live, scan, mostGarbage.Load()); p != percent {
			percent = p
			debug.SetGCPercent(int(p))
		}
		onCollection(afterEach)
	}
	onCollection(afterEach)
}

// heapBytes is what small objects of a fit take, generously.
const heapBytes = 32 << 20

// largePages puts small objects into large pages, where there are any. Without them the first touch of
// every 4 KiB enters the system, which takes 12 µs in some virtual machines, longer than to fill them.
// Go asks for none, so a buffer asks, and leaves its memory to what is allocated next. What stays
// untouched takes no memory.
func largePages() {
	if !hugepage.Available {
		return
	}
	percent := debug.SetGCPercent(-1) // collects once, below
	hugepage.Advise(make([]byte, heapBytes))
	runtime.GC()
	debug.SetGCPercent(percent)
}

// garbageShare is the percentage of live bytes, of which a collection scans scan, that garbage may take.
func garbageShare(live, scan uint64, most int64) int64 {
	share := func(bytes uint64) int64 { return int64(100 * bytes / max(live, 1)) }
	return max(1, share(fewBytes*uint64(most)/garbagePercent), min(most, share(garbageBytes+scan)))
}

// limitGarbage sets the percentage of the memory in use that garbage may take, where collectGarbage has
// been called: a program with this command in it has its own.
func limitGarbage(percent int) {
	if mostGarbage.Load() > 0 {
		mostGarbage.Store(int64(percent))
		debug.SetGCPercent(percent)
	}
}

// onCollection calls f once, soon after the next collection.
func onCollection(f func()) {
	runtime.AddCleanup(&struct{ _ [64]byte }{}, func(f func()) { f() }, f)
}
