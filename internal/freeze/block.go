package freeze

import "github.com/permafrost-ml/permafrost/internal/ir"

// findBlocks groups the weights outside the head into blocks, the repeated parts of the network, in
// order of first use. It returns the names of the blocks.
//
// The graph decides. Between two places where all that flows from the examples through weights is
// one value lies a segment; a frontier can be there. Segments that belong together are joined (see
// joinSegments), and one that holds most of the network is divided (see divide). A norm or a bias
// belongs to the block of the layer before it. Names of weights only name the blocks.
func findBlocks(raw *ir.Graph, ws []*Weight) []string {
	segments := joinSegments(divide(segmentsOf(raw, ws)))
	for i, s := range segments {
		for _, w := range s.weights {
			w.Block = i
		}
	}
	return blockNames(segments)
}
