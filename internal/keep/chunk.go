package keep

import (
	"github.com/permafrost-ml/permafrost/internal/data"
)

// ChunkOf returns how many examples the frozen region processes at once: enough work for every
// kernel, but with activations that stay small compared with the weights.
func ChunkOf(inputs int) int { return max(4, min(64, 8*3*224*224/max(inputs, 1))) }

// frozenTokens is how many tokens of text it processes at once.
const frozenTokens = 2048

// EvalBatch returns how many of examples inference runs at once, given the batch size of a training
// step and the chunk of the frozen region.
func EvalBatch(batch, chunk, examples int) int { return max(batch, min(chunk, examples)) }

// Limit bounds the chunk of the frozen region by the number of examples that a fit runs at once
// anyway: batch in a training step, up to validated in validation. Otherwise a frozen block could
// need more memory than a thawed one.
func Limit(chunk, batch, validated int) int { return min(chunk, max(batch, validated)) }

// Chunk returns the chunk size for a form: in examples, or in steps if examples have different
// lengths.
func Chunk(f data.Form) int {
	if f.Varies() && !f.Rows {
		return frozenTokens
	}
	return ChunkOf(f.Size())
}
