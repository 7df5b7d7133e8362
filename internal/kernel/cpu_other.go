//go:build !amd64 || noasm

package kernel

// levels lists the sets of kernels that this processor has, plainest first.
func levels() []level { return []level{genericLevel} }
