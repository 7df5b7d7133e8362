package cluster

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// Watch tells a coordinator what the workers of all groups say whose names begin with a prefix, the
// group and the event, from one goroutine at a time. Workers of a group that nobody has opened say
// every second that they wait, so a coordinator finds those that it does not know. What they say is
// not proven: with Options.Users a worker can say it for its own group only, else for any. Stop ends
// the watch; a call of tell that has begun may end after it. A lost connection is taken up again.
func (c *Cluster) Watch(prefix string, tell func(group string, e Event)) (stop func(), err error) {
	if prefix != "" {
		if err := CheckName("group", prefix); err != nil {
			return nil, err
		}
	}
	sub, err := c.conn.Subscribe(sayWord+".*", func(m *nats.Msg) {
		group := strings.TrimPrefix(m.Subject, sayWord+".")
		var e Event
		if strings.HasPrefix(group, prefix) && json.Unmarshal(m.Data, &e) == nil {
			tell(group, e)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cluster: %s: listening to workers: %w", c.where(), err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}
