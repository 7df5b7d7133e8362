package frozenpass

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Crew is the workers that may help with passes, as the command sees them. It is a run.Helpers, and
// may serve several sessions, one after the other.
type Crew struct {
	o Options

	opening sync.Mutex
	c       *cluster.Cluster          // nil before the first pass
	models  map[string]cluster.Digest // that were sent, by their files

	mu    sync.Mutex
	lines []string // for a person, told by the goroutine of a pass
	sum   Summary
	seen  map[string]bool // workers whose values were taken

	// For tests.
	patience time.Duration // for which nothing is computed here, from the beginning of a pass
}

// Options say where workers are met.
type Options struct {
	Cluster cluster.Options // with a URL, without Event
	Group   string          // of the workers
	Tell    func(string)    // is given lines for a person, from the goroutine that computes
}

// Summary says what came of the help.
type Summary struct {
	Workers      int   // whose values were taken
	Here, Others int   // examples computed by the command, and by workers
	Cached       int   // of those of workers, which they had computed before
	Sent, Came   int64 // bytes of examples and of values, as they travelled
}

// New returns a crew that connects to the cluster when a pass begins.
func New(o Options) *Crew {
	c := &Crew{o: o, models: map[string]cluster.Digest{}, seen: map[string]bool{}}
	c.o.Cluster.Event = c.event
	return c
}

// Open connects to the cluster, unless that is done. It errors where the cluster refuses, or is not
// there within cluster.Options.Wait.
func (c *Crew) Open(ctx context.Context) (*cluster.Cluster, error) {
	c.opening.Lock()
	defer c.opening.Unlock()
	if c.c == nil {
		opened, err := cluster.Open(ctx, c.o.Cluster)
		if err != nil {
			return nil, err
		}
		c.c = opened
	}
	return c.c, nil
}

// Close leaves the cluster, after the last pass.
func (c *Crew) Close() {
	if c.c != nil {
		c.c.Close()
	}
}

// Summary says what came of the help so far.
func (c *Crew) Summary() Summary {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sum
	s.Workers = len(c.seen)
	return s
}

// event keeps what the cluster says until a pass tells it.
func (c *Crew) event(e cluster.Event) {
	switch e.Kind {
	case cluster.Started, cluster.Dropped, cluster.Joined, cluster.Left: // no news to who does not depend on them
		return
	}
	if e.Text != "" {
		c.say(e.Text)
	}
}

// count adds to the summary.
func (c *Crew) count(add func(*Summary)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.sum)
}

func (c *Crew) say(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
}

// tellAll tells what was said meanwhile.
func (c *Crew) tellAll() {
	c.mu.Lock()
	lines := c.lines
	c.lines = nil
	c.mu.Unlock()
	for _, l := range lines {
		c.o.Tell(l)
	}
}

// For returns the crew as helpers of a session.
func (c *Crew) For(s *run.Session) keep.Helpers { return &helpers{c, s} }

type helpers struct {
	crew    *Crew
	session *run.Session
}

// A shard takes about shardSeconds here, so that what it costs to hand it out does not count, and is
// at most a share of the pass, so that many can take part.
const (
	shardSeconds = 1.0
	leastShards  = 16
)

// Help begins a pass.
func (h *helpers) Help(ctx context.Context, p *keep.Pass) keep.Help {
	h.crew.tellAll()
	examples := 0
	for _, g := range p.Groups {
		examples += len(g.Indices)
	}
	count := max(1, min(int(shardSeconds/max(p.Seconds, 1e-6)), examples/leastShards))
	q := &pass{crew: h.crew, session: h.session, p: p, out: map[string]*shard{}, shards: divide(p, count),
		came: make(chan *arrival, 4), changed: make(chan struct{}, 1), given: make(chan struct{}, 1)}
	q.waiting, q.held = append(q.waiting, q.shards...), time.Now().Add(h.crew.patience)
	giving, stop := context.WithCancel(context.WithoutCancel(ctx))
	q.stop = stop
	q.ended.Go(func() { q.give(giving) })
	return q
}

// divide makes shards of about count examples, of whole groups.
func divide(p *keep.Pass, count int) (all []*shard) {
	var s *shard
	size := 0
	for _, g := range p.Groups {
		bytes := 0
		for _, i := range g.Indices {
			bytes += max(preparedBytes(p, i), total(p.Size(i)))
		}
		if s == nil || len(s.indices) >= count || size+bytes > mostBytes {
			s, size = &shard{}, 0
			all = append(all, s)
		}
		s.groups = append(s.groups, g)
		s.indices = append(s.indices, g.Indices...)
		size += bytes
	}
	return all
}

// noWorker is how long a pass goes on alone before that is said.
const noWorker = 10 * time.Second

// failed says why workers do not help any more.
func (c *Crew) failed(err error) {
	c.say(fmt.Sprintf("the rest of the frozen pass is computed here alone: %v", err))
}
