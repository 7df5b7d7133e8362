package split

import (
	"crypto/sha256"
	"slices"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/ondisk"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// common is what networks of one base have in common. It is safe for concurrent use.
type common struct {
	own    map[*tensor.Tensor]bool // the base's weights
	folded *compile.Constants      // nil: every network folds constants by itself

	mu   sync.Mutex
	sums map[*tensor.Tensor]Digest // of bytes that never change
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

// Sum is the SHA-256 of the bytes of a tensor. Of the model's own weights it is remembered: they never
// change, as what trains is a copy. It is safe for concurrent use.
func (b *Base) Sum(t *tensor.Tensor) Digest {
	c := b.commons()
	if !c.own[t] {
		c = nil
	}
	return c.sum(t)
}

// sum is the digest of a constant's bytes. Of one that is not a weight it is kept only where
// networks share constants, as otherwise these would be kept for it.
func (c *common) sum(t *tensor.Tensor) Digest {
	if d, ok := c.known(t); ok {
		return d
	}
	h := sha256.New()
	_ = ondisk.Write(h, t.Bytes) // a hash takes everything
	d := Digest(h.Sum(nil))
	if c.keeps(t) {
		c.mu.Lock()
		c.sums[t] = d
		c.mu.Unlock()
	}
	return d
}

// sumAll digests what of ts is not known yet, on all threads.
func (c *common) sumAll(ts []*tensor.Tensor) {
	unknown := slices.DeleteFunc(ts, func(t *tensor.Tensor) bool {
		_, ok := c.known(t)
		return ok || !c.keeps(t)
	})
	kernel.Parallel(len(unknown), func(i int) { c.sum(unknown[i]) })
}

func (c *common) keeps(t *tensor.Tensor) bool {
	return c != nil && len(t.Bytes) >= worthSharing && (c.folded != nil || c.own[t])
}

func (c *common) known(t *tensor.Tensor) (d Digest, ok bool) {
	if c.keeps(t) {
		c.mu.Lock()
		defer c.mu.Unlock()
		d, ok = c.sums[t]
	}
	return d, ok
}
