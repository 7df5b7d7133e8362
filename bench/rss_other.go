//go:build !unix

package main

import "os"

// peakRSS is 0: unknown.
func peakRSS(*os.ProcessState) int64 { return 0 }
