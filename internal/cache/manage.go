package cache

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Info describes a space on the disk.
type Info struct {
	Space string // its digest
	About
	Blocks int   // in the indexes
	Bytes  int64 // on the disk
	Packs  int
	Used   time.Time // last read or written
}

// List describes the spaces of the cache in dir, the most recently used first. A cache that does
// not exist has none.
func List(dir string) ([]Info, error) {
	var out []Info
	err := eachSpace(filepath.Join(dir, version), func(path string, id Digest) error {
		in := Info{Space: filepath.Base(path), About: about(path)}
		packs, err := packFiles(path)
		if err != nil {
			return err
		}
		for _, p := range packs {
			index, size, err := readIndex(p.path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			parseIndex(index, &id, size, func(entry) { in.Blocks++ })
			in.Bytes += p.bytes
			in.Packs++
			if p.used.After(in.Used) {
				in.Used = p.used
			}
		}
		out = append(out, in)
		return nil
	})
	slices.SortFunc(out, func(a, b Info) int { return cmp.Or(b.Used.Compare(a.Used), cmp.Compare(a.Space, b.Space)) })
	return out, err
}

// Check is the result of Verify.
type Check struct {
	Blocks int // that were read
	Bytes  int64
	// blocks and entries with a wrong checksum; they are computed again when needed
	Damaged int
}

// Verify reads every block of the cache in dir and compares it with its checksum.
func Verify(ctx context.Context, dir string) (Check, error) {
	var c Check
	err := eachSpace(filepath.Join(dir, version), func(path string, id Digest) error {
		packs, err := packFiles(path)
		if err != nil {
			return err
		}
		for _, p := range packs {
			if err := c.pack(ctx, p.path, id); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
	return c, err
}

func (c *Check) pack(ctx context.Context, path string, id Digest) error {
	index, size, err := readIndex(path)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var b []byte
	c.Damaged += parseIndex(index, &id, size, func(e entry) {
		if ctx.Err() != nil {
			return
		}
		c.Blocks++
		c.Bytes += e.length
		b = slices.Grow(b[:0], int(e.length))[:e.length]
		if _, err := f.ReadAt(b, e.offset); err != nil || crc32.Checksum(b, castagnoli) != e.sum {
			c.Damaged++
		}
	})
	return ctx.Err()
}

// PruneOptions say what Prune drops. The zero value drops everything.
type PruneOptions struct {
	Budget int64         // bytes that may be left: no more is dropped once the cache fits
	Older  time.Duration // only what was not used for so long is dropped; 0: whenever it was used
	Dry    bool          // nothing is dropped, only counted
}

// Prune drops packs of the cache in dir, the least recently used first. It returns the bytes that
// it freed, or would free, and those that are left. A process that reads a dropped pack at the same
// time computes what it no longer finds.
func Prune(dir string, o PruneOptions) (freed, left int64, err error) {
	root := filepath.Join(dir, version)
	if freed, err = prune(root, o, nil); err != nil {
		return freed, 0, fmt.Errorf("cache: %w", err)
	}
	left, err = diskUsage(root)
	if o.Dry {
		left -= freed
	}
	return freed, left, err
}

// prune is Prune without the spaces in keep.
func prune(root string, o PruneOptions, keep map[string]bool) (freed int64, err error) {
	var all []packFile
	total := int64(0)
	err = eachSpace(root, func(path string, _ Digest) error {
		packs, err := packFiles(path)
		for _, p := range packs {
			total += p.bytes
			if !keep[filepath.Base(path)] {
				all = append(all, p)
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	slices.SortFunc(all, func(a, b packFile) int { return a.used.Compare(b.used) })
	last := time.Now().Add(-o.Older)
	for _, p := range all {
		if total <= o.Budget || o.Older > 0 && p.used.After(last) {
			break
		}
		total -= p.bytes
		freed += p.bytes
		if o.Dry {
			continue
		}
		// The index goes first: without it the blocks are not found.
		if err := errors.Join(remove(indexPath(p.path)), remove(p.path)); err != nil {
			return freed - p.bytes, err
		}
		dropEmpty(filepath.Dir(p.path))
	}
	return freed, nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// dropEmpty removes a space without packs. Where another process has filled the folder meanwhile,
// removing it fails, as it should.
func dropEmpty(dir string) {
	if packs, err := packNames(dir); err == nil && len(packs) == 0 {
		_ = os.Remove(filepath.Join(dir, aboutFile))
		_ = os.Remove(dir)
	}
}

// packFile is a pack and its index on the disk.
type packFile struct {
	path  string
	bytes int64 // both files
	used  time.Time
}

func packFiles(dir string) ([]packFile, error) {
	names, err := packNames(dir)
	if err != nil {
		return nil, err
	}
	var out []packFile
	for _, name := range names {
		p := packFile{path: filepath.Join(dir, name)}
		st, err := os.Stat(p.path)
		if err != nil {
			continue
		}
		p.bytes, p.used = st.Size(), st.ModTime()
		if st, err := os.Stat(indexPath(p.path)); err == nil {
			p.bytes += st.Size()
			if st.ModTime().After(p.used) {
				p.used = st.ModTime()
			}
		}
		out = append(out, p)
	}
	return out, nil
}

func eachSpace(root string, f func(path string, id Digest) error) error {
	dirs, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range dirs {
		b, err := hex.DecodeString(d.Name())
		if err != nil || len(b) != len(Digest{}) || strings.ToLower(d.Name()) != d.Name() {
			continue
		}
		if err := f(filepath.Join(root, d.Name()), Digest(b)); err != nil {
			return err
		}
	}
	return nil
}

func about(dir string) (a About) {
	if b, err := os.ReadFile(filepath.Join(dir, aboutFile)); err != nil || json.Unmarshal(b, &a) != nil {
		return About{}
	}
	return a
}

// diskUsage is the size of all packs and indexes.
func diskUsage(root string) (n int64, err error) {
	err = eachSpace(root, func(path string, _ Digest) error {
		packs, err := packFiles(path)
		for _, p := range packs {
			n += p.bytes
		}
		return err
	})
	return n, err
}
