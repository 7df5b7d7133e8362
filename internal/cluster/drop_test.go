package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// subjects counts the subjects of the object store.
func subjects(t *testing.T, c *Cluster) int {
	t.Helper()
	s, err := c.js.Stream(soon(t), blobsStream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(soon(t), jetstream.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	return len(info.State.Subjects)
}

func put(t *testing.T, c *Cluster, content []byte) Digest {
	t.Helper()
	d, err := c.Put(soon(t), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDrop drops blobs that share parts, in each order, from a process that has put them and from
// one that has not.
func TestDrop(t *testing.T) {
	a, b := noise(2<<20+100), noise(1<<20)
	for _, name := range []string{"same process", "other process"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c, _ := open(t, Options{Store: dir})
			c.part = 1 << 20
			whole, half := put(t, c, a), put(t, c, b) // b is the first part of a
			if name != "same process" {
				c.Close()
				c, _ = open(t, Options{Store: dir})
				c.part = 1 << 20
			}
			reads := func(d Digest, want []byte) {
				t.Helper()
				var got bytes.Buffer
				err := c.Copy(soon(t), d, &got)
				if want == nil && !errors.Is(err, ErrNoBlob) {
					t.Errorf("a blob that was dropped: %d bytes, %v", got.Len(), err)
				}
				if want != nil && (err != nil || !bytes.Equal(got.Bytes(), want)) {
					t.Errorf("%d bytes, %v", got.Len(), err)
				}
			}
			drop := func(d Digest) {
				t.Helper()
				if err := c.Drop(soon(t), d); err != nil {
					t.Fatal(err)
				}
			}
			drop(whole)
			reads(whole, nil)
			reads(half, b)
			if put(t, c, a) != whole {
				t.Error("another digest")
			}
			drop(half)
			drop(half)
			reads(half, nil)
			reads(whole, a)
			drop(whole)
			if n := subjects(t, c); n != 0 {
				t.Errorf("%d subjects are left", n)
			}
			reads(put(t, c, b), b)
		})
	}
	c, _ := open(t, Options{})
	if err := c.Drop(soon(t), DigestOf(a)); err != nil {
		t.Errorf("there is nothing at all: %v", err)
	}
	if err := c.Drop(soon(t), "x"); err == nil {
		t.Error("no digest")
	}
}

// TestDropAgain finishes what was cut off, and drops a blob whose list of parts is damaged.
func TestDropAgain(t *testing.T) {
	c, _ := open(t, Options{})
	ctx := soon(t)
	d := put(t, c, noise(1000))
	if err := c.dropObject(ctx, partName(d)); err != nil { // and no further
		t.Fatal(err)
	}
	if err := c.Drop(ctx, d); err != nil || subjects(t, c) != 0 {
		t.Errorf("%d subjects are left, %v", subjects(t, c), err)
	}
	d = put(t, c, noise(1000))
	bucket, err := c.js.ObjectStore(ctx, blobsBucket)
	if err == nil {
		_, err = bucket.PutString(ctx, manifestName(d), "{")
	}
	if err == nil {
		err = c.Drop(ctx, d)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Copy(ctx, d, io.Discard); !errors.Is(err, ErrNoBlob) {
		t.Error(err)
	}
}

// TestDropMeanwhile puts and drops blobs with a common part from many goroutines.
func TestDropMeanwhile(t *testing.T) {
	c, _ := open(t, Options{})
	c.part = 100
	common := noise(100)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for k := range 10 {
				own := append(bytes.Clone(common), byte(i), byte(k))
				d, err := c.Put(context.Background(), bytes.NewReader(own))
				if err == nil {
					err = c.Copy(context.Background(), d, io.Discard)
				}
				if err == nil {
					err = c.Drop(context.Background(), d)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if n := subjects(t, c); n != 0 {
		t.Errorf("%d subjects are left", n)
	}
}

// TestDropFreesDisk: the store holds what is not dropped, however much was put.
func TestDropFreesDisk(t *testing.T) {
	dir := t.TempDir()
	c, _ := open(t, Options{Store: dir, Flush: time.Second})
	kept := put(t, c, noise(1<<20))
	content := noise(3 << 20)
	for i := range 40 {
		content[0] = byte(i)
		if err := c.Drop(soon(t), put(t, c, content)); err != nil {
			t.Fatal(err)
		}
	}
	size := func() (n int64) {
		_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
			if err != nil {
				return nil // files come and go
			}
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				n += info.Size()
			}
			return nil
		})
		return n
	}
	for end := time.Now().Add(40 * time.Second); size() > 10<<20; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%.1f MB are left of 120", float64(size())/(1<<20))
		}
	}
	if err := c.Copy(soon(t), kept, io.Discard); err != nil {
		t.Error(err)
	}
}
