package keep

import (
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// frozenTokens is how many tokens of text it processes at once.
const frozenTokens = 2048

// Chunk returns the chunk size for a form: in examples, or in steps if examples have different
// lengths.
func Chunk(f data.Form) int {
	if f.Varies() && !f.Rows {
		return frozenTokens
	}
	return split.ChunkOf(f.Size())
}
