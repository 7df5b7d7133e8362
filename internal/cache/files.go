package cache

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// Files remembers the digests of files, so that a file that has not changed is not read to learn its digest.
//
// It takes a file for unchanged when its path, size, modification time and, where the system tells them, its inode and the
// time of its last change of any kind are what they were. A program that writes a file and then sets all of those back deceives
// it, as it deceives make and git; Linux and the other Unix systems do not let a program set the last one. A file that was
// modified less than two seconds before it was read is not remembered, since clocks of file systems are coarse. Whoever reads a
// file whose digest comes from here should compare.
type Files struct{ space *Space }

// settled is the age from which on a file's modification time tells its versions apart.
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

// Digest returns the digest that a file is known to have. Info describes the file as it is now.
func (f *Files) Digest(path string, info fs.FileInfo) (sum Digest, ok bool) {
	key, ok := fileKey(path, info)
	return sum, ok && f.space.Get(key, sum[:])
}

// Learn records the digest of a file that was just read. Info describes the file as it was before that.
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
