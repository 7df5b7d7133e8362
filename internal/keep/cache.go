package keep

import (
	"crypto/sha256"
	"fmt"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/cache"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// OpenCache opens the cache that runs share. It returns nil if the options or the environment
// (PERMAFROST_CACHE=off) turn it off. It also returns nil, with a note, if the cache folder cannot
// be made, unless the options require the cache.
func OpenCache(o Options) (shared *cache.Cache, note string, err error) {
	if o.Where == "off" || o.Where == "ram" {
		return nil, "", nil
	}
	dir, err := cache.DefaultDir()
	if dir == "off" {
		if o.Where == "disk" {
			return nil, "", fmt.Errorf("option cache disk: PERMAFROST_CACHE is off: name a folder there, or use option cache ram")
		}
		return nil, "", nil
	}
	if err == nil {
		budget := int64(0)
		if own := o.Budget; own > 0 { // a run with a larger budget than usual gets that much room
			budget = max(own, cache.DefaultBudget(dir))
		}
		shared, err = cache.Open(dir, budget)
	}
	if err != nil && o.Where != "disk" {
		return nil, fmt.Sprintf("nothing is kept for later runs: %v", err), nil
	}
	return shared, "", err
}

// Remember lets data reuse what earlier runs learned about files and prepared from them.
func Remember(shared *cache.Cache, fed feed.Feed, opt *data.Options) {
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

// prepared limits what one run keeps of prepared examples to half of the cache's budget, so that
// the values computed from them fit too.
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
