package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/cluster"
)

// groupPrefix stands before the name of a client in that of its group.
const groupPrefix = "fed-"

// GroupOf is the group of a client.
func GroupOf(client string) string { return groupPrefix + client }

// batchOf is the part of a task's id that its queue is named by: the round, or that it is none.
func batchOf(id string) string {
	batch, _, _ := strings.Cut(id, "-")
	return batch
}

// A message begins with a byte that says what follows.
const (
	whole   = 'w' // the content
	stored  = 's' // the digest of the content: of a blob in a task, of an upload in an answer
	dismiss = 'd' // why the client has no more to do; "": the federation is over
)

// most is the largest content that is sent within a message, in bytes. Servers take a megabyte.
const most = 512 << 10

// mostAnswer is the largest answer of a client, in bytes.
const mostAnswer = 1 << 30

var errMessage = errors.New("link: a message that cannot be read: run one version of Permafrost on both sides")

// wrap makes a message of a content, which store stores where it is large.
func wrap(content []byte, store func() (cluster.Digest, error)) ([]byte, error) {
	if len(content) <= most {
		return append([]byte{whole}, content...), nil
	}
	d, err := store()
	return append([]byte{stored}, d...), err
}

// An answer has in front of its message which process it is of, so that two under one name are found.
const processLen = 8

func newProcess() string { return rand.Text()[:processLen] }

// cutProcess divides an answer.
func cutProcess(answer []byte) (process string, message []byte, err error) {
	if len(answer) < processLen {
		return "", nil, errMessage
	}
	return string(answer[:processLen]), answer[processLen:], nil
}

// unwrap gives the content of a message, which load loads where it was stored.
func unwrap(message []byte, load func(d cluster.Digest) ([]byte, error)) ([]byte, error) {
	if len(message) == 0 {
		return nil, errMessage
	}
	switch rest := message[1:]; message[0] {
	case whole:
		return rest, nil
	case stored:
		return load(cluster.Digest(rest))
	}
	return nil, errMessage
}

// blob gives the content of a blob.
func blob(ctx context.Context, c *cluster.Cluster, d cluster.Digest) ([]byte, error) {
	var b bytes.Buffer
	if err := c.Copy(ctx, d, &b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
