//go:build !noasm

package kernel

// vecTables holds the tables of the vector levels by name.
var vecTables = map[string]vecTable{}
