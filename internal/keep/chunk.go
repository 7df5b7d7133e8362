package keep

import (
	"github.com/permafrost-ml/permafrost/internal/data"
)

// ChunkOf is how many examples the frozen region takes at once: enough work for every kernel,
// little enough memory that activations stay small beside the weights.
func ChunkOf(inputs int) int { return max(4, min(64, 8*3*224*224/max(inputs, 1))) }

// frozenTokens is how many tokens of texts it takes at once.
const frozenTokens = 2048

// Chunk is the chunk of examples of a form, in steps where they have different lengths.
func Chunk(f data.Form) int {
	if f.Varies() && !f.Rows {
		return frozenTokens
	}
	return ChunkOf(f.Size())
}
