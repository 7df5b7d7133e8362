package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// known remembers digests by path, and counts what it is told.
type known struct {
	sums    map[string][32]byte
	learned int
}

func (k *known) Digest(path string, info fs.FileInfo) (sum [32]byte, ok bool) {
	sum, ok = k.sums[path]
	return sum, ok
}

func (k *known) Learn(path string, info fs.FileInfo, sum [32]byte) {
	k.learned++
	k.sums[path] = sum
}

func TestKnownDigest(t *testing.T) {
	dir := t.TempDir()
	b := net(t)
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	own := sha256.Sum256(b)
	digest := func(path string, k *known) string {
		t.Helper()
		m, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		m.KnowDigest(k)
		return m.Digest()
	}
	k := &known{sums: map[string][32]byte{}}
	if got := digest(path, k); got != hex.EncodeToString(own[:]) || k.learned != 1 || k.sums[path] != own {
		t.Errorf("read: %s, learned %d times", got, k.learned)
	}
	other := sha256.Sum256([]byte("other")) // shows where a digest comes from
	k.sums[path] = other
	if got := digest(path, k); got != hex.EncodeToString(other[:]) || k.learned != 1 {
		t.Errorf("known: %s, learned %d times", got, k.learned)
	}

	m := open(t, b) // of no file
	m.KnowDigest(k)
	if got := m.Digest(); got != hex.EncodeToString(own[:]) || k.learned != 1 {
		t.Errorf("parsed: %s, learned %d times", got, k.learned)
	}

	// The file alone does not tell contents beside it.
	if err := os.WriteFile(filepath.Join(dir, "w"), cat(fixed32(1), fixed32(2)), 0o644); err != nil {
		t.Fatal(err)
	}
	split := filepath.Join(dir, "split.onnx")
	if err := os.WriteFile(split, extModel("w"), 0o644); err != nil {
		t.Fatal(err)
	}
	k.sums[split] = other
	if got := digest(split, k); got == hex.EncodeToString(other[:]) || k.learned != 1 {
		t.Errorf("external data: %s, learned %d times", got, k.learned)
	}
}
