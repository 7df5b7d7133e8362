package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
)

// forgetIndexes takes away what the server remembers of the messages of a store, before it starts:
// it then reads all of them, checks their checksums, and cuts off what follows a damaged one. With its
// index it believes a message until somebody asks for it, and one flipped bit can keep it busy for
// ever.
func forgetIndexes(store string) error {
	indexes, err := filepath.Glob(filepath.Join(store, "jetstream", "*", "streams", "*", "msgs", "index.db"))
	for _, file := range indexes {
		err = errors.Join(err, os.Remove(file))
	}
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

// unreadable lists the folders of streams and groups that the server does not recognise.
func (c *Cluster) unreadable(ctx context.Context) (dirs []string, err error) {
	streams, err := filepath.Glob(filepath.Join(c.opt.Store, "jetstream", "*", "streams", "*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range streams {
		name := filepath.Base(dir)
		_, err := c.js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) || offline(err) {
			dirs = append(dirs, dir)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cluster: %s: looking at stream %s: %w", c.where(), name, err)
		}
		groups, err := filepath.Glob(filepath.Join(dir, "obs", "*"))
		if err != nil {
			return nil, err
		}
		for _, group := range groups {
			if _, err := c.js.Consumer(ctx, name, filepath.Base(group)); err != nil {
				dirs = append(dirs, group)
			}
		}
	}
	return dirs, nil
}

// offline reports whether the server knows a stream but does not serve it.
func offline(err error) bool {
	const streamOffline, streamOfflineReason = 10118, 10194
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == streamOffline || api.ErrorCode == streamOfflineReason)
}

// remove takes the folder of a stream or of a group away.
func remove(dir string) error {
	switch filepath.Base(dir) {
	case jobsStream, claimsStream, resultsStream, uploadsStream, blobsStream:
	default:
		if filepath.Base(filepath.Dir(dir)) != "obs" {
			return fmt.Errorf("cluster: %s is no stream of Permafrost, and the server cannot read it: give a folder of its own", dir)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}
