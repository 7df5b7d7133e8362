package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// Worker is a worker that is there.
type Worker struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Queue, Job and Attempt are what it does; they are empty where it waits.
	Queue   string `json:"queue,omitempty"`
	Job     string `json:"job,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
}

func newID() string { return nuid.Next() }

// Workers asks who works for the group of the queue. It gives those who answer within wait.
func (q *Queue) Workers(ctx context.Context, wait time.Duration) ([]Worker, error) {
	inbox := q.c.conn.NewInbox()
	sub, err := q.c.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("cluster: %s: asking for workers: %w", q.c.where(), err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := q.c.conn.PublishRequest(askWord+"."+q.group, inbox, nil); err != nil {
		return nil, fmt.Errorf("cluster: %s: asking for workers: %w", q.c.where(), err)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var all []Worker
	for {
		m, err := sub.NextMsgWithContext(waiting)
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			return nil, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case waiting.Err() != nil:
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("cluster: %s: asking for workers: %w", q.c.where(), err)
		}
		var w Worker
		if json.Unmarshal(m.Data, &w) == nil && w.Name != "" {
			all = append(all, w)
		}
	}
}

// listen answers who the worker is, and stops it when its queue is deleted.
func (w *worker) listen() (release func(), err error) {
	ask, err := w.c.conn.Subscribe(askWord+"."+w.group, func(m *nats.Msg) {
		me := Worker{Name: w.name, Version: w.c.opt.Version}
		w.mu.Lock()
		if w.busy != nil {
			me.Queue, me.Job, me.Attempt = w.busy.Queue, w.busy.ID, w.busy.Attempt
		}
		w.mu.Unlock()
		if b, err := json.Marshal(me); err == nil {
			_ = m.Respond(b)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cluster: %s: %w", w.c.where(), err)
	}
	stop, err := w.c.conn.Subscribe(stopWord+"."+w.group, func(m *nats.Msg) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.busy != nil && w.busy.Queue == string(m.Data) && w.c.checkSeal(w.group, m.Subject, m.Header, m.Data) == nil {
			w.cancel(errStopped)
		}
	})
	if err != nil {
		_ = ask.Unsubscribe()
		return nil, fmt.Errorf("cluster: %s: %w", w.c.where(), err)
	}
	return func() {
		_ = ask.Unsubscribe()
		_ = stop.Unsubscribe()
	}, nil
}
