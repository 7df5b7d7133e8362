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

// attempts is how often a job is tried before it is given up.
const attempts = 3

// claims is the record of a job's attempts, in the order of their numbers.
type claims struct {
	Attempts []attempt `json:"attempts"`
}

// attempt is one try of a job.
type attempt struct {
	ID     string    `json:"id"`
	Worker string    `json:"worker"`
	Began  time.Time `json:"began"`
	// State is running until its worker says otherwise. A worker that is lost never does.
	State string `json:"state"`
	Error string `json:"error,omitempty"`
}

const (
	running = "running"
	failed  = "failed"
	left    = "left" // its worker left in order: it does not count
)

// errors lists what went wrong, an error for each attempt that counts.
func (c claims) errors() (texts []string) {
	for i, a := range c.Attempts {
		switch a.State {
		case running:
			texts = append(texts, fmt.Sprintf("attempt %d: worker %s was lost: it crashed, was killed, or was cut off", i+1, a.Worker))
		case failed:
			texts = append(texts, fmt.Sprintf("attempt %d: worker %s: %s", i+1, a.Worker, a.Error))
		}
	}
	return texts
}

// change reads the claims of a job, lets edit change them, and writes them, as often as another
// worker was faster. Edit says whether there is something to write. Fresh says that there are
// probably none, which saves reading them.
func (c *Cluster) change(ctx context.Context, at place, fresh bool, edit func(*claims) bool) (result claims, err error) {
	subject := at.subject(claimWord)
	known, expect, read := claims{}, expectLast(0), fresh
	err = c.try(ctx, "claiming job "+at.job, brief, func(ctx context.Context) (err error) {
		for {
			if !read {
				if known, expect, err = c.claims(ctx, at); err != nil {
					return err
				}
				read = true
			}
			next := claims{append([]attempt(nil), known.Attempts...)}
			if !edit(&next) {
				result = known
				return nil
			}
			m := nats.NewMsg(subject)
			if m.Data, err = json.Marshal(next); err != nil {
				return err
			}
			c.seal(at.group, m)
			_, err = c.js.PublishMsg(ctx, m, append(expect, jetstream.WithRetryAttempts(0))...)
			if err == nil {
				result = next
				return nil
			}
			if !conflict(err) {
				return err
			}
			read = false
		}
	})
	return result, err
}

// claims reads the record of a job, and what a change of it expects. A record that does not match its
// seal is counted anew, and whatever stands in its place is replaced.
func (c *Cluster) claims(ctx context.Context, at place) (known claims, expect []jetstream.PublishOpt, err error) {
	subject := at.subject(claimWord)
	m, err := c.last(ctx, claimsStream, subject)
	switch {
	case errors.Is(err, errSeal):
		return claims{}, nil, nil
	case err != nil:
		return claims{}, nil, err
	case m == nil:
		return claims{}, expectLast(0), nil
	case c.checkSeal(at.group, subject, m.Header, m.Data) != nil || json.Unmarshal(m.Data, &known) != nil:
		return claims{}, nil, nil
	}
	return known, expectLast(m.Sequence), nil
}

func expectLast(seq uint64) []jetstream.PublishOpt {
	return []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(seq)}
}

// last reads the message of a subject, nil where there is none. It gives errSeal for one that the
// server was made to send there: its headers speak of two messages, or cannot be read.
func (c *Cluster) last(ctx context.Context, stream, subject string) (*jetstream.RawStreamMsg, error) {
	s, err := c.stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	m, err := s.GetLastMsgForSubject(ctx, subject)
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, nil
	case err == nil && m.Subject != subject, err != nil && ctx.Err() == nil && !transient(err) && !errors.As(err, &api) && !errors.Is(err, nats.ErrConnectionClosed):
		return nil, errSeal
	}
	return m, err
}

// result reads the result of a job, nil where there is none.
func (c *Cluster) result(ctx context.Context, at place) (*Result, error) {
	m, err := c.last(ctx, resultsStream, at.subject(resultWord))
	if errors.Is(err, errSeal) {
		return &Result{}, nil // see below
	}
	if m == nil || err != nil {
		return nil, err
	}
	r, err := c.readResult(at, m.Header, m.Data)
	if err != nil {
		// A damaged result still keeps its place. Its coordinator takes it away.
		return &Result{}, nil
	}
	return &r, nil
}

// publish writes the result of a job, unless there is one. It reports whether r is the result now.
func (c *Cluster) publish(ctx context.Context, at place, r Result) (won bool, err error) {
	header, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	m := nats.NewMsg(at.subject(resultWord))
	m.Data = r.Body
	m.Header.Set(nats.MsgIdHdr, r.ID)
	m.Header.Set(resultHeader, string(header))
	c.seal(at.group, m)
	err = c.try(ctx, "publishing the result of job "+at.job, brief, func(ctx context.Context) error {
		_, err := c.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(0), jetstream.WithRetryAttempts(0))
		if err == nil {
			won = true
			return nil
		}
		if !conflict(err) {
			return err
		}
		first, err := c.result(ctx, at)
		if err != nil {
			return err
		}
		if first == nil {
			return nats.ErrTimeout // another is being written: wait and look again
		}
		won = first.ID == r.ID
		return nil
	})
	return won, err
}
