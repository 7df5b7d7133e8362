//go:build (!amd64 && !arm64) || noasm

package kernel

// levels lists the sets of kernels that this processor has, plainest first.
func levels() []level { return []level{genericLevel} }

// vecTables holds the tables of the vector levels by name.
var vecTables map[string]vecTable
