package link

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/fed"
)

const (
	// every is how often clients are asked whether they are there, and answering how long one may
	// take. A client is there that was heard within fresh.
	every     = time.Second
	answering = 2 * time.Second
	fresh     = 5 * time.Second
	// settling is how long a server that has just come waits for the connections of its clients.
	settling = 2 * time.Second
	// away is how long a client may be silent before nobody waits for its answer any more.
	away = time.Minute
)

// crowd is what is known of the clients. It may be used from several goroutines.
type crowd struct {
	mu    sync.Mutex
	since time.Time
	heard map[string]time.Time            // by client
	open  map[string]map[string]time.Time // tasks without an answer, and when they were asked for
	procs map[string][]string             // processes that answered, by client, the last one at the end
}

func newCrowd(groups []string) *crowd {
	c := &crowd{since: time.Now(), heard: map[string]time.Time{}, open: map[string]map[string]time.Time{}, procs: map[string][]string{}}
	for _, g := range groups {
		c.heard[strings.TrimPrefix(g, groupPrefix)] = time.Time{}
	}
	return c
}

func (c *crowd) hears(client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard[client] = time.Now()
}

func (c *crowd) leaves(client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard[client] = time.Now().Add(-fresh) // it may be back before it is away for long
}

// there lists the clients that are there, in order.
func (c *crowd) there() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for name, at := range c.heard {
		if time.Since(at) < fresh {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// groups lists the groups of all clients that are known.
func (c *crowd) groups() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for name := range c.heard {
		out = append(out, GroupOf(name))
	}
	slices.Sort(out)
	return out
}

func (c *crowd) asked(client, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[client] == nil {
		c.open[client] = map[string]time.Time{}
	}
	c.open[client][id] = time.Now()
}

func (c *crowd) answered(client, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard[client] = time.Now()
	delete(c.open[client], id)
}

// twice notes which process of a client answers, and reports whether one answers again after another
// had: a client that starts again has a new process, and the old one is gone.
func (c *crowd) twice(client, process string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.procs[client]
	before := slices.Index(all, process)
	if before >= 0 {
		all = slices.Delete(all, before, before+1)
	}
	c.procs[client] = append(all, process)
	return before >= 0 && before < len(all)
}

// processes is how many processes may be there under the name of a client, at least 1.
func (c *crowd) processes(client string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(1, len(c.procs[client]))
}

func (c *crowd) forget(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tasks := range c.open {
		for id := range tasks {
			if strings.HasPrefix(id, prefix) {
				delete(tasks, id)
			}
		}
	}
}

// lost takes out the tasks of clients that have been away for long.
func (c *crowd) lost() (out []fed.Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for client, tasks := range c.open {
		for id, asked := range tasks {
			if time.Since(asked) > away && time.Since(c.heard[client]) > away {
				out = append(out, fed.Reply{Client: client, ID: id, Lost: fmt.Sprintf("it has been away for %v", away)})
				delete(tasks, id)
			}
		}
	}
	return out
}

// Present lists the clients that are there. Shortly after Open it waits for those that were there
// before.
func (c *Carrier) Present(ctx context.Context) ([]string, error) {
	select {
	case <-time.After(settling - time.Since(c.crowd.since)):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return c.crowd.there(), nil
}

// heard takes what a client says.
func (c *Carrier) heard(group string, e cluster.Event) {
	client := strings.TrimPrefix(group, groupPrefix)
	if cluster.CheckName("client", client) != nil {
		return
	}
	switch e.Kind {
	case cluster.Left:
		c.crowd.leaves(client)
		c.tell(fmt.Sprintf("client %s has left", client))
	case cluster.Refused:
		c.crowd.leaves(client)
		c.tell(fmt.Sprintf("client %s: %s", client, e.Text))
	case cluster.Lost:
		c.crowd.hears(client)
		c.tell(fmt.Sprintf("client %s was away, and does task %s again", client, e.Job))
	case cluster.Failed:
		c.crowd.hears(client)
		c.tell(fmt.Sprintf("client %s: %s", client, e.Text))
	default:
		c.crowd.hears(client)
	}
}

// census asks again and again who is there.
func (c *Carrier) census() {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if there, err := c.c.Answering(c.ctx, c.crowd.groups(), answering); err == nil {
			for _, g := range there {
				c.crowd.hears(strings.TrimPrefix(g, groupPrefix))
			}
		}
		for _, r := range c.crowd.lost() {
			if !c.hand(c.ctx, r) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			return
		}
	}
}
