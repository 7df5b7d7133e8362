package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestBlobs(t *testing.T) {
	cache := t.TempDir()
	c, _ := open(t, Options{Cache: cache})
	c.part = 1 << 20
	ctx := soon(t)
	for name, content := range map[string][]byte{
		"nothing": {}, "a byte": {7}, "a part": noise(1 << 20), "more": noise(2<<20 + 12345),
	} {
		before := c.Traffic()
		d, err := c.Put(ctx, bytes.NewReader(content))
		if err != nil || d != DigestOf(content) {
			t.Fatalf("%s: %s, %v", name, d, err)
		}
		sent := c.Traffic().BlobsSent
		if n := sent - before.BlobsSent; n < 0 || n > int64(len(content))+1000 {
			t.Errorf("%s: %d bytes were sent for %d", name, n, len(content))
		}
		if _, err := c.Put(ctx, bytes.NewReader(content)); err != nil || c.Traffic().BlobsSent != sent {
			t.Errorf("%s was sent twice (%v)", name, err)
		}
		path, err := c.Fetch(ctx, d)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, content) {
			t.Errorf("%s comes back as %d bytes, %v", name, len(b), err)
		}
		taken := c.Traffic().BlobsReceived
		if _, err := c.Fetch(ctx, d); err != nil || c.Traffic().BlobsReceived != taken {
			t.Errorf("%s was fetched twice (%v)", name, err)
		}
	}
	files, _ := os.ReadDir(cache)
	if len(files) != 4 {
		t.Errorf("%v in the cache", files)
	}
}

func TestDamagedBlobs(t *testing.T) {
	c, _ := open(t, Options{Cache: t.TempDir()})
	ctx := soon(t)
	content := noise(100_000)
	d, err := c.Put(ctx, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := c.js.ObjectStore(ctx, blobsBucket)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(name string, with []byte) {
		t.Helper()
		if _, err := bucket.Put(ctx, jetstream.ObjectMeta{Name: name}, bytes.NewReader(with)); err != nil {
			t.Fatal(err)
		}
	}
	bad := func(what string) {
		t.Helper()
		_, err := c.Fetch(ctx, d)
		if !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), string(d)) {
			t.Errorf("%v, want an error with %q", err, what)
		}
		if files, _ := os.ReadDir(c.opt.Cache); len(files) != 0 {
			t.Errorf("%v in the cache", files)
		}
	}
	flipped := bytes.Clone(content)
	flipped[5000] ^= 4
	replace(partName(d), flipped)
	bad("part 1 of 1 does not match")
	if _, err := c.Put(ctx, bytes.NewReader(content)); err != nil { // mends it
		t.Fatal(err)
	}
	if _, err := c.Fetch(ctx, d); err != nil {
		t.Error(err)
	}
	os.Remove(filepath.Join(c.opt.Cache, string(d)))
	replace(manifestName(d), []byte("{"))
	bad("list of parts")
	other, err := c.Put(ctx, bytes.NewReader(content[1:]))
	if err != nil {
		t.Fatal(err)
	}
	replace(manifestName(d), []byte(`{"size":99999,"parts":["`+string(other)+`"]}`))
	bad("the whole does not match")

	// A file in the cache that was changed is fetched again.
	path, err := c.Fetch(ctx, other)
	if err == nil {
		err = os.WriteFile(path, flipped, 0o600)
	}
	if err == nil {
		_, err = c.Fetch(ctx, other)
	}
	if b, _ := os.ReadFile(path); err != nil || !bytes.Equal(b, content[1:]) {
		t.Errorf("%d bytes, %v", len(b), err)
	}

	if _, err := c.Fetch(ctx, DigestOf([]byte("?"))); !errors.Is(err, ErrNoBlob) {
		t.Error(err)
	}
	if _, err := c.Fetch(ctx, "../../etc"); err == nil || !strings.Contains(err.Error(), "no SHA-256 digest") {
		t.Error(err)
	}
}

// TestFullServer says that the server has no room, at once.
func TestFullServer(t *testing.T) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true, JetStreamMaxStore: 2 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	c, _ := open(t, Options{URL: s.ClientURL()})
	began := time.Now()
	_, err = c.Put(soon(t), bytes.NewReader(noise(5<<20)))
	if err == nil || !strings.Contains(err.Error(), "the server has no room") || time.Since(began) > c.opt.Wait {
		t.Error(err)
	}
}

// fullDisk takes a few bytes.
type fullDisk struct{ left int }

func (f *fullDisk) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(b), nil
}

// TestFullDisk runs out of room on both sides of a blob, and a job fails by it but another worker
// does it.
func TestFullDisk(t *testing.T) {
	c, _ := open(t, Options{})
	q := openQueue(t, c, "a")
	ctx := soon(t)
	c.part = 1 << 20
	content := noise(1<<20 + 1)
	d, err := c.Put(ctx, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(w io.Writer) Handler {
		return func(ctx context.Context, j Job) ([]byte, error) { return nil, c.Copy(ctx, Digest(j.Body), w) }
	}
	if err := q.Submit(ctx, Submission{ID: "1", Body: []byte(d)}); err != nil {
		t.Fatal(err)
	}
	failed := make(chan bool, attempts)
	stop := work(t, c, "full", func(ctx context.Context, j Job) ([]byte, error) {
		defer func() { failed <- true }()
		b, err := fetch(&fullDisk{1000})(ctx, j)
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Error(err)
		}
		if j.Attempt == 2 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return b, err
	})
	<-failed
	stop()
	work(t, c, "roomy", fetch(io.Discard))
	if r, err := q.Next(ctx); err != nil || r.Poisoned != nil {
		t.Errorf("%+v, %v", r, err)
	}
}
