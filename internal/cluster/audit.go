package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// audit looks for jobs that the server has lost, and submits them again: jobs whose message is gone,
// and jobs that are marked as done but have no result. A server loses them when its files are
// damaged, torn or taken away. It runs when the queue is opened, after every reconnection, and
// when nothing has come for a while.
func (q *Queue) audit(ctx context.Context, cur *cursor) error {
	lost, err := q.lost(ctx, cur)
	if err != nil || len(lost) == 0 {
		return err
	}
	q.mu.Lock()
	lost = slices.DeleteFunc(lost, func(id string) bool {
		s := q.awaited[id]
		if s != nil {
			s.sequence = 0
			s.times++ // or it would pass for the same message
		}
		return s == nil
	})
	q.mu.Unlock()
	if len(lost) == 0 {
		return nil
	}
	for _, id := range lost {
		// That its result was lost is not the fault of the job.
		_, err := q.c.change(ctx, q.place(id), false, func(r *claims) (changed bool) {
			for i := range r.Attempts {
				if r.Attempts[i].State == running {
					r.Attempts[i].State, changed = left, true
				}
			}
			return changed
		})
		if err != nil {
			return err
		}
	}
	q.c.teller.say(Event{Kind: Resubmitted, Queue: q.name, Text: fmt.Sprintf("%s had lost %d jobs of queue %s: they are submitted again", q.c.where(), len(lost), q.name)})
	return q.send(ctx, lost)
}

// lost lists awaited jobs that will never have a result, with nothing left of them in the stream.
// Where one has a result that the cursor has passed, the cursor goes back to the beginning: the end
// of the stream was cut off, and the result has come to a place where another was read.
func (q *Queue) lost(ctx context.Context, cur *cursor) (lost []string, err error) {
	q.mu.Lock()
	awaited := make(map[string]uint64, len(q.awaited))
	for id, s := range q.awaited {
		if s.sent {
			awaited[id] = s.sequence
		}
	}
	q.mu.Unlock()
	if len(awaited) == 0 {
		return nil, nil
	}
	err = q.c.try(ctx, "looking after the jobs of queue "+q.name, 4*brief, func(ctx context.Context) error {
		lost = lost[:0]
		if err := q.heal(ctx); err != nil {
			return err
		}
		jobs, err := q.c.js.Stream(ctx, jobsStream)
		if err != nil {
			return err
		}
		info, err := jobs.Info(ctx, jetstream.WithSubjectFilter(q.place("*").subject(jobWord)))
		if err != nil {
			return err
		}
		group, err := q.c.js.Consumer(ctx, jobsStream, q.group)
		if err != nil {
			return err
		}
		if group.CachedInfo().Delivered.Stream > info.State.LastSeq {
			// The end of the stream was cut off, and the group waits for messages beyond it: it would
			// pass over as many new ones.
			if err := q.c.js.DeleteConsumer(ctx, jobsStream, q.group); err != nil {
				return err
			}
			if err := q.c.makeGroup(ctx, q.group); err != nil {
				return err
			}
			if group, err = q.c.js.Consumer(ctx, jobsStream, q.group); err != nil {
				return err
			}
		}
		done := group.CachedInfo().AckFloor.Stream // all jobs up to this one were acknowledged
		for id, seq := range awaited {
			subject := q.place(id).subject(jobWord)
			if info.State.Subjects[subject] == 0 {
				if has, err := q.hasResult(ctx, id, cur); err != nil {
					return err
				} else if !has {
					lost = append(lost, id)
				}
				continue
			}
			if done == 0 || seq > done {
				continue
			}
			if seq == 0 {
				m, err := q.c.last(ctx, jobsStream, subject)
				switch {
				case errors.Is(err, errSeal): // it is no job of this queue
				case err != nil:
					return err
				case m == nil || m.Sequence > done:
					continue
				}
			}
			has, err := q.hasResult(ctx, id, cur)
			if err != nil {
				return err
			}
			if !has {
				if err := jobs.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
					return err
				}
				lost = append(lost, id)
			}
		}
		return nil
	})
	return lost, err
}

func (q *Queue) hasResult(ctx context.Context, job string, cur *cursor) (bool, error) {
	m, err := q.c.last(ctx, resultsStream, q.place(job).subject(resultWord))
	if errors.Is(err, errSeal) {
		return true, nil // until it is read, and taken away
	}
	if m != nil && m.Sequence <= cur.after {
		cur.consumer, cur.after = nil, 0
	}
	return m != nil, err
}
