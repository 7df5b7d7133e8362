// Package cache keeps blocks of bytes between runs, under the digest of what they were computed
// from.
//
// Comes in: blocks with their keys. Goes out: the same bytes, or nothing. It must not know what the
// bytes are.
//
// A Cache is a folder. It has a space for each way of computing blocks, such as a frozen subgraph
// with its weights and a preprocessing. Within a space, the digest of the example names the block.
// On the disk:
//
//	DIR/v1/SPACE/about.json     what the space holds, for people
//	DIR/v1/SPACE/NAME.pack      blocks, one after the other, in the order in which they were put
//	DIR/v1/SPACE/NAME.index     an entry of 56 bytes for each block: key, offset, length, checksums
//
// Every process appends to packs of its own, so processes need no locks: a space is the union of
// its packs.
//
// Nothing on the disk is trusted. An entry counts only with a correct checksum, which also covers
// the name of the space, and a block only with its own. Both are CRC-32C. A crash at any byte of a
// write therefore leaves a sound cache, whatever the file system had written by then: what is
// incomplete fails its checksum, is not found, and is computed again.
//
// The cache stays within a budget by dropping whole packs, the least recently used first.
package cache

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Digest names a space or a block.
type Digest = [32]byte

// version is that of the layout. Another layout has another folder.
const version = "v1"

// Cache is an open cache. It is safe for concurrent use.
type Cache struct {
	root string // DIR/v1

	mu     sync.Mutex
	budget int64
	used   int64 // bytes on the disk, -1 where not measured yet
	spaces map[Digest]*Space
}

// DefaultDir is the folder that the environment variable PERMAFROST_CACHE names, or else permafrost
// in the user's cache folder.
func DefaultDir() (string, error) {
	if dir := os.Getenv("PERMAFROST_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache: %w: name a folder in PERMAFROST_CACHE", err)
	}
	return filepath.Join(dir, "permafrost"), nil
}

// DefaultBudget is 10 GiB, or a tenth of the free space where that is less. For a folder that does
// not exist yet, the free space is that of the nearest folder above it.
func DefaultBudget(dir string) int64 {
	const most = 10 << 30
	for {
		free, ok := freeSpace(dir)
		if ok {
			return min(most, free/10)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return most
		}
		dir = up
	}
}

// Open opens the cache in dir, and makes the folder where it does not exist. Budget bounds the
// bytes on the disk; 0 stands for DefaultBudget.
func Open(dir string, budget int64) (*Cache, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	root := filepath.Join(dir, version)
	if err := os.MkdirAll(root, 0o777); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if budget == 0 {
		used, err := diskUsage(root)
		if err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
		// what is there may stay, though the disk has filled up
		budget = max(DefaultBudget(dir), min(used, 10<<30))
		return &Cache{root: root, budget: budget, used: used, spaces: map[Digest]*Space{}}, nil
	}
	return &Cache{root: root, budget: budget, used: -1, spaces: map[Digest]*Space{}}, nil
}

// Budget is the most bytes that the cache may take on the disk.
func (c *Cache) Budget() int64 { return c.budget }

// Exists reports whether a space has ever been written to.
func (c *Cache) Exists(id Digest) bool {
	_, err := os.Stat(c.path(id))
	return err == nil
}

func (c *Cache) path(id Digest) string { return filepath.Join(c.root, hex.EncodeToString(id[:])) }

// Space opens a space. It need not exist: the first Put makes it, and records About.
func (c *Cache) Space(id Digest, about About) *Space {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.spaces[id]; s != nil {
		return s
	}
	s := &Space{cache: c, id: id, dir: c.path(id), about: about, entries: map[Digest]place{}}
	s.load()
	c.spaces[id] = s
	return s
}

// Room makes room for n more bytes by dropping packs of spaces that are not open here. It reports
// whether they fit.
func (c *Cache) Room(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room(n)
}

func (c *Cache) room(n int64) bool {
	if c.used < 0 {
		used, err := diskUsage(c.root)
		if err != nil {
			return false
		}
		c.used = used
	}
	if c.used+n <= c.budget {
		return true
	}
	if n > c.budget {
		return false
	}
	open := map[string]bool{}
	for id := range c.spaces {
		open[hex.EncodeToString(id[:])] = true
	}
	freed, err := prune(c.root, PruneOptions{Budget: c.budget - n}, open)
	if err != nil {
		return false
	}
	c.used -= freed
	return c.used+n <= c.budget
}

// take reserves n bytes for writing, and reports whether they fit.
func (c *Cache) take(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.room(n) {
		return false
	}
	c.used += n
	return true
}

// Flush syncs to the disk what was put, so that it survives a loss of power.
func (c *Cache) Flush() error { return c.each((*Space).flush) }

// Close flushes and closes all spaces.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	return c.each((*Space).close)
}

func (c *Cache) each(f func(*Space) error) error {
	c.mu.Lock()
	var all []*Space
	for _, s := range c.spaces {
		all = append(all, s)
	}
	c.mu.Unlock()
	var errs []error
	for _, s := range all {
		errs = append(errs, f(s))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}
