package keep

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/cache"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// keeper decides where frozen values are kept.
type keeper struct {
	o        *Options
	encoders *Encoders
	outline  *split.Outline
	pipeline split.Digest
	shared   *cache.Cache // the cache that runs share; nil if other runs cannot use what is kept
	memory   *memoryRoom
	added    *memoryRoom // what this run may still add on disk
}

func newKeeper(net *split.Network, outline *split.Outline, e *Encoders, o *Options) *keeper {
	k := &keeper{o: o, encoders: e, outline: outline, pipeline: net.Base.Feed.Digest(), memory: o.room, added: &memoryRoom{}}
	if k.memory == nil {
		k.memory = &memoryRoom{left: o.memory()}
	}
	if !o.Private {
		k.shared = o.Shared
	}
	if k.shared != nil {
		k.added.left = cmp.Or(o.Budget, k.shared.Budget())
	}
	return k
}

// what returns the encoders whose values are kept, their total number of examples, and the cut to
// keep.
func (k *keeper) what(frontier *split.Cut) (encoders []*Encoder, n int64, kept *split.Cut, err error) {
	encoders = []*Encoder{k.encoders.Train, k.encoders.Val}
	if k.o.Augment != "none" && k.o.Variants == 0 { // every epoch has different examples
		encoders = encoders[1:]
	}
	for _, c := range encoders {
		n += int64(c.ds.Len() * max(1, c.variants))
	}
	if k.o.Where == "disk" && !k.o.Private {
		k.memory.left = 0
	}
	kept, err = k.choose(frontier, n)
	return encoders, n, kept, err
}

// round makes the encoders compute what they would keep, as precisely as they would keep it.
// Whether a stage is too short for keeping then changes no bit: a resumed run may judge that
// otherwise than an unbroken one.
func (k *keeper) round(frontier *split.Cut) error {
	encoders, _, kept, err := k.what(frontier)
	if err != nil {
		return err
	}
	half := k.half(kept)
	if half == nil {
		return nil
	}
	for _, c := range encoders {
		if kept != frontier {
			c.cut = kept
		}
		c.keeps(kept.Types())
		c.half = half
	}
	return nil
}

// keep gives the encoders stores and fills them.
func (k *keeper) keep(ctx context.Context, frontier *split.Cut, e *Summary) error {
	encoders, n, kept, err := k.what(frontier)
	if err != nil {
		return err
	}
	e.Values, e.BytesPerExample = len(kept.Points), k.size(kept)
	if kept != frontier {
		e.At = kept.Names()
	}
	done := 0
	for _, c := range encoders {
		if kept != frontier {
			c.cut = kept
		}
		c.keeps(kept.Types())
		c.kept = kept
		if c.takeOver() {
			done += c.ds.Len() * max(1, c.variants)
			e.Hits += c.ds.Len() * max(1, c.variants)
			e.Where = "ram"
			k.memory.take(min(k.memory.left, c.store.Bytes()))
			e.Bytes += c.store.Bytes()
			continue
		}
		t, err := k.stores(c, kept)
		if err != nil {
			return err
		}
		if c.near == nil && k.half(kept) == nil {
			c.near = behind(k.outline, c)
		}
		t.both = k.size(kept)*n <= little
		got, err := c.fill(ctx, func(d int) {
			k.o.Progress(done+d, int(n))
		}, func(seconds float64) {
			t.persist = t.disk != nil && (k.o.Where == "disk" || worthDisk(k.size(kept), seconds))
		})
		if err != nil {
			return err
		}
		done += got.hits + got.near + got.misses
		e.Hits, e.Near, e.Misses = e.Hits+got.hits, e.Near+got.near, e.Misses+got.misses
		e.Bytes += t.Bytes()
		e.Where = "ram"
		if t.disk != nil && t.disk.Bytes() > 0 {
			e.Where = "disk"
		}
		c.near = nil
	}
	if k.shared != nil {
		if err := k.shared.Flush(); err != nil { // training continues without it
			k.o.Warn(fmt.Sprintf("what is kept for later runs may be lost: %v", err))
		}
	}
	return nil
}

// half reports which values of a cut are kept as float16.
func (k *keeper) half(c *split.Cut) []bool {
	if k.o.Precision != "float16" {
		return nil
	}
	half := make([]bool, len(c.Points))
	for i, p := range c.Points {
		half[i] = p.One.DType == tensor.Float32
	}
	return half
}

// size is the number of bytes kept for one example of mean length.
func (k *keeper) size(c *split.Cut) int64 {
	n := int64(0)
	half := k.half(c)
	for i, p := range c.Points {
		b := int64(p.One.Bytes())
		if k.encoders.Train.shares != nil {
			b = int64(k.encoders.Train.shares[i].Bytes(k.encoders.Train.meanLength()))
		}
		if half != nil && half[i] {
			b /= 2
		}
		n += b
	}
	return n
}

// choose picks the cut to keep for n examples. It picks the frontier if that fits, or if keeping it
// for some examples saves more than keeping an earlier, smaller cut for all.
func (k *keeper) choose(frontier *split.Cut, n int64) (*split.Cut, error) {
	capacity := max(k.memory.left, k.added.left)
	need := k.size(frontier) * n
	if need <= capacity || n == 0 || k.encoders.Train.shares != nil {
		return frontier, nil
	}
	each := capacity / n
	if k.o.Precision == "float16" {
		each *= 2
	}
	smaller, err := k.outline.Cheapest(each)
	if err != nil || smaller == nil {
		return frontier, err
	}
	if some := float64(k.outline.Work()) * (1 - float64(capacity)/float64(need)); float64(smaller.FLOPs) >= some {
		return frontier, nil
	}
	return smaller, nil
}

// stores gives an encoder its store, and the nearest values that other runs have kept.
func (k *keeper) stores(c *Encoder, kept *split.Cut) (*tiers, error) {
	slots := c.ds.Len() * max(1, c.variants)
	t := &tiers{ram: newRAM(slots, k.memory)}
	c.store, c.half = t, k.half(kept)
	if c.half != nil {
		c.store = &halved{t, c.half}
	}
	if !k.o.Private { // others do not have weights that were trained here
		c.helpers = k.o.Helpers
	}
	if k.shared == nil {
		return t, nil
	}
	keys := make([]cache.Digest, slots)
	for i := range c.ds.Len() {
		sum, err := c.ds.Digest(i)
		if err != nil {
			return nil, err
		}
		keys[i] = sum
		for v := range c.variants {
			keys[c.slot(i, v)] = k.variantKey(sum, i, v)
		}
	}
	t.disk = k.disk(kept, keys)
	if c.variants > 0 || c.half != nil || c.shares != nil || t.disk.has(keys) {
		return t, nil
	}
	from := k.outline.Nearest(func(v split.Digest) bool { return k.shared.Exists(spaceID(v, k.pipeline, false)) })
	if from != nil {
		c.near = &near{from, k.disk(from, keys)}
	}
	return t, nil
}

// variantKey names an augmented variant of an example. It depends on the run's seed and on the
// example's index.
func (k *keeper) variantKey(sum cache.Digest, example, variant int) cache.Digest {
	return sha256.Sum256(fmt.Appendf(nil, "%x %q %d %d %d", sum, k.o.Augment, k.o.Seed, example, variant))
}

func (k *keeper) disk(c *split.Cut, keys []cache.Digest) *disk {
	d := &disk{keys: keys, room: k.added, seen: make([]bool, len(keys))}
	half := k.half(c)
	for i, p := range c.Points {
		kind := p.One
		if half != nil && half[i] {
			kind.DType = tensor.Float16
		}
		d.spaces = append(d.spaces, k.shared.Space(spaceID(p.Sum, k.pipeline, kind.DType != p.One.DType), cache.About{
			Kind: "values", Model: k.o.Model, Value: p.Name, Type: kind.String()}))
	}
	return d
}
