package cluster

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Drop takes a blob away; one that is gone is no error. Parts that other blobs have as well stay. It
// is for a coordinator, since workers may only read blobs. Another process must not put a blob at the
// same time that shares a part with this one. Who is reading the blob gets ErrNoBlob, after a while. An
// embedded server gives the room back to the disk within seconds, others within minutes.
func (c *Cluster) Drop(ctx context.Context, d Digest) error {
	if err := d.check(); err != nil {
		return err
	}
	done, err := c.changeBlobs(ctx)
	if err != nil {
		return err
	}
	defer done()
	parts, err := c.partsOf(ctx, d)
	if errors.Is(err, ErrNoBlob) {
		return nil
	}
	if err != nil {
		return err
	}
	others, err := c.blobNames(ctx)
	if err != nil {
		return err
	}
	shared := map[Digest]bool{}
	for _, other := range others {
		if other == d {
			continue
		}
		parts, err := c.partsOf(ctx, other)
		if err != nil && !errors.Is(err, ErrNoBlob) {
			return err
		}
		for _, p := range parts {
			shared[p] = true
		}
	}
	// The list of parts goes last, so that a Drop that was cut off can be done again.
	for _, p := range parts {
		if shared[p] {
			continue
		}
		if err := c.dropObject(ctx, partName(p)); err != nil {
			return err
		}
	}
	c.manifests.Delete(d)
	return c.dropObject(ctx, manifestName(d))
}

// partsOf gives the parts of a blob, which it reads once. Those of a damaged list are unknown: none.
func (c *Cluster) partsOf(ctx context.Context, d Digest) ([]Digest, error) {
	if parts, known := c.manifests.Load(d); known {
		return parts.([]Digest), nil
	}
	b, err := c.getObject(ctx, d, manifestName(d))
	if err != nil && !errors.Is(err, errDamaged) {
		return nil, err
	}
	var m manifest
	if err == nil && json.Unmarshal(b, &m) == nil {
		c.manifests.Store(d, m.Parts)
	}
	return m.Parts, nil
}

// metaSubjects is where the object store says what objects it holds: each has a subject of its own,
// which ends with its name in base64.
const metaSubjects = "$O." + blobsBucket + ".M."

// blobNames lists the blobs that the cluster holds.
func (c *Cluster) blobNames(ctx context.Context) (all []Digest, err error) {
	err = c.try(ctx, "listing the blobs", c.opt.Wait, func(ctx context.Context) error {
		all = nil
		stream, err := c.js.Stream(ctx, blobsStream)
		if err != nil {
			return err
		}
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(metaSubjects+">"))
		if err != nil {
			return err
		}
		for subject := range info.State.Subjects {
			name, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(subject, metaSubjects))
			if err != nil {
				return fmt.Errorf("bucket %s holds an object %q", blobsBucket, subject)
			}
			if d, ok := strings.CutPrefix(string(name), manifestName("")); ok {
				all = append(all, Digest(d))
			}
		}
		return nil
	})
	return all, err
}

// dropObject deletes an object, and the mark that the object store leaves of each that was deleted.
func (c *Cluster) dropObject(ctx context.Context, name string) error {
	c.checked.Delete(name)
	return c.try(ctx, "deleting "+name, c.opt.Wait, func(ctx context.Context) error {
		bucket, err := c.js.ObjectStore(ctx, blobsBucket)
		if err != nil {
			return err
		}
		if err := bucket.Delete(ctx, name); errors.Is(err, jetstream.ErrObjectNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		stream, err := c.js.Stream(ctx, blobsStream)
		if err != nil {
			return err
		}
		return stream.Purge(ctx, jetstream.WithPurgeSubject(metaSubjects+base64.URLEncoding.EncodeToString([]byte(name))))
	})
}
