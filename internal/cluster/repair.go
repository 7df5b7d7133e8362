package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
)

// repair reads all messages of a store that was opened again. Streams that cannot be read in full
// are deleted: what they held is submitted again by who needs it. Folders of streams that the server
// did not even recognise are given back.
func (c *Cluster) repair(ctx context.Context) (unreadable []string, err error) {
	folders, err := filepath.Glob(filepath.Join(c.opt.Store, "jetstream", "*", "streams", "*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range folders {
		name := filepath.Base(dir)
		damage, err := c.damage(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			unreadable = append(unreadable, dir)
			continue
		case err != nil:
			return nil, fmt.Errorf("cluster: %s: reading stream %s: %w", c.where(), name, err)
		case damage == nil:
			continue
		}
		drop := []string{name}
		if name == resultsStream {
			// A job that was done would not be given out again without its result.
			drop = append(drop, jobsStream)
		}
		for _, name := range drop {
			if err := c.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
				return nil, fmt.Errorf("cluster: %s: deleting the damaged stream %s: %w", c.where(), name, err)
			}
			c.teller.say(Event{Kind: Rebuilt, Text: fmt.Sprintf("stream %s in %s is damaged (%v): it starts empty", name, c.opt.Store, damage)})
		}
	}
	return unreadable, nil
}

// damage says what is wrong with a stream. Blobs are not read here: whoever needs one checks it.
func (c *Cluster) damage(ctx context.Context, name string) (damage, err error) {
	s, err := c.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	if name != jobsStream && name != claimsStream && name != resultsStream {
		return nil, nil
	}
	state := s.CachedInfo().State
	found := uint64(0)
	for seq := state.FirstSeq; found < state.Msgs; found++ {
		m, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("%d of %d messages are gone", state.Msgs-found, state.Msgs), nil
		}
		if err != nil {
			return fmt.Errorf("message %d: %w", seq, err), nil
		}
		if m.Sequence < seq {
			return fmt.Errorf("message %d stands where %d should", m.Sequence, seq), nil
		}
		if err := checkDigest(m.Header.Get(digestHeader), m.Data); err != nil {
			return fmt.Errorf("message %d: %w", m.Sequence, err), nil
		}
		seq = m.Sequence + 1
	}
	return nil, nil
}

// removeStream takes the folder of a stream away. Only streams that this package makes are.
func removeStream(dir string) error {
	switch filepath.Base(dir) {
	case jobsStream, claimsStream, resultsStream, "OBJ_" + blobsBucket:
	default:
		return fmt.Errorf("cluster: %s is no stream of Permafrost, and the server cannot read it: give a folder of its own", dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}
