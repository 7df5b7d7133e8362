//go:build !linux

package serve

// unmapProgram does something on Linux alone.
func unmapProgram() {}
