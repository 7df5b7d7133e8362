package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Limits of the garbage that waits to be collected.
const (
	garbagePercent = 10      // of the memory in use
	garbageBytes   = 8 << 20 // beside what a collection has to scan
)

// collectGarbage keeps garbage small, unless GOGC says how. Nearly all memory is large buffers that
// live long and hold no pointers: collecting costs little, however much memory there is, and waiting
// for a tenth of it to become garbage would only hold memory. Where much is to be scanned,
// collections are rarer.
func collectGarbage() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(garbagePercent)
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/heap:bytes"}}
	percent := garbagePercent
	var afterEach func()
	afterEach = func() {
		metrics.Read(samples)
		live, scan := samples[0].Value.Uint64(), samples[1].Value.Uint64()
		if p := int(min(garbagePercent, max(1, 100*(garbageBytes+scan)/max(live, 1)))); p != percent {
			percent = p
			debug.SetGCPercent(p)
		}
		onCollection(afterEach)
	}
	onCollection(afterEach)
}

// onCollection calls f once, soon after the next collection.
func onCollection(f func()) {
	runtime.AddCleanup(&struct{ _ [64]byte }{}, func(f func()) { f() }, f)
}
