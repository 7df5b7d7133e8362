package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Cluster is a connection to a server, or to one of our own. It may be used from many goroutines,
// up to Close.
type Cluster struct {
	opt         Options
	server      *embedded // nil where the server is another process
	conn        *nats.Conn
	js          jetstream.JetStream
	teller      *teller
	link        link
	reconnects  atomic.Int64
	blobsSent   atomic.Int64
	blobsTaken  atomic.Int64
	closeReason atomic.Pointer[error]
	denied      atomic.Pointer[error] // the last thing that the user may not do
	checked     sync.Map              // names of objects that were read back
	streams     sync.Map              // name to jetstream.Stream
	sealed      sync.Map              // groups that were joined: whether their seals have a key
	part        int64                 // the most bytes that one object holds
	blobs       chan struct{}         // holds a token while a Put or a Drop is at work
	manifests   sync.Map              // Digest of a blob to []Digest of its parts
}

// Open connects to the server at Options.URL, or starts one on Options.Store. It waits for a server
// that is not there, up to Options.Wait; one that refuses is an error at once.
func Open(ctx context.Context, opt Options) (*Cluster, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cluster{opt: opt, part: partSize, blobs: make(chan struct{}, 1), teller: &teller{tell: opt.Event}}
	if opt.URL == "" {
		err = c.openStore(ctx)
	} else {
		err = c.connect(ctx)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// openStore starts a server on the store, and makes sure that what the store holds can be read.
func (c *Cluster) openStore(ctx context.Context) error {
	for range 2 {
		server, fresh, err := startServer(c.opt, c.teller)
		if err != nil {
			return err
		}
		c.server = server
		if err := c.connect(ctx); err != nil {
			return err
		}
		if fresh {
			return nil
		}
		unreadable, err := c.unreadable(ctx)
		if err != nil || len(unreadable) == 0 {
			return err
		}
		// The server does not know these, so their folders can only be taken away while it does
		// not run.
		c.Close()
		for _, dir := range unreadable {
			if err := remove(dir); err != nil {
				return err
			}
			c.teller.say(Event{Kind: Rebuilt, Text: dir + " is damaged beyond reading: it starts empty"})
		}
	}
	return fmt.Errorf("cluster: store %s is damaged and could not be mended: give another folder, or delete this one", c.opt.Store)
}

// URL is what workers of other processes connect to. That of an embedded server holds a token: who
// has it may use the cluster. With Options.Users it holds none, and each user has an address of its
// own, see URLFor. It is empty where an embedded server does not listen.
func (c *Cluster) URL() string {
	if c.server == nil {
		return c.opt.URL
	}
	var token *url.Userinfo
	if !c.server.users {
		token = url.User(c.server.address.Token)
	}
	return c.server.url(c.opt.Cert != "", token)
}

// Close leaves the cluster and ends an embedded server. What the server holds stays. Workers and
// queues of c end with an error. It is the last call.
func (c *Cluster) Close() {
	if c.conn != nil {
		c.conn.Close()
	}
	if c.server != nil {
		c.server.stop()
		c.server = nil
	}
}

// Traffic counts bytes since the cluster was opened.
type Traffic struct {
	// Sent and Received are all bytes of the connection, messages and blobs.
	Sent, Received int64
	// BlobsSent and BlobsReceived are the contents of blobs alone, without what was there already.
	BlobsSent, BlobsReceived int64
}

// Traffic gives the bytes that went over the connection so far.
func (c *Cluster) Traffic() Traffic {
	s := c.conn.Stats()
	return Traffic{int64(s.OutBytes), int64(s.InBytes), c.blobsSent.Load(), c.blobsTaken.Load()}
}

// where names the server for people, without secrets.
func (c *Cluster) where() string {
	if c.opt.URL == "" {
		return "embedded server on " + c.opt.Store
	}
	return redact(c.opt.URL)
}

// try calls op until it succeeds, fails for good, or has failed for Options.Wait because the server
// was away. Doing says what op does, as in "submitting job 7". One call of op may take limit.
func (c *Cluster) try(ctx context.Context, doing string, limit time.Duration, op func(context.Context) error) error {
	began, pause := time.Now(), 20*time.Millisecond
	for {
		once, cancel := c.link.within(ctx, min(limit, c.opt.Wait))
		err := op(once)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if reason := c.closeReason.Load(); reason != nil {
			return *reason
		}
		if errors.Is(err, nats.ErrConnectionClosed) {
			return fmt.Errorf("cluster: %s: %s: the connection was closed here", c.where(), doing)
		}
		if !transient(err) && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("cluster: %s: %s: %w", c.where(), doing, explain(err))
		}
		if denied := c.denied.Load(); denied != nil && time.Since(began) > c.opt.Wait {
			return fmt.Errorf("cluster: %s: %s: this user may not do that (%w): give it the rights, or use another", c.where(), doing, *denied)
		}
		if time.Since(began) > c.opt.Wait {
			return fmt.Errorf("cluster: %s: %s: no answer for %s (%v): is the server running, and can it be reached?", c.where(), doing, c.opt.Wait, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		pause = min(2*pause, time.Second)
	}
}

// brief is how long one request may take before it is sent again.
const brief = 5 * time.Second
