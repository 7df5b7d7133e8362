//go:build unix

package report

import (
	"runtime"
	"syscall"
)

// PeakRSS returns the peak resident memory of this process in bytes, 0 if it is unknown.
func PeakRSS() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) * 1024
}
