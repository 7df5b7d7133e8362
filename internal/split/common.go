package split

import (
	"crypto/sha256"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// common is what networks of one base have in common. It is safe for concurrent use.
type common struct {
	own    map[*tensor.Tensor]bool // the base's weights
	folded *compile.Constants      // nil: every network folds constants by itself

	mu   sync.Mutex
	sums map[*tensor.Tensor]Digest // of contents that never change
}

// Share makes the networks of the base share what is computed from frozen weights alone: folded
// constants, and their digests. It is for a caller that makes many networks, before the first of
// them. What is shared is kept as long as the base.
func (b *Base) Share() {
	if c := b.commons(); c.folded == nil {
		c.folded = new(compile.Constants)
	}
}

// commons is what the base's networks have in common. Without Share that is digests of its weights.
func (b *Base) commons() *common {
	b.begun.Do(func() {
		b.common = &common{sums: map[*tensor.Tensor]Digest{}, own: map[*tensor.Tensor]bool{}}
		for _, p := range b.Model.Params {
			b.common.own[p.Value.Data] = true
		}
	})
	return b.common
}

// common is what the network has in common with others. It is nil where a frozen weight is not the
// base's: it may be one that trained before, and trains again.
func (n *Network) common() *common {
	root := n.rooted()
	c := root.Base.commons()
	for _, w := range root.Set.Weights {
		if root.Plan.Of(w.Name).State == freeze.Frozen && !c.own[w.Value.Data] {
			return nil
		}
	}
	return c
}

// worthSharing is the size in bytes from which a digest is kept. Smaller contents are as quickly
// digested again.
const worthSharing = 1 << 12

// sum is the digest of a constant. Of one that is not a weight it is kept only where networks share
// constants, as otherwise these would be kept for it.
func (c *common) sum(t *tensor.Tensor) Digest {
	keeps := c != nil && len(t.Bytes) >= worthSharing && (c.folded != nil || c.own[t])
	if keeps {
		c.mu.Lock()
		d, ok := c.sums[t]
		c.mu.Unlock()
		if ok {
			return d
		}
	}
	h := sha256.New()
	contents(h, t)
	d := Digest(h.Sum(nil))
	if keeps {
		c.mu.Lock()
		c.sums[t] = d
		c.mu.Unlock()
	}
	return d
}
