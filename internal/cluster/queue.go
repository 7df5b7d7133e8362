package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Queue is the coordinator's side of a set of jobs. It may be used from many goroutines.
type Queue struct {
	c           *Cluster
	group, name string
	listen      *nats.Subscription

	results chan Result
	failed  chan struct{} // closed when the reader has ended, with err
	err     error
	cancel  context.CancelFunc

	mu       sync.Mutex
	awaited  map[string]*submission
	answered map[string]struct{}
}

// submission is a job that has no result yet.
type submission struct {
	body     []byte
	prefer   string
	sent     bool   // the server has it, or had it
	sequence uint64 // of its message; 0 where it was submitted by an earlier process
	times    int    // how often it was sent
}

// Submission is a job to be done: bytes under a name that is the job's own in its queue.
type Submission struct {
	ID   string
	Body []byte
	// Prefer names a worker that does the job in less time than others, because of what it did before.
	// Another takes it only where nothing else waits, or after Options.Lapse. Empty: any.
	Prefer string
}

// Result is what became of a job.
type Result struct {
	Queue string `json:"queue"`
	Job   string `json:"job"`
	// Attempt is the number of the attempt whose result this is, from 1.
	Attempt int    `json:"attempt"`
	Worker  string `json:"worker"`
	// Began and Ended are by the worker's clock.
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Body is what the handler returned. It is nil where the job was given up.
	Body []byte `json:"-"`
	// Poisoned holds an error for each attempt of a job that was given up, and is nil for others.
	Poisoned []string `json:"poisoned,omitempty"`
	// id tells two attempts apart that bear the same number, after a loss of claims.
	ID string `json:"id"`
}

// OpenQueue opens the queue of a name, and makes it where it is not there. Its jobs go to the
// workers of the group. One process at a time may have a queue open; queues share a group.
func (c *Cluster) OpenQueue(ctx context.Context, group, name string) (*Queue, error) {
	for _, err := range []error{CheckName("group", group), CheckName("queue", name)} {
		if err != nil {
			return nil, err
		}
	}
	if err := c.makeStreams(ctx); err != nil {
		return nil, err
	}
	if err := c.makeGroup(ctx, group); err != nil {
		return nil, err
	}
	q := &Queue{
		c: c, group: group, name: name,
		results: make(chan Result, readAhead), failed: make(chan struct{}),
		awaited: map[string]*submission{}, answered: map[string]struct{}{},
	}
	var err error
	q.listen, err = c.conn.Subscribe(sayWord+"."+group, func(m *nats.Msg) {
		var e Event
		if json.Unmarshal(m.Data, &e) == nil && e.Kind != Waiting && (e.Queue == "" || e.Queue == name) {
			c.teller.say(e)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cluster: %s: listening to workers: %w", c.where(), err)
	}
	reading, cancel := context.WithCancel(context.Background())
	q.cancel = cancel
	go func() {
		q.err = q.read(reading)
		close(q.failed)
	}()
	return q, nil
}

func (q *Queue) place(job string) place { return place{q.group, q.name, job} }

// Submit hands jobs to the workers. A job that was submitted before, by this process or an earlier
// one, is left as it is. A job that the server loses later is submitted again by the queue, while
// it is open. On an error some of the jobs may have been submitted; submitting all again is safe.
func (q *Queue) Submit(ctx context.Context, jobs ...Submission) error {
	for _, job := range jobs {
		if err := CheckName("job", job.ID); err != nil {
			return err
		}
		if job.Prefer == "" {
			continue
		}
		if err := CheckName("worker", job.Prefer); err != nil {
			return err
		}
	}
	var fresh []string
	q.mu.Lock()
	for _, job := range jobs {
		if _, done := q.answered[job.ID]; done || q.awaited[job.ID] != nil {
			continue
		}
		q.awaited[job.ID] = &submission{body: job.Body, prefer: job.Prefer}
		fresh = append(fresh, job.ID)
	}
	q.mu.Unlock()
	return q.send(ctx, fresh)
}

// send publishes awaited jobs, many at a time.
func (q *Queue) send(ctx context.Context, ids []string) error {
	const window = 500
	for len(ids) > 0 {
		n := min(window, len(ids))
		err := q.c.try(ctx, fmt.Sprintf("submitting %d jobs to queue %s", n, q.name), 2*brief, func(ctx context.Context) error {
			err := q.sendWindow(ctx, ids[:n])
			if lostStream(err) {
				return errors.Join(q.heal(ctx), err)
			}
			return err
		})
		if err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func (q *Queue) sendWindow(ctx context.Context, ids []string) error {
	acks := make([]jetstream.PubAckFuture, len(ids))
	for i, id := range ids {
		q.mu.Lock()
		s := q.awaited[id]
		var m *nats.Msg
		if s != nil {
			m = q.message(id, s)
		}
		q.mu.Unlock()
		if m == nil {
			continue // it has a result
		}
		var err error
		acks[i], err = q.c.js.PublishMsgAsync(m, jetstream.WithExpectLastSequencePerSubject(0))
		if err != nil {
			return err
		}
	}
	var first error
	for i, ack := range acks {
		if ack == nil {
			continue
		}
		select {
		case a := <-ack.Ok():
			q.sent(ids[i], a.Sequence)
		case err := <-ack.Err():
			if conflict(err) { // it is there already
				q.sent(ids[i], 0)
			} else if first == nil {
				first = err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return first
}

func (q *Queue) sent(id string, sequence uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s := q.awaited[id]; s != nil {
		s.sent = true
		s.sequence = max(s.sequence, sequence)
	}
}

func (q *Queue) message(id string, s *submission) *nats.Msg {
	m := nats.NewMsg(q.place(id).subject(jobWord))
	m.Data = s.body
	m.Header.Set(nats.MsgIdHdr, fmt.Sprintf("%s/%s/%s/%d", q.group, q.name, id, s.times))
	m.Header.Set(versionHeader, q.c.opt.Version)
	q.c.seal(q.group, m)
	if s.prefer != "" {
		m.Header.Set(preferHeader, s.prefer)
	}
	return m
}

// lostStream reports whether err says that a stream or the group is gone.
func lostStream(err error) bool {
	return errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrStreamNotFound) ||
		errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, nats.ErrNoResponders)
}

// heal makes again what the server has lost.
func (q *Queue) heal(ctx context.Context) error {
	if err := q.c.makeStreams(ctx); err != nil {
		return err
	}
	return q.c.makeGroup(ctx, q.group)
}

// Next waits for the next result: each result of the queue once, whoever submitted the job, those of
// earlier processes first. It ends with ctx, with Close, or with an error where the server was away
// for Options.Wait.
func (q *Queue) Next(ctx context.Context) (Result, error) {
	select {
	case r := <-q.results:
		return r, nil
	default:
	}
	select {
	case r := <-q.results:
		return r, nil
	case <-q.failed:
		return Result{}, q.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// Close stops reading. What was submitted stays.
func (q *Queue) Close() {
	q.cancel()
	<-q.failed
	_ = q.listen.Unsubscribe()
}

// Delete takes the queue away, its jobs and its results. Workers stop what they do for it.
func (q *Queue) Delete(ctx context.Context) error {
	q.Close()
	for _, s := range []struct{ stream, word string }{{jobsStream, jobWord}, {claimsStream, claimWord}, {resultsStream, resultWord}} {
		err := q.c.try(ctx, "deleting queue "+q.name, brief, func(ctx context.Context) error {
			stream, err := q.c.js.Stream(ctx, s.stream)
			if errors.Is(err, jetstream.ErrStreamNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			return stream.Purge(ctx, jetstream.WithPurgeSubject(q.place("*").subject(s.word)))
		})
		if err != nil {
			return err
		}
	}
	// Workers would find out by themselves, a little later.
	m := nats.NewMsg(stopWord + "." + q.group)
	m.Data = []byte(q.name)
	q.c.seal(q.group, m)
	_ = q.c.conn.PublishMsg(m)
	return nil
}
