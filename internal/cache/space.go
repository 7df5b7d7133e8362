package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
)

// About says what a space holds, for people.
type About struct {
	Kind  string `json:"kind"`            // values, pictures, files or findings
	Model string `json:"model,omitempty"` // of values: the model's file name
	Value string `json:"value,omitempty"` // of values: the name of the value
	Type  string `json:"type,omitempty"`  // of values: element type and shape for one example
}

// Space is the blocks of one origin. It is safe for concurrent use.
type Space struct {
	cache *Cache
	id    Digest
	dir   string
	about About

	mu      sync.RWMutex
	entries map[Digest]place
	packs   []*pack
	own     *writer // nil before the first Put
}

// place is the entry of a block, and its pack.
type place struct {
	pack   *pack
	offset int64
	length int64
	sum    uint32
}

// pack is a file of blocks that is read.
type pack struct {
	path string
	once sync.Once
	file *os.File
	all  []byte // the whole of a small pack
	err  error
}

// writer appends to the pack of this process.
type writer struct {
	pack  *pack
	index *os.File
	size  int64
	dirty bool
	err   error // the first failure, after which nothing is written
}

// small is the size up to which packs are read at once and stay in memory.
const small = 4 << 20

// load reads the indexes of the space's packs, oldest first, so that later blocks replace earlier
// ones. A pack that cannot be read, such as one that another process has just pruned, is skipped.
func (s *Space) load() {
	names, _ := packNames(s.dir)
	now := time.Now()
	for _, name := range names {
		path := filepath.Join(s.dir, name)
		index, size, err := readIndex(path)
		if err != nil {
			continue
		}
		p := &pack{path: path}
		used := false
		parseIndex(index, &s.id, size, func(e entry) {
			s.entries[e.key] = place{p, e.offset, e.length, e.sum}
			used = true
		})
		if used {
			s.packs = append(s.packs, p)
			_ = os.Chtimes(indexPath(path), now, now) // marks it as used; no reason to fail
		}
	}
}

// packNames lists the packs of a space, oldest first.
func packNames(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".pack") {
			names = append(names, f.Name())
		}
	}
	return names, nil
}

func indexPath(pack string) string { return strings.TrimSuffix(pack, ".pack") + ".index" }

// readIndex returns a pack's index and the pack's size.
func readIndex(path string) ([]byte, int64, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	index, err := os.ReadFile(indexPath(path))
	return index, st.Size(), err
}

// Len is the number of blocks.
func (s *Space) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.entries)
}

// Has reports whether the index has the block. Only Get knows whether it is intact.
func (s *Space) Has(key Digest) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.entries[key]
	return ok
}

// Get copies a block into dst. It reports whether the block was there, intact and of dst's length.
// Otherwise the contents of dst are undefined.
func (s *Space) Get(key Digest, dst []byte) bool {
	p, ok := s.find(key)
	if !ok || p.length != int64(len(dst)) {
		return false
	}
	return s.read(key, p, dst)
}

// Read returns a block of any length.
func (s *Space) Read(key Digest) ([]byte, bool) {
	p, ok := s.find(key)
	if !ok {
		return nil, false
	}
	b := make([]byte, p.length)
	return b, s.read(key, p, b)
}

func (s *Space) find(key Digest) (place, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.entries[key]
	return p, ok
}

func (s *Space) read(key Digest, p place, dst []byte) bool {
	if p.pack.readAt(dst, p.offset) == nil && crc32.Checksum(dst, castagnoli) == p.sum {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[key] == p {
		delete(s.entries, key) // damaged: it is computed and put again
	}
	return false
}

func (p *pack) readAt(dst []byte, offset int64) error {
	p.once.Do(p.open)
	if p.err != nil {
		return p.err
	}
	if p.all == nil {
		_, err := p.file.ReadAt(dst, offset)
		return err
	}
	if offset+int64(len(dst)) > int64(len(p.all)) {
		return fs.ErrInvalid
	}
	copy(dst, p.all[offset:])
	return nil
}

func (p *pack) open() {
	if p.file != nil { // this process writes it
		return
	}
	if p.file, p.err = os.Open(p.path); p.err != nil {
		return
	}
	st, err := p.file.Stat()
	if err != nil || st.Size() > small {
		p.err = err
		return
	}
	p.all, p.err = os.ReadFile(p.path)
	p.err = errors.Join(p.err, p.file.Close())
	p.file = nil
}

// Drop forgets a block, so that another can be put in its place.
func (s *Space) Drop(key Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, key)
}

// Put stores a block, given in parts, unless it is there already or the budget is spent. It reports
// whether the block is stored. After a failed write, such as on a full disk, the space stores no
// more blocks; those that it has stay good.
func (s *Space) Put(key Digest, parts ...[]byte) bool {
	n := int64(0)
	sum := uint32(0)
	for _, b := range parts {
		n += int64(len(b))
		sum = crc32.Update(sum, castagnoli, b)
	}
	if s.Has(key) {
		return true
	}
	if n > maxBlock || !s.cache.take(n+entrySize) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.entries[key]; ok {
		return true
	}
	if s.own == nil {
		s.own = s.begin()
	}
	w := s.own
	if w.err != nil {
		return false
	}
	at := w.size
	for _, b := range parts {
		if _, err := w.pack.file.Write(b); err != nil {
			w.err = err
			return false
		}
	}
	e := entry{key, at, n, sum}
	if _, err := w.index.Write(e.append(nil, &s.id)); err != nil {
		w.err = err
		return false
	}
	w.size += n
	w.dirty = true
	s.entries[key] = place{w.pack, at, n, sum}
	return true
}

// begin makes the pack of this process.
func (s *Space) begin() *writer {
	w := &writer{}
	if w.err = os.MkdirAll(s.dir, 0o777); w.err != nil {
		return w
	}
	if w.err = s.describe(); w.err != nil {
		return w
	}
	for try := range 100 {
		path := filepath.Join(s.dir, fmt.Sprintf("%016x-%d-%d.pack", time.Now().UnixNano(), os.Getpid(), try))
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			w.err = err
			return w
		}
		w.pack = &pack{path: path, file: f}
		s.packs = append(s.packs, w.pack)
		w.index, w.err = os.OpenFile(indexPath(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		return w
	}
	w.err = fmt.Errorf("%s: no name is free for a pack", s.dir)
	return w
}

const aboutFile = "about.json"

// describe writes what the space holds, once.
func (s *Space) describe() error {
	path := filepath.Join(s.dir, aboutFile)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	b, err := json.Marshal(s.about)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

func (s *Space) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sync()
}

// sync syncs the pack before the index, so that after a loss of power few entries point at nothing.
func (s *Space) sync() error {
	w := s.own
	if w == nil || !w.dirty || w.index == nil {
		return nil
	}
	w.dirty = false
	return errors.Join(w.pack.file.Sync(), w.index.Sync())
}

func (s *Space) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.sync()
	if s.own != nil && s.own.index != nil {
		err = errors.Join(err, s.own.index.Close())
	}
	for _, p := range s.packs {
		p.once.Do(func() {})
		if p.file != nil {
			err = errors.Join(err, p.file.Close())
		}
		p.file, p.all, p.err = nil, nil, fs.ErrClosed
	}
	s.own = &writer{err: fs.ErrClosed}
	clear(s.entries)
	return err
}
