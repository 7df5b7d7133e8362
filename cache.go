package permafrost

import (
	"context"
	"errors"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cache"
)

// CacheSpace describes what the disk cache keeps from one origin: a frozen part of a model with its
// weights, or prepared examples.
type CacheSpace struct {
	Space  string    `json:"space"`           // digest of the origin
	Kind   string    `json:"kind"`            // values, pictures, files or findings
	Model  string    `json:"model,omitempty"` // of values: the model's file name
	Value  string    `json:"value,omitempty"` // of values: the name of the value
	Type   string    `json:"type,omitempty"`  // of values: element type and shape for one example
	Blocks int       `json:"blocks"`
	Bytes  int64     `json:"bytes"` // on the disk
	Packs  int       `json:"packs"` // files
	Used   time.Time `json:"used"`  // time of the last read or write
}

// CacheCheck is the result of VerifyCache.
type CacheCheck struct {
	Blocks  int   `json:"blocks"` // blocks read
	Bytes   int64 `json:"bytes"`
	Damaged int   `json:"damaged"` // damaged blocks, which are recomputed when needed
}

// CacheDir returns the folder of the cache: the environment variable PERMAFROST_CACHE, or else
// permafrost in the user's cache folder. It errors if the variable is "off".
func CacheDir() (string, error) {
	dir, err := cache.DefaultDir()
	if err == nil && dir == "off" {
		err = errors.New("PERMAFROST_CACHE is off: name the cache's folder there")
	}
	return dir, badInput(err)
}

// ListCache lists what the cache in a folder keeps, most recently used first. A folder that does
// not exist is empty.
func ListCache(dir string) ([]CacheSpace, error) {
	spaces, err := cache.List(dir)
	return each(spaces, func(s cache.Info) CacheSpace {
		return CacheSpace{s.Space, s.Kind, s.Model, s.Value, s.Type, s.Blocks, s.Bytes, s.Packs, s.Used}
	}), failed(err)
}

// VerifyCache reads and checks everything that the cache in a folder keeps. Damage is not an error.
func VerifyCache(ctx context.Context, dir string) (CacheCheck, error) {
	c, err := cache.Verify(ctx, dir)
	return CacheCheck(c), failed(err)
}

// PruneOptions say what PruneCache drops. The zero value drops everything; what is given together
// holds together.
type PruneOptions struct {
	Budget int64         // bytes that may be left: no more is dropped once the cache fits
	Older  time.Duration // only what was not used for so long is dropped; 0: whenever it was used
	Dry    bool          // nothing is dropped, only counted
}

// PruneCache drops data of the cache in a folder, the least recently used first. It returns how many
// bytes were freed, or would be, and how many are left. Processes that use the cache at the same
// time recompute what they do not find.
func PruneCache(dir string, o PruneOptions) (freed, left int64, err error) {
	freed, left, err = cache.Prune(dir, cache.PruneOptions(o))
	return freed, left, failed(err)
}
