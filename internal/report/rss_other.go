//go:build !unix && !windows

package report

// PeakRSS returns the peak resident memory of this process in bytes, 0 if it is unknown.
func PeakRSS() int64 { return 0 }
