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
// are deleted: what they held is submitted again by who needs it. Folders that the server did not
// even recognise are given back.
func (c *Cluster) repair(ctx context.Context) (unreadable []string, err error) {
	folders, err := filepath.Glob(filepath.Join(c.opt.Store, "jetstream", "*", "streams", "*"))
	if err != nil {
		return nil, err
	}
	drop := map[string]error{}
	for _, dir := range folders {
		name := filepath.Base(dir)
		damage, err := c.damage(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound), offline(err):
			unreadable = append(unreadable, dir)
			damage = errors.New("the server cannot read it")
		case err != nil:
			return nil, fmt.Errorf("cluster: %s: reading stream %s: %w", c.where(), name, err)
		case damage != nil:
			drop[name] = damage
		}
		if damage != nil && name == resultsStream {
			// Jobs that were done would not be given out again without their results.
			for _, other := range []string{jobsStream, claimsStream} {
				if drop[other] == nil {
					drop[other] = errors.New("the results are")
				}
			}
		}
	}
	for name, damage := range drop {
		err := c.js.DeleteStream(ctx, name)
		if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) && !offline(err) {
			return nil, fmt.Errorf("cluster: %s: deleting the damaged stream %s: %w", c.where(), name, err)
		}
		c.teller.say(Event{Kind: Rebuilt, Text: fmt.Sprintf("stream %s in %s is damaged (%v): it starts empty", name, c.opt.Store, damage)})
	}
	groups, err := filepath.Glob(filepath.Join(c.opt.Store, "jetstream", "*", "streams", jobsStream, "obs", "*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range groups {
		if _, err := c.js.Consumer(ctx, jobsStream, filepath.Base(dir)); err != nil {
			unreadable = append(unreadable, dir)
		}
	}
	return unreadable, nil
}

// offline reports whether the server knows a stream but does not serve it.
func offline(err error) bool {
	const streamOffline, streamOfflineReason = 10118, 10194
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == streamOffline || api.ErrorCode == streamOfflineReason)
}

// damage says what is wrong with a stream.
func (c *Cluster) damage(ctx context.Context, name string) (damage, err error) {
	s, err := c.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	state := s.CachedInfo().State
	found := uint64(0)
	for seq := state.FirstSeq; found < state.Msgs; found++ {
		m, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("%d of %d messages are gone", state.Msgs-found, state.Msgs), nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("message %d: %w", seq, err), nil
		}
		if m.Sequence < seq {
			return fmt.Errorf("message %d stands where %d should", m.Sequence, seq), nil
		}
		if d := m.Header.Get(digestHeader); d != "" && checkDigest(d, m.Data) != nil {
			return fmt.Errorf("message %d: %w", m.Sequence, errDamaged), nil
		}
		seq = m.Sequence + 1
	}
	return nil, nil
}

// remove takes the folder of a stream or of a group away.
func remove(dir string) error {
	switch filepath.Base(dir) {
	case jobsStream, claimsStream, resultsStream, "OBJ_" + blobsBucket:
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
