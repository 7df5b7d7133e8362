package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Groups lists the groups that any coordinator has opened and whose names begin with a prefix, in
// order.
func (c *Cluster) Groups(ctx context.Context, prefix string) (all []string, err error) {
	err = c.try(ctx, "listing the groups", c.opt.Wait, func(ctx context.Context) error {
		all = nil
		stream, err := c.js.Stream(ctx, jobsStream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		names := stream.ConsumerNames(ctx)
		for name := range names.Name() {
			if strings.HasPrefix(name, prefix) {
				all = append(all, name)
			}
		}
		return names.Err()
	})
	slices.Sort(all)
	return all, err
}

// Answering asks the workers of groups whether they are there, and gives the groups of which one
// answers within wait. It ends earlier where all have answered, or nobody is there who could.
func (c *Cluster) Answering(ctx context.Context, groups []string, wait time.Duration) ([]string, error) {
	inbox := c.conn.NewInbox()
	answers := make(chan *nats.Msg, 4*len(groups)+16)
	sub, err := c.conn.ChanSubscribe(inbox+".*", answers)
	if err != nil {
		return nil, fmt.Errorf("cluster: %s: asking for workers: %w", c.where(), err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	for i, g := range groups {
		if err := c.conn.PublishRequest(askWord+"."+g, inbox+"."+strconv.Itoa(i), nil); err != nil {
			return nil, fmt.Errorf("cluster: %s: asking for workers: %w", c.where(), err)
		}
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	heard := map[string]bool{}
	var there []string
	for len(heard) < len(groups) {
		select {
		case m := <-answers:
			i, err := strconv.Atoi(strings.TrimPrefix(m.Subject, inbox+"."))
			if err != nil || i < 0 || i >= len(groups) || heard[groups[i]] {
				continue
			}
			heard[groups[i]] = true
			if len(m.Data) > 0 { // else the server says that nobody listens
				there = append(there, groups[i])
			}
		case <-waiting.Done():
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			slices.Sort(there)
			return there, nil
		}
	}
	slices.Sort(there)
	return there, nil
}
