package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o777))
	must(t, os.WriteFile(path, []byte(content), 0o666))
	return path
}

func open(t *testing.T) (context.Context, *cluster.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	t.Cleanup(cancel)
	c, err := cluster.Open(ctx, cluster.Options{Store: t.TempDir()})
	must(t, err)
	t.Cleanup(c.Close)
	return ctx, c
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	model, weights, other := filepath.Join(dir, "a", "m.onnx"), filepath.Join(dir, "a", "b", "m.data"), filepath.Join(dir, "c", "x.json")
	tr, err := New(model, weights, model)
	must(t, err)
	if tr.Root() != filepath.Join(dir, "a") || !tr.Has(weights) || tr.Has(other) {
		t.Errorf("%+v", tr)
	}
	name, err := tr.NameIn("model", weights)
	if err != nil || name != "model/b/m.data" || Place("/elsewhere", "model", name) != filepath.FromSlash("/elsewhere/b/m.data") {
		t.Errorf("%s, %v", name, err)
	}
	for _, foreign := range []string{"imagenet", "data/x", "model/../data/x", ""} {
		if got := Place("/elsewhere", "model", foreign); got != foreign {
			t.Errorf("%q became %q", foreign, got)
		}
	}
	must(t, tr.Include(filepath.Dir(other)))
	if tr.Root() != dir || tr.Has(other) {
		t.Errorf("%+v", tr)
	}
	if name, err := tr.Name(weights); err != nil || name != "a/b/m.data" {
		t.Errorf("%s, %v", name, err)
	}
}

// TestSend sends files, the same from two places, and fetches them elsewhere.
func TestSend(t *testing.T) {
	ctx, c := open(t)
	var digests []cluster.Digest
	for range 2 {
		dir := t.TempDir()
		tr, err := New(write(t, filepath.Join(dir, "m.onnx"), "model"), write(t, filepath.Join(dir, "deep", "er", "w"), strings.Repeat("w", 100_000)), write(t, filepath.Join(dir, "empty"), ""))
		must(t, err)
		d, err := tr.Send(ctx, c)
		must(t, err)
		digests = append(digests, d)
	}
	if digests[0] != digests[1] {
		t.Errorf("%v for the same files", digests)
	}
	here := t.TempDir()
	for range 2 {
		root, err := Fetch(ctx, c, digests[0], here)
		must(t, err)
		for name, want := range map[string]int{"m.onnx": 5, "deep/er/w": 100_000, "empty": 0} {
			if b, err := os.ReadFile(filepath.Join(root, name)); err != nil || len(b) != want {
				t.Errorf("%s: %d bytes, %v", name, len(b), err)
			}
		}
		if entries, _ := os.ReadDir(here); len(entries) != 1 {
			t.Errorf("%v", entries)
		}
	}
	taken := c.Traffic().BlobsReceived
	if _, err := Fetch(ctx, c, digests[0], here); err != nil || c.Traffic().BlobsReceived != taken {
		t.Errorf("fetched again, %v", err)
	}
	// What was not fetched for long goes, other trees stay.
	old := write(t, filepath.Join(here, "part-old", "x"), "x")
	then := time.Now().Add(-2 * time.Hour)
	must(t, os.Chtimes(filepath.Dir(old), then, then))
	Prune(here, time.Hour)
	if entries, _ := os.ReadDir(here); len(entries) != 1 || entries[0].Name() != string(digests[0]) {
		t.Errorf("%v are left", entries)
	}
}

// TestFetchRefuses what is no tree, and leaves nothing behind.
func TestFetchRefuses(t *testing.T) {
	ctx, c := open(t)
	archive := func(headers ...tar.Header) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			h.Mode = 0o644
			must(t, w.WriteHeader(&h))
		}
		must(t, w.Close())
		return b.Bytes()
	}
	whole := archive(tar.Header{Name: "a"}, tar.Header{Name: "b"})
	for name, content := range map[string][]byte{
		"above its folder": archive(tar.Header{Name: "a"}, tar.Header{Name: "../b"}),
		"an absolute path": archive(tar.Header{Name: "/b"}),
		"a link":           archive(tar.Header{Name: "b", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"the same twice":   archive(tar.Header{Name: "a"}, tar.Header{Name: "a"}),
		"torn":             whole[:700],
		"no archive":       []byte(strings.Repeat("no archive ", 100)),
	} {
		d, err := c.Put(ctx, bytes.NewReader(content))
		must(t, err)
		here := t.TempDir()
		if root, err := Fetch(ctx, c, d, here); err == nil {
			t.Errorf("%s: it lies at %s", name, root)
		}
		if entries, _ := os.ReadDir(here); len(entries) != 0 {
			t.Errorf("%s: %v are left", name, entries)
		}
	}
	if _, err := Fetch(ctx, c, cluster.DigestOf([]byte("?")), t.TempDir()); !errors.Is(err, cluster.ErrNoBlob) {
		t.Error(err)
	}
	tr, err := New(filepath.Join(t.TempDir(), "gone"))
	must(t, err)
	if _, err := tr.Send(ctx, c); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
