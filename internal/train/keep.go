package train

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cache"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// openCache opens the cache that runs share. It is nil where the options or the environment (PERMAFROST_CACHE=off) want none, and,
// unless the options insist on it, where its folder cannot be made; note then says so.
func (c *Config) openCache() (shared *cache.Cache, note string, err error) {
	if c.Cache == "off" || c.Cache == "ram" {
		return nil, "", nil
	}
	dir, err := cache.DefaultDir()
	if dir == "off" {
		if c.Cache == "disk" {
			return nil, "", fmt.Errorf("--cache disk: PERMAFROST_CACHE is off: name a folder there, or use --cache ram")
		}
		return nil, "", nil
	}
	if err == nil {
		budget := int64(0)
		if own := c.CacheBudget; own > 0 { // a run that may keep more than usual gets the room for it
			budget = max(own, cache.DefaultBudget(dir))
		}
		shared, err = cache.Open(dir, budget)
	}
	if err != nil && c.Cache != "disk" {
		return nil, fmt.Sprintf("nothing is kept for later runs: %v", err), nil
	}
	return shared, "", err
}

// remember lets data use what former runs know of files and of what was prepared from them.
func remember(shared *cache.Cache, fed feed.Feed, opt *data.Options) {
	what, form := fed.Keeps()
	if shared == nil || what == "" {
		return
	}
	about := cache.About{Kind: what, Type: form}
	pipeline := fed.Digest()
	p := &prepared{Space: shared.Space(sha256.Sum256(fmt.Appendf(nil, "%s/1 %x", about.Kind, pipeline)), about)}
	p.left.Store(shared.Budget() / 2)
	opt.Kept = p
	opt.Index = shared.Files(sha256.Sum256(fmt.Appendf(nil, "files/1 %x", pipeline)))
}

// prepared keeps no more than half of the cache's budget in one run, so that the values computed from them fit too.
type prepared struct {
	*cache.Space
	left atomic.Int64
}

func (p *prepared) Put(key split.Digest, parts ...[]byte) bool {
	n := int64(0)
	for _, b := range parts {
		n += int64(len(b))
	}
	return p.left.Add(-n) >= 0 && p.Space.Put(key, parts...)
}

// keeper decides where frozen values are kept.
type keeper struct {
	f        *fitter
	outline  *split.Outline
	pipeline split.Digest
	shared   *cache.Cache // what runs share; nil where other runs cannot use what is kept
	memory   *memoryRoom
	added    *memoryRoom // what this run may put on the disk
}

// diskSpeed is how fast a disk is taken to be, in bytes a second, and diskDelay what finding a block takes, in seconds: values
// that are computed faster than that are not worth a place.
const (
	diskSpeed = 500e6
	diskDelay = 20e-6
)

// little is how many bytes a run keeps in memory though they are on the disk.
const little = 64 << 20

// encoders decide where frozen values come from, and compute those that are kept. The encoders of the plan before, where there was one,
// give what they have kept.
func (f *fitter) encoders(ctx context.Context) error {
	train, val := f.train, f.val
	o, err := f.session.Net.Outline()
	if err != nil {
		return err
	}
	chunk := chunkOf(f.session.Base.Feed.Form())
	if f.train, err = newEncoder(f.session.Net, f.session.Train, nil, chunk); err != nil {
		return err
	}
	if f.val, err = newEncoder(f.session.Net, f.session.Val, nil, chunk); err != nil {
		return err
	}
	f.val.parts, f.cached = f.train.parts, 0
	f.train.before, f.val.before = train, val
	frontier := o.Cut(o.Frontier)
	e := &report.CacheEvent{Where: "off", Values: len(frontier.Points), BytesPerExample: frontier.Bytes()}
	began := time.Now()
	if f.session.Config.Cache != "off" && !f.brief() && o.WorthKeeping() {
		k := &keeper{f: f, outline: o, pipeline: f.session.Base.Feed.Digest(), memory: &memoryRoom{left: f.budget()}, added: &memoryRoom{}}
		if !f.session.again() {
			k.shared = f.session.Cache
		}
		if k.shared != nil {
			k.added.left = cmp.Or(f.session.Config.CacheBudget, k.shared.Budget())
		}
		if err := k.keep(ctx, frontier, e); err != nil {
			return err
		}
	}
	e.Bytes, e.Seconds = f.cached, time.Since(began).Seconds()
	f.train.before, f.val.before = nil, nil
	f.events.Emit(e)
	if f.train.store != nil || f.session.stage.schedule == nil {
		f.session.Net.ReleaseFrozen()
	}
	return nil
}

// budget is how many bytes of frozen values may be kept in memory.
func (f *fitter) budget() int64 {
	if b := f.session.Config.CacheBudget; b > 0 {
		return b
	}
	return 2 << 30
}

// frozenChunk is how many examples the frozen region takes at once: enough work for every kernel,
// little enough memory that activations stay small beside the weights.
func frozenChunk(inputs int) int { return max(4, min(64, 8*3*224*224/max(inputs, 1))) }

// frozenTokens is how many tokens of texts it takes at once.
const frozenTokens = 2048

// chunkOf is the chunk of examples of a form, in steps where they have different lengths.
func chunkOf(f data.Form) int {
	if f.Varies() && !f.Rows {
		return frozenTokens
	}
	return frozenChunk(f.Size())
}

// keep gives the encoders stores and fills them.
func (k *keeper) keep(ctx context.Context, frontier *split.Cut, e *report.CacheEvent) error {
	encoders := []*encoder{k.f.train, k.f.val}
	if k.f.session.Config.Augment != "none" {
		if k.f.train.variants = k.f.session.Config.CacheVariants; k.f.train.variants == 0 { // every epoch has other examples
			encoders = encoders[1:]
		}
	}
	n := int64(0)
	for _, c := range encoders {
		n += int64(c.ds.Len() * max(1, c.variants))
	}
	if k.f.session.Config.Cache == "disk" && !k.f.session.again() {
		k.memory.left = 0
	}
	kept, err := k.choose(frontier, n)
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
			k.f.cached += c.store.Bytes()
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
			k.f.events.Emit(&report.Encoded{Done: done + d, Total: int(n)})
		}, func(seconds float64) {
			t.persist = t.disk != nil && (k.f.session.Config.Cache == "disk" || seconds > float64(k.size(kept))/diskSpeed+diskDelay)
		})
		if err != nil {
			return err
		}
		done += got.hits + got.near + got.misses
		e.Hits, e.Near, e.Misses = e.Hits+got.hits, e.Near+got.near, e.Misses+got.misses
		k.f.cached += t.Bytes()
		e.Where = "ram"
		if t.disk != nil && t.disk.Bytes() > 0 {
			e.Where = "disk"
		}
		c.near = nil
	}
	if k.shared != nil {
		if err := k.shared.Flush(); err != nil { // training goes on without
			k.f.events.Emit(&report.Warning{Message: fmt.Sprintf("what is kept for later runs may be lost: %v", err)})
		}
	}
	return nil
}

// half says which values of a cut are kept as float16.
func (k *keeper) half(c *split.Cut) []bool {
	if k.f.session.Config.CachePrecision != "float16" {
		return nil
	}
	half := make([]bool, len(c.Points))
	for i, p := range c.Points {
		half[i] = p.One.DType == tensor.Float32
	}
	return half
}

// size is how many bytes are kept for one example, of mean length.
func (k *keeper) size(c *split.Cut) int64 {
	n := int64(0)
	half := k.half(c)
	for i, p := range c.Points {
		b := int64(p.One.Bytes())
		if k.f.train.shares != nil {
			b = int64(k.f.train.shares[i].Bytes(k.f.train.meanLength()))
		}
		if half != nil && half[i] {
			b /= 2
		}
		n += b
	}
	return n
}

// choose picks the cut that is kept for n examples: the frontier where it fits, or where keeping it for some of them saves
// more than keeping an earlier and smaller cut for all.
func (k *keeper) choose(frontier *split.Cut, n int64) (*split.Cut, error) {
	capacity := max(k.memory.left, k.added.left)
	need := k.size(frontier) * n
	if need <= capacity || n == 0 || k.f.train.shares != nil {
		return frontier, nil
	}
	each := capacity / n
	if k.f.session.Config.CachePrecision == "float16" {
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

// stores gives an encoder its store, and the nearest values that others have kept.
func (k *keeper) stores(c *encoder, kept *split.Cut) (*tiers, error) {
	slots := c.ds.Len() * max(1, c.variants)
	t := &tiers{ram: newRAM(slots, k.memory)}
	c.store, c.half = t, k.half(kept)
	if c.half != nil {
		c.store = &halved{t, c.half}
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

// variantKey names what augmentation makes of an example: it depends on the run's seed and on the example's number.
func (k *keeper) variantKey(sum cache.Digest, example, variant int) cache.Digest {
	return sha256.Sum256(fmt.Appendf(nil, "%x %q %d %d %d", sum, k.f.session.Config.Augment, k.f.session.Config.Seed, example, variant))
}

// has reports whether the disk seems to hold the values of every example.
func (d *disk) has(keys []cache.Digest) bool {
	for _, key := range keys {
		for _, s := range d.spaces {
			if !s.Has(key) {
				return false
			}
		}
	}
	return true
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
			Kind: "values", Model: filepath.Base(k.f.session.Config.Model), Value: p.Name, Type: kind.String()}))
	}
	return d
}

// spaceID names the space of the cache for a value, examples prepared as pipeline says.
func spaceID(value, pipeline split.Digest, half bool) split.Digest {
	return sha256.Sum256(fmt.Appendf(nil, "%s %x %x %v", engine(), value, pipeline, half))
}

// engine names what turns a graph and its inputs into bits: this version of the program and the kernels in use, whose roundings
// differ.
func engine() string {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	return fmt.Sprintf("values/1 %s %s %s", version.Version, revision, kernel.Level())
}
