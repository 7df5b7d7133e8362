package report

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// processMemory is PROCESS_MEMORY_COUNTERS of psapi.h.
type processMemory struct {
	size, pageFaults            uint32
	peakWorkingSet, workingSet  uintptr
	peakPagedPool, pagedPool    uintptr
	peakNonPaged, nonPaged      uintptr
	pagefileUsage, peakPagefile uintptr
}

var memoryInfo = windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")

// PeakRSS returns the peak resident memory of this process in bytes, 0 if it is unknown.
func PeakRSS() int64 {
	m := processMemory{}
	m.size = uint32(unsafe.Sizeof(m))
	if ok, _, _ := memoryInfo.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&m)), uintptr(m.size)); ok == 0 {
		return 0
	}
	return int64(m.peakWorkingSet)
}
