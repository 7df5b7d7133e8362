package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Every message of a stream has a subject of its own, and every subject one message. A message that
// says what it expects on its subject is therefore a compare-and-swap. That is how a job is submitted
// once, how attempts are numbered, and how the first result wins.

// streamConfigs describes the streams. Results are on the disk before they are acknowledged, where
// the server is so configured; ours is, unless Options.Flush says otherwise. A claim may be lost with
// the power, which costs a number.
func streamConfigs(replicas int) []jetstream.StreamConfig {
	var all []jetstream.StreamConfig
	for _, s := range []struct{ name, word string }{{jobsStream, jobWord}, {claimsStream, claimWord}, {resultsStream, resultWord}, {uploadsStream, uploadWord}} {
		cfg := jetstream.StreamConfig{
			Name:              s.name,
			Subjects:          []string{s.word + ".>"},
			MaxMsgsPerSubject: 1,
			Replicas:          replicas,
			AllowDirect:       true,
			Metadata:          map[string]string{"permafrost-protocol": protocol},
		}
		if s.name == claimsStream && replicas == 1 {
			cfg.PersistMode = jetstream.AsyncPersistMode
		}
		all = append(all, cfg)
	}
	return all
}

// makeStreams makes the streams that are not there.
func (c *Cluster) makeStreams(ctx context.Context) error {
	for _, cfg := range streamConfigs(max(c.opt.Replicas, 1)) {
		if err := c.makeStream(ctx, cfg); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) makeStream(ctx context.Context, cfg jetstream.StreamConfig) error {
	return c.try(ctx, "making stream "+cfg.Name, brief, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, cfg.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			_, err = c.js.CreateStream(ctx, cfg)
			return err
		}
		if err != nil {
			return err
		}
		have := s.CachedInfo().Config
		if p := have.Metadata["permafrost-protocol"]; p != protocol {
			return fmt.Errorf("it speaks protocol %q, this program %q: use one version of Permafrost everywhere, or delete the stream", p, protocol)
		}
		if c.opt.Replicas == 0 || c.opt.Replicas == have.Replicas {
			return nil
		}
		have.Replicas = c.opt.Replicas
		_, err = c.js.UpdateStream(ctx, have)
		return err
	})
}

// makeGroup makes the consumer from which all workers of a group take jobs. A group has one version,
// that of its coordinators.
func (c *Cluster) makeGroup(ctx context.Context, group string) error {
	cfg := jetstream.ConsumerConfig{
		Durable:       group,
		FilterSubject: jobWord + "." + group + ".>",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       c.opt.Lapse,
		MaxDeliver:    -1, // attempts are counted by who makes them
		MaxAckPending: -1,
		MaxWaiting:    math.MaxInt16, // one waiting request for each idle worker
		Metadata:      c.groupMetadata(group),
	}
	return c.try(ctx, "making group "+group, brief, func(ctx context.Context) error {
		have, err := c.js.Consumer(ctx, jobsStream, group)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			_, err = c.js.CreateConsumer(ctx, jobsStream, cfg)
			return err
		}
		if err != nil {
			return err
		}
		info := have.CachedInfo()
		if info.Config.AckWait == cfg.AckWait && maps.Equal(ours(info.Config.Metadata), cfg.Metadata) {
			return nil
		}
		if old := info.Config.Metadata["permafrost-version"]; old != c.opt.Version && info.NumPending+uint64(info.NumAckPending) > 0 {
			return fmt.Errorf("version %q of Permafrost has jobs there, this is %q: end them with that version, or delete their queues", old, c.opt.Version)
		}
		_, err = c.js.UpdateConsumer(ctx, jobsStream, cfg)
		return err
	})
}

func (c *Cluster) groupMetadata(group string) map[string]string {
	m := map[string]string{"permafrost-protocol": protocol, "permafrost-version": c.opt.Version}
	if c.key(group) != nil {
		m["permafrost-sealed"] = "yes"
	}
	return m
}

// ours leaves out what the server adds.
func ours(metadata map[string]string) map[string]string {
	m := maps.Clone(metadata)
	maps.DeleteFunc(m, func(k, _ string) bool { return !strings.HasPrefix(k, "permafrost-") })
	return m
}

// stream gives a stream, which is asked for once.
func (c *Cluster) stream(ctx context.Context, name string) (jetstream.Stream, error) {
	if s, ok := c.streams.Load(name); ok {
		return s.(jetstream.Stream), nil
	}
	s, err := c.js.Stream(ctx, name)
	if err == nil {
		c.streams.Store(name, s)
	}
	return s, err
}
