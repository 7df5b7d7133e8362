package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// partSize is the most that one object of the store holds.
const partSize = 32 << 20

// chunkSize is the most that one message of an object holds; the default of NATS fits every server.
const chunkSize = 128 << 10

// manifest lists the parts of a blob.
type manifest struct {
	Size  int64    `json:"size"`
	Parts []Digest `json:"parts"`
}

func partName(d Digest) string     { return "part-" + string(d) }
func manifestName(d Digest) string { return "blob-" + string(d) }

// ErrNoBlob says that the cluster does not hold a blob.
var ErrNoBlob = errors.New("the cluster does not hold it")

// Put stores a content and gives its digest, by which others fetch it. Parts that the cluster holds
// already are checked there and not sent again. A Put that is cut off leaves nothing that Fetch
// could see. One Put or Drop of c is at work at a time, the others wait.
func (c *Cluster) Put(ctx context.Context, content io.Reader) (Digest, error) {
	done, err := c.changeBlobs(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	bucket, err := c.makeBucket(ctx)
	if err != nil {
		return "", err
	}
	whole := newSum()
	var m manifest
	buf := make([]byte, 0, 1<<20)
	for {
		buf, err = readPart(content, buf[:0], c.part)
		if err != nil {
			return "", fmt.Errorf("cluster: reading a blob: %w", err)
		}
		if len(buf) == 0 {
			break
		}
		whole.Write(buf)
		d := DigestOf(buf)
		if err := c.putObject(ctx, bucket, partName(d), buf); err != nil {
			return "", err
		}
		m.Size += int64(len(buf))
		m.Parts = append(m.Parts, d)
		if int64(len(buf)) < c.part {
			break
		}
	}
	d := whole.digest()
	b, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	return d, c.putObject(ctx, bucket, manifestName(d), b)
}

// changeBlobs waits until nobody else in this process changes the blobs: a Drop could take a part away
// that a Put counts on, and of two Puts of one part the server keeps the second, while the first reads
// it back.
func (c *Cluster) changeBlobs(ctx context.Context) (done func(), err error) {
	select {
	case c.blobs <- struct{}{}:
		return func() { <-c.blobs }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readPart reads up to a part into buf.
func readPart(r io.Reader, buf []byte, size int64) ([]byte, error) {
	b := bytes.NewBuffer(buf)
	_, err := io.CopyN(b, r, size)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b.Bytes(), err
}

func (c *Cluster) makeBucket(ctx context.Context) (bucket jetstream.ObjectStore, err error) {
	err = c.try(ctx, "making the object store", brief, func(ctx context.Context) error {
		bucket, err = c.js.ObjectStore(ctx, blobsBucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			bucket, err = c.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: blobsBucket, Replicas: max(c.opt.Replicas, 1)})
		}
		return err
	})
	return bucket, err
}

// putObject stores an object, unless it is there and whole.
func (c *Cluster) putObject(ctx context.Context, bucket jetstream.ObjectStore, name string, content []byte) error {
	return c.try(ctx, "storing "+name, c.opt.Wait, func(ctx context.Context) error {
		if c.holds(ctx, bucket, name, content) {
			return nil
		}
		meta := jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunkSize}}
		_, err := bucket.Put(ctx, meta, bytes.NewReader(content))
		if err == nil {
			c.blobsSent.Add(int64(len(content)))
		}
		return err
	})
}

// holds reads an object back, once for each content: a store whose disk has failed may say that it
// holds what it cannot give.
func (c *Cluster) holds(ctx context.Context, bucket jetstream.ObjectStore, name string, content []byte) bool {
	if _, err := bucket.GetInfo(ctx, name); err != nil {
		return false
	}
	if _, checked := c.checked.Load(name); checked {
		return true
	}
	have, err := readObject(ctx, bucket, name)
	if err != nil || !bytes.Equal(have, content) {
		return false
	}
	c.checked.Store(name, true)
	return true
}

// A server that sends less than slowest, in bytes a second, after a time to begin is asked again.
const (
	toBegin = 4 * brief
	slowest = 256 << 10
)

// readObject reads an object. It gives up after a time that its size allows: of an object that is
// deleted or replaced meanwhile the end never comes.
func readObject(ctx context.Context, bucket jetstream.ObjectStore, name string) ([]byte, error) {
	info, err := bucket.GetInfo(ctx, name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, toBegin+time.Second*time.Duration(info.Size/slowest))
	defer cancel()
	content, err := bucket.GetBytes(ctx, name)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, nats.ErrTimeout // so that it is asked for again
	}
	return content, err
}

// Copy writes the content of a blob to w. Every part is checked before it is written, and the whole
// at the end: on an error, what w got must not be used.
func (c *Cluster) Copy(ctx context.Context, d Digest, w io.Writer) error {
	if err := d.check(); err != nil {
		return err
	}
	b, err := c.getObject(ctx, d, manifestName(d))
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return c.damagedBlob(d, "its list of parts cannot be read")
	}
	whole := newSum()
	size := int64(0)
	for i, p := range m.Parts {
		if p.check() != nil {
			return c.damagedBlob(d, "its list of parts holds no digests")
		}
		part, err := c.getObject(ctx, d, partName(p))
		if err != nil {
			return err
		}
		if DigestOf(part) != p {
			return c.damagedBlob(d, fmt.Sprintf("part %d of %d does not match its digest", i+1, len(m.Parts)))
		}
		whole.Write(part)
		size += int64(len(part))
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("cluster: blob %s: %w", d, err)
		}
	}
	if whole.digest() != d || size != m.Size {
		return c.damagedBlob(d, "the whole does not match its digest")
	}
	return nil
}

func (c *Cluster) damagedBlob(d Digest, what string) error {
	return fmt.Errorf("cluster: %s: blob %s: %s: %w: put it again", c.where(), d, what, errDamaged)
}

// getObject reads an object of a blob.
func (c *Cluster) getObject(ctx context.Context, d Digest, name string) (content []byte, err error) {
	err = c.try(ctx, "fetching "+name, c.opt.Wait, func(ctx context.Context) error {
		bucket, err := c.js.ObjectStore(ctx, blobsBucket)
		if err == nil {
			content, err = readObject(ctx, bucket, name)
		}
		switch {
		case errors.Is(err, jetstream.ErrObjectNotFound), errors.Is(err, jetstream.ErrBucketNotFound):
			return fmt.Errorf("blob %s: %w", d, ErrNoBlob)
		case errors.Is(err, jetstream.ErrDigestMismatch):
			return c.damagedBlob(d, strings.TrimSuffix(name, string(d))+" does not match its digest")
		case err == nil:
			c.blobsTaken.Add(int64(len(content)))
		}
		return err
	})
	return content, err
}
