package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// cursor is where a queue stands in the stream of results.
type cursor struct {
	consumer   jetstream.Consumer
	stream     time.Time // when the stream was made: another one starts at its beginning
	after      uint64    // the last message of the stream that was read
	delivered  uint64    // the last message of the consumer
	reconnects int64
}

// readAhead is how many results wait for Next.
const readAhead = 256

// errClosed says that a queue was closed.
var errClosed = errors.New("cluster: the queue was closed")

// read hands the results of the queue to Next, until ctx ends. It never misses one: the consumer is
// made again, after the last message that was read, whenever there is doubt.
func (q *Queue) read(ctx context.Context) error {
	var cur cursor
	audited := int64(-1) // the number of reconnects at the last audit
	var quiet time.Time  // since when nothing has come
	for {
		err := q.c.try(ctx, "reading the results of queue "+q.name, 2*brief, func(ctx context.Context) error {
			if cur.consumer == nil || cur.reconnects != q.c.reconnects.Load() {
				if err := q.seek(ctx, &cur); err != nil {
					if lostStream(err) {
						return errors.Join(q.heal(ctx), err)
					}
					return err
				}
			}
			return nil
		})
		if err == nil {
			var n int
			if n, err = q.fetch(ctx, &cur); n > 0 {
				quiet = time.Time{}
			} else if quiet.IsZero() {
				quiet = time.Now()
			}
			if err != nil {
				cur.consumer = nil
				if ctx.Err() == nil && transient(err) {
					err = nil
				}
			}
		}
		if err == nil && (audited != cur.reconnects || !quiet.IsZero() && time.Since(quiet) > q.c.opt.Lapse) {
			err = q.audit(ctx, &cur)
			audited, quiet = cur.reconnects, time.Time{}
		}
		if ctx.Err() != nil {
			return errClosed
		}
		if err != nil {
			return err
		}
	}
}

// seek makes a consumer after the last message that was read.
func (q *Queue) seek(ctx context.Context, cur *cursor) error {
	reconnects := q.c.reconnects.Load()
	stream, err := q.c.js.Stream(ctx, resultsStream)
	if err != nil {
		return err
	}
	if info := stream.CachedInfo(); !info.Created.Equal(cur.stream) || info.State.LastSeq < cur.after {
		cur.stream, cur.after = info.Created, 0
	}
	cur.consumer, err = stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject:     q.place("*").subject(resultWord),
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       cur.after + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: time.Minute,
		MemoryStorage:     true,
		Replicas:          1,
	})
	cur.delivered, cur.reconnects = 0, reconnects
	return err
}

// fetch reads results for a second or two. It gives how many came.
func (q *Queue) fetch(ctx context.Context, cur *cursor) (n int, err error) {
	waiting, cancel := q.c.link.within(ctx, 2*time.Second)
	defer cancel()
	batch, err := cur.consumer.Fetch(readAhead, jetstream.FetchContext(waiting), jetstream.FetchHeartbeat(500*time.Millisecond))
	if err != nil {
		return 0, err
	}
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return n, fmt.Errorf("cluster: %s: %w", q.c.where(), err)
		}
		if meta.Sequence.Consumer != cur.delivered+1 {
			return n, jetstream.ErrNoHeartbeat // one was lost on the way: read it again
		}
		cur.delivered = meta.Sequence.Consumer
		cur.after = meta.Sequence.Stream
		n++
		if err := q.take(ctx, m); err != nil {
			return n, err
		}
	}
	switch err := batch.Error(); {
	case waiting.Err() == context.Canceled:
		return n, nats.ErrDisconnected
	case err != nil && waiting.Err() == nil:
		return n, err
	}
	return n, nil
}

// take hands one result on, unless the job has one.
func (q *Queue) take(ctx context.Context, m jetstream.Msg) error {
	at, ok := placeOf(m.Subject())
	if !ok {
		return fmt.Errorf("cluster: %s: a result has the subject %q", q.c.where(), m.Subject())
	}
	r, err := q.c.readResult(at, m.Headers(), m.Data())
	if err != nil {
		// Without its result the job is as if it had not been done: the audit sees to it.
		q.c.teller.say(Event{Kind: Warned, Queue: q.name, Job: at.job, Text: fmt.Sprintf("the result of job %s is damaged and is not used: %v", at.job, err)})
		return q.forget(ctx, at.job)
	}
	r.Queue, r.Job = at.queue, at.job
	q.mu.Lock()
	_, twice := q.answered[r.Job]
	q.answered[r.Job] = struct{}{}
	delete(q.awaited, r.Job)
	q.mu.Unlock()
	if twice {
		return nil
	}
	select {
	case q.results <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Cluster) readResult(at place, header nats.Header, body []byte) (r Result, err error) {
	if err := c.checkSeal(at.group, at.subject(resultWord), header, body); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(header.Get(resultHeader)), &r); err != nil {
		return r, err
	}
	if r.Poisoned == nil {
		r.Body = body
	}
	return r, nil
}

// forget takes the result of a job away.
func (q *Queue) forget(ctx context.Context, job string) error {
	return q.c.try(ctx, "deleting the damaged result of job "+job, brief, func(ctx context.Context) error {
		stream, err := q.c.js.Stream(ctx, resultsStream)
		if err != nil {
			return err
		}
		return stream.Purge(ctx, jetstream.WithPurgeSubject(q.place(job).subject(resultWord)))
	})
}
