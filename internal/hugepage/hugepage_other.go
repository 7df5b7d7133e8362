//go:build !linux

// Package hugepage asks the system for large pages.
package hugepage

// Available reports whether the system may have large pages.
const Available = false

// Advise does nothing here.
func Advise([]byte) {}
