//go:build !amd64 || noasm

package kernel

func archLevels() []vecLevel { return nil }
