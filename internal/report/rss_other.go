//go:build !unix

package report

// PeakRSS is the largest resident memory of this process so far, in bytes; 0 where it is not known.
func PeakRSS() int64 { return 0 }
