package cache

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func key(i int) Digest { return sha256.Sum256(fmt.Append(nil, i)) }

// block is what key i names in these tests: bytes of different lengths, some empty.
func block(i int) []byte {
	b := make([]byte, i%7*5)
	for k := range b {
		b[k] = byte(i*31 + k)
	}
	return b
}

var spaceA, spaceB = sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))

func open(t testing.TB, dir string, budget int64) *Cache {
	t.Helper()
	c, err := Open(dir, budget)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func space(t testing.TB, c *Cache, id Digest) *Space {
	t.Helper()
	return c.Space(id, About{Kind: "values", Model: "m.onnx", Value: "v", Type: "float32[1,2]"})
}

// write keeps blocks from to to in a cache that is closed again.
func write(t testing.TB, dir string, id Digest, from, to int) {
	t.Helper()
	c := open(t, dir, 1<<30)
	s := space(t, c, id)
	for i := from; i < to; i++ {
		if !s.Put(key(i), block(i)) {
			t.Fatalf("block %d was declined", i)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// sound reads blocks 0 to n and returns how many are there. It fails the test when one is there
// with other contents.
func sound(t testing.TB, s *Space, n int) int {
	t.Helper()
	have := 0
	for i := range n {
		b, ok := s.Read(key(i))
		if !ok {
			continue
		}
		have++
		if !bytes.Equal(b, block(i)) {
			t.Fatalf("block %d has other contents", i)
		}
	}
	return have
}

func TestBlocksOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, spaceA, 0, 20)
	write(t, dir, spaceA, 15, 30) // another process adds a pack
	c := open(t, dir, 1<<30)
	s := space(t, c, spaceA)
	if s.Len() != 30 || sound(t, s, 30) != 30 {
		t.Errorf("%d blocks, want 30", s.Len())
	}
	dst := make([]byte, len(block(6)))
	if !s.Get(key(6), dst) || !bytes.Equal(dst, block(6)) {
		t.Error("Get does not return the block")
	}
	if s.Get(key(6), dst[1:]) {
		t.Error("Get returns a block of another length")
	}
	if s.Has(key(30)) || space(t, c, spaceB).Has(key(3)) {
		t.Error("a block that was never put is there")
	}
	if !c.Exists(spaceA) || c.Exists(spaceB) {
		t.Error("Exists does not say what was written")
	}
}

func TestDropMakesWayForAnother(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, spaceA, 0, 3)
	c := open(t, dir, 1<<30)
	s := space(t, c, spaceA)
	if s.Put(key(1), []byte("other")); !bytes.Equal(mustRead(t, s, key(1)), block(1)) {
		t.Error("Put replaced a block")
	}
	s.Drop(key(1))
	s.Put(key(1), []byte("ot"), []byte("her"))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, space(t, open(t, dir, 1<<30), spaceA), key(1)); string(got) != "other" {
		t.Errorf("the block is %q", got)
	}
}

func mustRead(t *testing.T, s *Space, k Digest) []byte {
	t.Helper()
	b, ok := s.Read(k)
	if !ok {
		t.Fatal("the block is not there")
	}
	return b
}

// packOf is the only pack of a space.
func packOf(t testing.TB, dir string, id Digest) string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, version, fmt.Sprintf("%x", id), "*.pack"))
	if err != nil || len(m) != 1 {
		t.Fatal(m, err)
	}
	return m[0]
}

// TestCrashAtAnyByte cuts the pack and its index off at every byte, changes every byte, and tears
// them as a file system may that wrote one and not the other. No block is ever returned with other
// contents; at most the blocks that were touched are lost; what is lost can be put again.
func TestCrashAtAnyByte(t *testing.T) {
	const n = 5
	dir := t.TempDir()
	write(t, dir, spaceA, 0, n)
	pack := packOf(t, dir, spaceA)
	data, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(indexPath(pack))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 0x40
		return b
	}
	try := func(what string, data, index []byte, least int) {
		t.Helper()
		if err := os.WriteFile(pack, data, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(indexPath(pack), index, 0o666); err != nil {
			t.Fatal(err)
		}
		c := open(t, dir, 1<<30)
		s := space(t, c, spaceA)
		have := sound(t, s, n)
		if have < least {
			t.Fatalf("%s: %d blocks are left of %d, want at least %d", what, have, n, least)
		}
		if have == n {
			c.Close()
			return
		}
		for i := range n {
			if !s.Put(key(i), block(i)) {
				t.Fatalf("%s: block %d cannot be put again", what, i)
			}
		}
		if sound(t, s, n) != n {
			t.Fatalf("%s: blocks that were put again are not there", what)
		}
		s.own.dirty = false // this one need not outlast a loss of power
		c.Close()
		for _, f := range glob(t, filepath.Dir(pack), "*") { // the second pack
			if f != pack && f != indexPath(pack) {
				os.Remove(f)
			}
		}
	}
	starts := []int{0}
	for i := range n {
		starts = append(starts, starts[i]+len(block(i)))
	}
	whole := func(size int) (k int) { // blocks that lie within the first size bytes
		for k < n && starts[k+1] <= size {
			k++
		}
		return k
	}
	for at := range data {
		try(fmt.Sprintf("pack cut at %d", at), data[:at], index, whole(at))
		try(fmt.Sprintf("pack changed at %d", at), flip(data, at), index, n-1)
		zeros := append(bytes.Clone(data[:at]), make([]byte, len(data)-at)...)
		try(fmt.Sprintf("pack zero from %d", at), zeros, index, whole(at))
	}
	for at := range index {
		try(fmt.Sprintf("index cut at %d", at), data, index[:at], at/entrySize)
		try(fmt.Sprintf("index changed at %d", at), data, flip(index, at), n-1)
		zeros := append(bytes.Clone(index[:at]), make([]byte, len(index)-at)...)
		try(fmt.Sprintf("index zero from %d", at), data, zeros, at/entrySize)
	}
	if err := os.WriteFile(indexPath(pack), foreign(index), 0o666); err != nil {
		t.Fatal(err)
	}
	if s := space(t, open(t, dir, 1<<30), spaceA); s.Len() != 0 {
		t.Error("the index of another space is believed")
	}
}

// foreign moves the entries of an index to another space.
func foreign(index []byte) []byte {
	var out []byte
	parseIndex(index, &spaceA, 1<<40, func(e entry) { out = e.append(out, &spaceB) })
	return out
}

func glob(t testing.TB, dir, pattern string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWritersAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() { // a process each, and two goroutines in it
			c, err := Open(dir, 1<<30)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			s := c.Space(spaceA, About{})
			var inner sync.WaitGroup
			for g := range 2 {
				inner.Go(func() {
					for i := range 100 {
						k := (i*(g+1) + w) % 100
						if !s.Put(key(k), block(k)) {
							t.Errorf("block %d was declined", k)
						}
						if b, ok := s.Read(key(k)); !ok || !bytes.Equal(b, block(k)) {
							t.Errorf("block %d is not what was put", k)
						}
					}
				})
			}
			inner.Wait()
		})
	}
	wg.Wait()
	if got := sound(t, space(t, open(t, dir, 1<<30), spaceA), 100); got != 100 {
		t.Errorf("%d blocks of 100", got)
	}
	if c, err := Verify(t.Context(), dir); err != nil || c.Damaged != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestReaderOutlivesPruning(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, spaceA, 0, 20)
	s := space(t, open(t, dir, 1<<30), spaceA)
	mustRead(t, s, key(1)) // the pack is open now
	if _, left, err := Prune(dir, PruneOptions{Budget: 0}); err != nil || left != 0 {
		t.Fatal(left, err)
	}
	if got := sound(t, s, 20); got != 20 {
		t.Errorf("a reader lost %d blocks of an open pack", 20-got)
	}
	late := space(t, open(t, dir, 1<<30), spaceA)
	if late.Len() != 0 {
		t.Error("pruned blocks are found")
	}
	if !late.Put(key(1), block(1)) {
		t.Error("a pruned space takes no blocks")
	}
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	dir := t.TempDir()
	ids := []Digest{key(100), key(101), key(102)}
	for i, id := range ids {
		c := open(t, dir, 1<<30)
		space(t, c, id).Put(key(0), make([]byte, 1000))
		c.Close()
		for _, f := range glob(t, filepath.Dir(packOf(t, dir, id)), "*") {
			old := time.Now().Add(time.Duration(i-10) * time.Hour)
			if err := os.Chtimes(f, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	space(t, open(t, dir, 1<<30), ids[0]) // opening is use: the first is now the youngest
	freed, left, err := Prune(dir, PruneOptions{Budget: 2500})
	if err != nil || freed != 1000+entrySize || left != 2*(1000+entrySize) {
		t.Fatalf("freed %d, left %d, %v", freed, left, err)
	}
	c := open(t, dir, 1<<30)
	for i, want := range []bool{true, false, true} {
		if c.Exists(ids[i]) != want {
			t.Errorf("space %d: kept %v, want %v", i, !want, want)
		}
	}
}

func TestBudget(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, spaceA, 0, 40)
	used, err := diskUsage(filepath.Join(dir, version))
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, dir, used+2000)
	s := space(t, c, spaceB)
	big := make([]byte, 1900)
	if !s.Put(key(0), big) {
		t.Fatal("a block that fits was declined")
	}
	if !s.Put(key(1), big) || c.Exists(spaceA) {
		t.Error("what was not in use did not make room")
	}
	for i := range 20 {
		s.Put(key(2+i), big)
	}
	if got, _ := diskUsage(filepath.Join(dir, version)); got > used+2000 {
		t.Errorf("%d bytes, the budget is %d", got, used+2000)
	}
	if s.Put(key(50), make([]byte, 1<<20)) {
		t.Error("a block larger than the budget was taken")
	}
	if !c.Room(0) || c.Room(1<<30) {
		t.Error("Room does not say what fits")
	}
}

func TestListAndVerify(t *testing.T) {
	dir := t.TempDir()
	if l, err := List(filepath.Join(dir, "missing")); err != nil || len(l) != 0 {
		t.Errorf("a cache that does not exist: %v, %v", l, err)
	}
	write(t, dir, spaceA, 0, 10)
	write(t, dir, spaceA, 10, 12)
	l, err := List(dir)
	if err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	if l[0].Blocks != 12 || l[0].Packs != 2 || l[0].Model != "m.onnx" || time.Since(l[0].Used) > time.Hour {
		t.Errorf("%+v", l[0])
	}
	c, err := Verify(t.Context(), dir)
	if err != nil || c.Blocks != 12 || c.Damaged != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	packs := glob(t, filepath.Join(dir, version), "*/*.pack")
	if err := os.Truncate(packs[0], 3); err != nil {
		t.Fatal(err)
	}
	if c, err = Verify(t.Context(), dir); err != nil || c.Damaged == 0 {
		t.Errorf("after damage: %+v, %v", c, err)
	}
}

func TestFullDiskEndsWriting(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 1<<30)
	s := space(t, c, spaceA)
	s.Put(key(0), []byte("good"))
	s.own.pack.file.Close() // every later write fails
	s.own.pack.file, _ = os.Open(s.own.pack.path)
	if s.Put(key(1), []byte("lost")) || s.Put(key(2), []byte("lost")) {
		t.Error("a block that could not be written is said to be kept")
	}
	if string(mustRead(t, s, key(0))) != "good" || s.Has(key(1)) {
		t.Error("a failed write harmed what was there")
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 1<<30)
	f := c.Files(spaceA)
	path := filepath.Join(t.TempDir(), "a.jpg")
	put := func(text string, age time.Duration) os.FileInfo {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	fresh := put("one", 0)
	f.Learn(path, fresh, key(1))
	if _, ok := f.Digest(path, fresh); ok {
		t.Error("a file that was just written is remembered")
	}
	old := aged{put("one", time.Hour)}
	f.Learn(path, old, key(1))
	if sum, ok := f.Digest(path, old); !ok || sum != key(1) {
		t.Error("a file is not remembered")
	}
	if _, ok := f.Digest(path, aged{put("three", time.Hour)}); ok {
		t.Error("a file of another size is taken for the same")
	}
	if _, ok := f.Digest(path, aged{put("one", time.Minute)}); ok {
		t.Error("a file of another time is taken for the same")
	}
	f.Learn(path, old, key(2)) // it was deceived, and learns
	if sum, ok := f.Digest(path, old); !ok || sum != key(2) {
		t.Error("a better digest is not learnt")
	}
}

// aged hides the time of a file's last change of any kind, which a test cannot set back.
type aged struct{ os.FileInfo }

func (aged) Sys() any { return nil }

func FuzzIndex(f *testing.F) {
	var index []byte
	for i := range 3 {
		e := entry{key(i), int64(10 * i), 10, 7}
		index = e.append(index, &spaceA)
	}
	f.Add(index, int64(30))
	f.Add(index[:70], int64(15))
	f.Fuzz(func(t *testing.T, index []byte, size int64) {
		n := 0
		damaged := parseIndex(index, &spaceA, size, func(e entry) {
			n++
			if e.offset < 0 || e.length < 0 || e.offset+e.length > size {
				t.Errorf("entry %+v lies outside %d bytes", e, size)
			}
		})
		if n+damaged != (len(index)+entrySize-1)/entrySize {
			t.Errorf("%d entries and %d damaged ones in %d bytes", n, damaged, len(index))
		}
	})
}

// FuzzPack gives a space any files: what it returns is what was put, or nothing.
func FuzzPack(f *testing.F) {
	dir := f.TempDir()
	write(f, dir, spaceA, 0, 4)
	pack := packOf(f, dir, spaceA)
	data, _ := os.ReadFile(pack)
	index, _ := os.ReadFile(indexPath(pack))
	f.Add(data, index)
	f.Add(data[:20], index[:100])
	f.Fuzz(func(t *testing.T, data, index []byte) {
		os.WriteFile(pack, data, 0o666)
		os.WriteFile(indexPath(pack), index, 0o666)
		c := open(t, dir, 1<<30)
		defer c.Close()
		sound(t, space(t, c, spaceA), 4)
	})
}

func BenchmarkGet(b *testing.B) {
	const n, size = 1000, 4096
	dir := b.TempDir()
	c := open(b, dir, 1<<30)
	s := space(b, c, spaceA)
	for i := range n {
		s.Put(key(i), make([]byte, size))
	}
	c.Close()
	s = space(b, open(b, dir, 1<<30), spaceA)
	keys := make([]Digest, n)
	for i := range keys {
		keys[i] = key(i)
	}
	dst := make([]byte, size)
	b.SetBytes(size)
	for i := range b.N {
		if !s.Get(keys[i%n], dst) {
			b.Fatal("lost")
		}
	}
}
