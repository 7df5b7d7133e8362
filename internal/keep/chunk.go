package keep

import (
	"github.com/permafrost-ml/permafrost/internal/data"
)

// ChunkOf returns how many examples the frozen region processes at once: enough work for every
// kernel, but with activations that stay small compared with the weights.
func ChunkOf(inputs int) int { return max(4, min(64, 8*3*224*224/max(inputs, 1))) }

// frozenTokens is how many tokens of text it processes at once.
const frozenTokens = 2048

// Chunk returns the chunk size for a form: in examples, or in steps if examples have different
// lengths.
func Chunk(f data.Form) int {
	if f.Varies() && !f.Rows {
		return frozenTokens
	}
	return ChunkOf(f.Size())
}
