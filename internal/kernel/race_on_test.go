//go:build race

package kernel

// raced: under the race detector a multiplication takes forty times as long. What it looks for depends on
// how work is divided, so that a few of the variants of a shape show it.
const raced = true
