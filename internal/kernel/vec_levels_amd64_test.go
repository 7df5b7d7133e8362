//go:build !noasm

package kernel

func archLevels() []vecLevel { return nil }
