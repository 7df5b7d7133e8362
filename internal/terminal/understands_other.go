//go:build !windows

package terminal

// understands reports whether a terminal follows escape sequences.
func understands(uintptr) bool { return true }
