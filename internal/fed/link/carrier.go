package link

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// Options are those of the server's side.
type Options struct {
	Cluster cluster.Options // without Version and Event
	ID      string          // of the federation: letters, digits, - and _
	Tell    func(string)    // is given lines for a person, from any goroutine; nil: none
}

// Carrier is a fed.Carrier over a cluster. It may be used from many goroutines, up to Close.
type Carrier struct {
	c       *cluster.Cluster
	id      string
	tell    func(string)
	replies chan fed.Reply
	failed  chan error
	crowd   *crowd
	unwatch func()

	ctx    context.Context // of all that reads
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu     sync.Mutex
	queues map[place]*queue
	put    map[string]bool // blobs that were put and not dropped
}

// place is the queue of a client for a batch of tasks.
type place struct{ client, batch string }

type queue struct {
	*cluster.Queue
	stop context.CancelFunc
	read chan struct{} // closed when nobody reads any more
}

var _ fed.Carrier = (*Carrier)(nil)

// Open connects to the cluster, or starts a server of its own.
func Open(ctx context.Context, o Options) (*Carrier, error) {
	c := &Carrier{id: o.ID, tell: o.Tell, replies: make(chan fed.Reply, 64), failed: make(chan error, 1), queues: map[place]*queue{}, put: map[string]bool{}}
	if c.tell == nil {
		c.tell = func(string) {}
	}
	o.Cluster.Version = cmp.Or(o.Cluster.Version, version.Version)
	o.Cluster.Event = func(e cluster.Event) {
		if e.Worker == "" && e.Text != "" { // what workers say comes by Watch, once
			c.tell(e.Text)
		}
	}
	var err error
	if c.c, err = cluster.Open(ctx, o.Cluster); err != nil {
		return nil, err
	}
	known, err := c.c.Groups(ctx, groupPrefix)
	if err != nil {
		c.c.Close()
		return nil, err
	}
	c.crowd = newCrowd(known)
	if c.unwatch, err = c.c.Watch(groupPrefix, c.heard); err != nil {
		c.c.Close()
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.ended.Go(c.census)
	return c, nil
}

// Cluster is the connection.
func (c *Carrier) Cluster() *cluster.Cluster { return c.c }

// Close leaves the cluster. What was asked for stays there, for a later Carrier with the same ID.
func (c *Carrier) Close() {
	c.unwatch()
	c.cancel()
	c.mu.Lock()
	for _, q := range c.queues {
		q.stop()
		q.Close()
	}
	c.mu.Unlock()
	c.ended.Wait()
	c.c.Close()
}

// Ask gives a client a task.
func (c *Carrier) Ask(ctx context.Context, client, id string, task []byte) error {
	message, err := wrap(task, func() (cluster.Digest, error) { return c.c.Put(ctx, bytes.NewReader(task)) })
	if err != nil {
		return err
	}
	// A client that is asked for something is wanted again.
	if err := c.remove(ctx, func(at place) bool { return at == place{client, dismissed} }); err != nil {
		return err
	}
	q, err := c.queue(ctx, place{client, batchOf(id)})
	if err != nil {
		return err
	}
	c.crowd.asked(client, id)
	return q.Submit(ctx, cluster.Submission{ID: id, Body: message})
}

// queue opens a queue, if it is not open.
func (c *Carrier) queue(ctx context.Context, at place) (*queue, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q := c.queues[at]; q != nil {
		return q, nil
	}
	opened, err := c.c.OpenQueue(ctx, GroupOf(at.client), c.id+"-"+at.batch)
	if err != nil {
		return nil, err
	}
	reading, stop := context.WithCancel(c.ctx)
	q := &queue{Queue: opened, stop: stop, read: make(chan struct{})}
	c.queues[at] = q
	c.ended.Go(func() {
		defer close(q.read)
		c.read(reading, at.client, q)
	})
	return q, nil
}

// read hands answers on until ctx ends.
func (c *Carrier) read(ctx context.Context, client string, q *queue) {
	for {
		r, err := q.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				select {
				case c.failed <- err:
				default:
				}
			}
			return
		}
		c.crowd.answered(client, r.Job)
		if !c.hand(ctx, c.reply(ctx, client, r)) {
			return
		}
	}
}

// hand hands a reply on, unless ctx ends.
func (c *Carrier) hand(ctx context.Context, r fed.Reply) bool {
	select {
	case c.replies <- r:
		return true
	case <-ctx.Done():
		return false
	}
}

// reply is the reply of a result.
func (c *Carrier) reply(ctx context.Context, client string, r cluster.Result) fed.Reply {
	out := fed.Reply{Client: client, ID: r.Job}
	if len(r.Poisoned) > 0 {
		out.Lost = fmt.Sprintf("it failed %d times: %s", len(r.Poisoned), r.Poisoned[len(r.Poisoned)-1])
		return out
	}
	process, message, err := cutProcess(r.Body)
	if err == nil && c.crowd.twice(client, process) {
		err = errTwice
	}
	if err == nil {
		out.Body, err = unwrap(message, func(d cluster.Digest) ([]byte, error) {
			return c.c.Uploaded(ctx, GroupOf(client), d, mostAnswer)
		})
	}
	if err != nil {
		out.Lost = err.Error()
	}
	return out
}

// errTwice says that answers of one client come from two processes, which have other examples.
var errTwice = errors.New("two processes answer under its name: stop one, or give them names of their own")

// Next waits for the next answer.
func (c *Carrier) Next(ctx context.Context) (fed.Reply, error) {
	select {
	case r := <-c.replies:
		return r, nil
	case err := <-c.failed:
		return fed.Reply{}, err
	case <-ctx.Done():
		return fed.Reply{}, ctx.Err()
	}
}

// Put stores bytes for all clients.
func (c *Carrier) Put(ctx context.Context, content []byte) (string, error) {
	d, err := c.c.Put(ctx, bytes.NewReader(content))
	if err == nil {
		c.mu.Lock()
		c.put[string(d)] = true
		c.mu.Unlock()
	}
	return string(d), err
}

// Get gives what was put.
func (c *Carrier) Get(ctx context.Context, digest string) ([]byte, error) {
	return blob(ctx, c.c, cluster.Digest(digest))
}

// Drop takes away what was put.
func (c *Carrier) Drop(ctx context.Context, digest string) error {
	c.mu.Lock()
	delete(c.put, digest)
	c.mu.Unlock()
	return c.c.Drop(ctx, cluster.Digest(digest))
}

// Forget deletes the queues of a round, and what clients have uploaded for it.
func (c *Carrier) Forget(ctx context.Context, prefix string) error {
	batch := strings.TrimSuffix(prefix, "-")
	c.crowd.forget(prefix)
	return c.remove(ctx, func(at place) bool { return at.batch == batch })
}

// remove deletes queues.
func (c *Carrier) remove(ctx context.Context, which func(at place) bool) error {
	c.mu.Lock()
	gone := map[place]*queue{}
	for at, q := range c.queues {
		if which(at) {
			gone[at] = q
			delete(c.queues, at)
		}
	}
	c.mu.Unlock()
	var errs []error
	for at, q := range gone {
		q.stop()
		<-q.read
		errs = append(errs, q.Delete(ctx), c.c.DropUpload(ctx, GroupOf(at.client), ""))
	}
	return errors.Join(errs...)
}

// Dismiss tells a client that it has no more to do here, and why; "" where the federation is over.
func (c *Carrier) Dismiss(ctx context.Context, client, why string) error {
	q, err := c.queue(ctx, place{client, dismissed})
	if err != nil {
		return err
	}
	return q.Submit(ctx, cluster.Submission{ID: fmt.Sprintf("%s-%d", dismissed, time.Now().UnixNano()), Body: append([]byte{dismiss}, why...)})
}

// dismissed names the queue of dismissals.
const dismissed = "dismissed"

// End dismisses all clients that are there, waits a little until they have heard it, and takes away
// what the cluster holds of the federation, but for the model.
func (c *Carrier) End(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	there, err := c.Present(ctx)
	if err != nil {
		return err
	}
	for _, client := range there {
		for range c.crowd.processes(client) { // each takes one
			if err := c.Dismiss(ctx, client, ""); err != nil {
				return err
			}
		}
	}
	hearing, stop := context.WithTimeout(ctx, hear)
	defer stop()
	for len(c.crowd.there()) > 0 && hearing.Err() == nil { // those who have heard it say that they leave
		select {
		case <-c.replies:
		case <-time.After(100 * time.Millisecond):
		case <-hearing.Done():
		}
	}
	c.mu.Lock()
	put := slices.Collect(maps.Keys(c.put))
	c.mu.Unlock()
	errs := []error{c.remove(ctx, func(place) bool { return true })}
	for _, d := range put {
		errs = append(errs, c.Drop(ctx, d))
	}
	return errors.Join(errs...)
}

// hear is how long End waits for clients.
const hear = 5 * time.Second
