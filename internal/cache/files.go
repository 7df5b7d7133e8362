package cache

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// Files remembers the digests of files, so that an unchanged file need not be read again for its
// digest.
//
// A file counts as unchanged while its path, size and modification time are the same, and, where
// the system has them, its inode and change time. A program that writes a file and sets all of
// these back deceives it, as it deceives make and git. On Linux and other Unix systems a program
// cannot set the change time.
//
// A file that was modified less than two seconds before it was read is not remembered, since file
// systems have coarse clocks. A caller who reads a file whose digest comes from here should compare
// the two.
type Files struct{ space *Space }

// settled is the age from which the modification time of a file tells its versions apart.
const settled = 2 * time.Second

// Files opens the space that remembers files for one purpose.
func (c *Cache) Files(id Digest) *Files { return &Files{c.Space(id, About{Kind: "files"})} }

func fileKey(path string, info fs.FileInfo) (Digest, bool) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Digest{}, false
	}
	inode, changed := identity(info)
	return sha256.Sum256(fmt.Appendf(nil, "%q %d %d %d %d", abs, info.Size(), info.ModTime().UnixNano(), inode, changed.UnixNano())), true
}

// Digest gives the remembered digest of a file. Info describes the file as it is now. Ok is false
// where the file is unknown or has changed.
func (f *Files) Digest(path string, info fs.FileInfo) (sum Digest, ok bool) {
	key, ok := fileKey(path, info)
	return sum, ok && f.space.Get(key, sum[:])
}

// Learn records the digest of a file that was just read. Info describes the file before it was
// read.
func (f *Files) Learn(path string, info fs.FileInfo, sum Digest) {
	_, changed := identity(info)
	if time.Since(info.ModTime()) < settled || time.Since(changed) < settled {
		return
	}
	key, ok := fileKey(path, info)
	if !ok {
		return
	}
	var old Digest
	if f.space.Get(key, old[:]) && old != sum {
		f.space.Drop(key)
	}
	f.space.Put(key, sum[:])
}
