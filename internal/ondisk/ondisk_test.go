package ondisk

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"unsafe"
)

func contents(seed uint64, n int) []byte {
	r, b := rand.New(rand.NewPCG(seed, 1)), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// copied writes a file and copies it, but for the first skip bytes.
func copied(t *testing.T, b []byte, skip int) ([]byte, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, ok := Copy(f, int64(skip), int64(len(b)-skip))
	if !ok {
		t.Skip("this system has no suitable disk at TMPDIR or /var/tmp")
	}
	return c, path
}

// TestCopy: a copy stays as it is, whatever becomes of the file and however often its memory is given back.
func TestCopy(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"overwritten": func(path string) error { return os.WriteFile(path, make([]byte, 3<<20), 0o600) },
		"truncated":   func(path string) error { return os.Truncate(path, 0) },
		"removed":     os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			b := contents(1, 2<<20+77)
			c, path := copied(t, b, 5)
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				Release()
				if !bytes.Equal(c, b[5:]) {
					t.Fatal("the copy changed")
				}
			}
		})
	}
}

func TestEqualContentsHaveOneCopy(t *testing.T) {
	b := contents(2, 1<<20)
	first, _ := copied(t, b, 0)
	again, _ := copied(t, b, 0)
	b[len(b)-1]++
	other, _ := copied(t, b, 0)
	if unsafe.SliceData(first) != unsafe.SliceData(again) || unsafe.SliceData(first) == unsafe.SliceData(other) {
		t.Error("equal contents have two copies, or different ones one")
	}
}

func TestKeep(t *testing.T) {
	b := contents(3, 1<<20+1)
	c, ok := Keep(int64(len(b)), func(w io.Writer) error { _, err := w.Write(b); return err })
	if !ok {
		t.Skip("this system has no suitable disk at TMPDIR or /var/tmp")
	}
	Release()
	if !bytes.Equal(c, b) {
		t.Error("other contents are there than were written")
	}
	var w bytes.Buffer
	if err := Write(&w, c[9:]); err != nil || !bytes.Equal(w.Bytes(), b[9:]) {
		t.Errorf("other contents went out: %v", err)
	}
	Drop(c)
	Release()
	if isMapped(c) || len(mapped.others) > 0 {
		t.Error("what was dropped is still known")
	}
	Drop(nil)
}

// TestRefused: the caller takes memory where a file is not worth it, or cannot be had whole.
func TestRefused(t *testing.T) {
	fill := func(n int) func(io.Writer) error {
		return func(w io.Writer) error { _, err := w.Write(make([]byte, n)); return err }
	}
	for name, c := range map[string]struct {
		n     int64
		write func(io.Writer) error
		dir   string
	}{
		"few bytes":           {n: 1<<20 - 1, write: fill(1<<20 - 1)},
		"larger than a disk":  {n: 1 << 60, write: fill(0)},
		"too little written":  {n: 1 << 20, write: fill(1<<20 - 1)},
		"too much written":    {n: 1 << 20, write: fill(1<<20 + 1)},
		"an error of writing": {n: 1 << 20, write: func(io.Writer) error { return errors.New("disk full") }},
		"no folder":           {n: 1 << 20, write: fill(1 << 20), dir: filepath.Join(t.TempDir(), "none")},
		"a folder in memory":  {n: 1 << 20, write: fill(1 << 20), dir: "/dev/shm"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.dir != "" {
				t.Setenv("TMPDIR", c.dir)
			}
			if _, ok := Keep(c.n, c.write); ok {
				t.Error("it was kept")
			}
		})
	}
}
