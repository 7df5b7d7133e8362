package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// An upload is a content that a worker hands to its coordinator: what does not fit a result. Blobs go
// the other way. Only the coordinator can read an upload, and a worker can write those of its group
// only. It is cut into parts, each a message with the subject permafrost.upload.GROUP.DIGEST.NUMBER.

// uploadPart is the most that one message of an upload holds; it fits every server with the payload
// that NATS allows by default.
const uploadPart = 512 << 10

const countHeader = "Permafrost-Parts"

func uploadSubject(group string, d Digest, part string) string {
	return uploadWord + "." + group + "." + string(d) + "." + part
}

// Upload hands a content to the coordinator of a group that has been opened. Doing it again, after an
// error too, is safe. The digest, by which the coordinator gets it, travels in a result.
func (c *Cluster) Upload(ctx context.Context, group string, content []byte) (Digest, error) {
	if err := CheckName("group", group); err != nil {
		return "", err
	}
	d := DigestOf(content)
	count := max(1, (len(content)+uploadPart-1)/uploadPart)
	for i := range count {
		m := nats.NewMsg(uploadSubject(group, d, strconv.Itoa(i)))
		m.Data = content[i*uploadPart : min((i+1)*uploadPart, len(content))]
		m.Header.Set(countHeader, strconv.Itoa(count))
		err := c.try(ctx, fmt.Sprintf("uploading part %d of %d", i+1, count), toBegin, func(ctx context.Context) error {
			_, err := c.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
			return err
		})
		if err != nil {
			return "", err
		}
		c.blobsSent.Add(int64(len(m.Data)))
	}
	return d, nil
}

// Uploaded gives the content of an upload of a group. It is an error where there is none (ErrNoBlob),
// where the content does not match the digest, and where it is longer than most bytes.
func (c *Cluster) Uploaded(ctx context.Context, group string, d Digest, most int64) ([]byte, error) {
	if err := errors.Join(CheckName("group", group), d.check()); err != nil {
		return nil, err
	}
	var content []byte
	for i, count := 0, 1; i < count; i++ {
		var m *jetstream.RawStreamMsg
		err := c.try(ctx, fmt.Sprintf("reading part %d of an upload of group %s", i+1, group), toBegin, func(ctx context.Context) (err error) {
			m, err = c.last(ctx, uploadsStream, uploadSubject(group, d, strconv.Itoa(i)))
			return err
		})
		if err != nil {
			return nil, err
		}
		if m == nil {
			return nil, fmt.Errorf("cluster: %s: upload %s of group %s, part %d: %w", c.where(), d, group, i+1, ErrNoBlob)
		}
		if i == 0 {
			count, _ = strconv.Atoi(m.Header.Get(countHeader))
		}
		if content = append(content, m.Data...); int64(len(content)) > most {
			return nil, fmt.Errorf("cluster: %s: upload %s of group %s has more than %d bytes", c.where(), d, group, most)
		}
	}
	if DigestOf(content) != d {
		return nil, fmt.Errorf("cluster: %s: upload %s of group %s: %w", c.where(), d, group, errDamaged)
	}
	c.blobsTaken.Add(int64(len(content)))
	return content, nil
}

// DropUpload takes an upload away; one that is gone is no error. An empty digest means all of the
// group.
func (c *Cluster) DropUpload(ctx context.Context, group string, d Digest) error {
	if err := CheckName("group", group); err != nil {
		return err
	}
	if d == "" {
		d = "*"
	} else if err := d.check(); err != nil {
		return err
	}
	return c.try(ctx, "dropping an upload of group "+group, brief, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, uploadsStream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return stream.Purge(ctx, jetstream.WithPurgeSubject(uploadSubject(group, d, "*")))
	})
}
