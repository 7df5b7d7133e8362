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

// Job is one attempt at a job, as a worker gets it.
type Job struct {
	Queue   string
	ID      string
	Attempt int // from 1
	Body    []byte
}

// Handler does a job. It must end soon after ctx does. An error fails the attempt, and so does a
// panic. The result must fit a message, a megabyte on most servers; more goes into an upload.
type Handler func(ctx context.Context, job Job) (result []byte, err error)

// ErrRefused is the error of a worker of another version or protocol than its coordinator.
var ErrRefused = errors.New("refused")

// ErrUnfit is wrapped by the error of a handler whose worker can do no job like this one, as where
// its disk is full. The attempt does not count, another worker gets the job, and Work returns the error.
var ErrUnfit = errors.New("the worker is unfit")

// worker takes jobs of a group, one at a time.
type worker struct {
	c           *Cluster
	group, name string
	handle      Handler
	id          string // tells workers of one name apart
	attempt     int    // counts the attempts that it makes
	joined      bool   // it has said so

	mu     sync.Mutex
	busy   *Job
	cancel context.CancelCauseFunc
}

// errStopped is why the context of a handler ends when its queue is deleted.
var errStopped = errors.New("cluster: the queue was deleted")

// Work takes jobs of a group, one at a time, until ctx ends; then it hands back what it has not
// finished and returns ctx's error. It waits for a coordinator that has not come yet, and says every
// second that it does, see Watch. It returns
// ErrRefused where the coordinator has another version, and an error where the server was away for
// Options.Wait. Call it several times, from goroutines, to do several jobs at once.
func (c *Cluster) Work(ctx context.Context, group, name string, handle Handler) error {
	for _, err := range []error{CheckName("group", group), CheckName("worker", name)} {
		if err != nil {
			return err
		}
	}
	w := &worker{c: c, group: group, name: name, handle: handle, id: newID()}
	release, err := w.listen()
	if err != nil {
		return err
	}
	defer release()
	var consumer jetstream.Consumer
	for ctx.Err() == nil {
		if consumer == nil {
			if consumer, err = w.join(ctx); err != nil {
				break
			}
		}
		m, err := w.next(ctx, consumer)
		switch {
		case err != nil:
			consumer = nil // it is asked for again, which waits for the server
		case m != nil:
			if err = w.do(ctx, m, consumer.CachedInfo().Config.AckWait); err != nil {
				_ = m.Nak() // another worker may do it
			}
		}
		if err != nil && !transient(err) {
			return w.ended(ctx, err)
		}
	}
	return w.ended(ctx, err)
}

// ended says that the worker leaves.
func (w *worker) ended(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		w.say(Event{Kind: Left, Text: fmt.Sprintf("worker %s has left", w.name)})
		_ = w.c.conn.FlushTimeout(time.Second)
		return ctx.Err()
	case errors.Is(err, ErrUnfit):
		w.say(Event{Kind: Left, Text: fmt.Sprintf("worker %s has left: %v", w.name, err)})
		_ = w.c.conn.FlushTimeout(time.Second)
	case errors.Is(err, ErrRefused):
		w.say(Event{Kind: Refused, Text: err.Error()})
		_ = w.c.conn.FlushTimeout(time.Second)
	}
	return err
}

// sayWaiting is how often a worker says that nobody has opened its group.
const sayWaiting = time.Second

// join finds the group, and checks that its coordinator has this version.
func (w *worker) join(ctx context.Context) (jetstream.Consumer, error) {
	var said time.Time
	for {
		var consumer jetstream.Consumer
		err := w.c.try(ctx, "joining group "+w.group, brief, func(ctx context.Context) (err error) {
			consumer, err = w.c.js.Consumer(ctx, jobsStream, w.group)
			if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
				return nil // nobody has opened a queue yet
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if consumer != nil {
			meta := consumer.CachedInfo().Config.Metadata
			if err := w.compare(meta["permafrost-protocol"], meta["permafrost-version"]); err != nil {
				return nil, err
			}
			sealed := meta["permafrost-sealed"] != ""
			if _, password := w.c.opt.own(); sealed && w.c.server == nil && password == "" {
				return nil, fmt.Errorf("cluster: %s: the messages of group %s are sealed with a password: give the user and the password", w.c.where(), w.group)
			}
			w.c.sealed.Store(w.group, sealed)
			if !w.joined {
				w.say(Event{Kind: Joined, Text: fmt.Sprintf("worker %s has joined", w.name)})
				w.joined = true
			}
			return consumer, nil
		}
		if time.Since(said) >= sayWaiting {
			w.say(Event{Kind: Waiting, Text: fmt.Sprintf("worker %s waits for a coordinator of group %s", w.name, w.group)})
			said = time.Now()
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (w *worker) compare(theirProtocol, theirVersion string) error {
	if theirProtocol == protocol && theirVersion == w.c.opt.Version {
		return nil
	}
	return fmt.Errorf("cluster: worker %s has version %s (protocol %s), the coordinator of group %s has %s (protocol %s): %w: run one version of Permafrost on both",
		w.name, w.c.opt.Version, protocol, w.group, theirVersion, theirProtocol, ErrRefused)
}

// next waits for a job, for a while. It gives nil where none came.
func (w *worker) next(ctx context.Context, consumer jetstream.Consumer) (jetstream.Msg, error) {
	waiting, cancel := w.c.link.within(ctx, 25*time.Second)
	defer cancel()
	batch, err := consumer.Fetch(1, jetstream.FetchContext(waiting), jetstream.FetchHeartbeat(3*time.Second))
	if err != nil {
		return nil, err
	}
	for m := range batch.Messages() {
		return m, nil
	}
	switch err := batch.Error(); {
	case waiting.Err() == context.Canceled:
		return nil, nats.ErrDisconnected
	case err != nil && waiting.Err() == nil && !errors.Is(err, nats.ErrTimeout):
		return nil, err
	}
	return nil, nil
}

// do makes an attempt at a job, from its claim to its acknowledgement. It errs only where the worker
// cannot go on.
func (w *worker) do(ctx context.Context, m jetstream.Msg, lapse time.Duration) error {
	at, ok := placeOf(m.Subject())
	if !ok {
		return m.Term()
	}
	if err := w.c.checkSeal(w.group, m.Subject(), m.Headers(), m.Data()); err != nil {
		w.say(Event{Kind: Warned, Queue: at.queue, Job: at.job, Text: fmt.Sprintf("job %s is asked for again: %v", at.job, err)})
		return m.Term() // its queue finds that it has no result
	}
	if v := m.Headers().Get(versionHeader); v != w.c.opt.Version {
		return w.compare(protocol, v)
	}
	if w.leaves(m, lapse) {
		return m.NakWithDelay(preferDelay)
	}
	began := time.Now()
	w.attempt++
	id := fmt.Sprintf("%s-%d", w.id, w.attempt)
	number, verdict, err := w.claim(ctx, at, attempt{ID: id, Worker: w.name, Began: began, State: running})
	if err != nil {
		return err
	}
	answer := Result{Queue: at.queue, Job: at.job, Attempt: number, Worker: w.name, Began: began, ID: id}
	switch {
	case number == 0: // it has a result
		return m.Ack()
	case verdict != nil:
		answer.Poisoned = verdict
	default:
		w.say(Event{Kind: Started, Queue: at.queue, Job: at.job, Attempt: number})
		body, err := w.run(ctx, m, Job{Queue: at.queue, ID: at.job, Attempt: number, Body: m.Data()}, lapse)
		if errors.Is(err, errStopped) {
			return m.Ack()
		}
		if unfit := errors.Is(err, ErrUnfit); unfit || ctx.Err() != nil && err != nil {
			if back := w.handBack(ctx, at, id, m); back != nil || !unfit {
				return back
			}
			return err
		}
		// From here on the worker finishes what it says, even while it is asked to leave.
		saying, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.c.opt.Wait)
		defer cancel()
		ctx = saying
		if err != nil {
			w.say(Event{Kind: Failed, Queue: at.queue, Job: at.job, Attempt: number, Text: fmt.Sprintf("job %s failed in attempt %d: %v", at.job, number, err)})
			record, err := w.mark(ctx, at, id, failed, err.Error())
			if err != nil {
				return err
			}
			if answer.Poisoned = record.errors(); len(answer.Poisoned) < attempts {
				return m.Nak()
			}
		} else if answer.Body = body; body == nil {
			answer.Body = []byte{}
		}
	}
	answer.Ended = time.Now()
	won, err := w.c.publish(ctx, at, answer)
	if errors.Is(err, nats.ErrMaxPayload) {
		// Trying again would not help, so the job is given up at once.
		answer.Body, answer.Poisoned = nil, []string{fmt.Sprintf("attempt %d: worker %s: %v", number, w.name, explain(err))}
		won, err = w.c.publish(ctx, at, answer)
	}
	if err != nil {
		return err
	}
	if !won {
		w.say(Event{Kind: Dropped, Queue: at.queue, Job: at.job, Attempt: number, Text: fmt.Sprintf("job %s had a result already: that of attempt %d is dropped", at.job, number)})
	}
	return m.Ack()
}

// A job that is left to the worker that it prefers comes again after the delay. For the grace others
// leave it even where they have nothing else to do.
const (
	preferDelay = 100 * time.Millisecond
	preferGrace = 500 * time.Millisecond
)

// leaves reports whether a job is for another worker, which does it in less time.
func (w *worker) leaves(m jetstream.Msg, lapse time.Duration) bool {
	prefer := m.Headers().Get(preferHeader)
	if prefer == "" || prefer == w.name {
		return false
	}
	meta, err := m.Metadata()
	if err != nil {
		return false
	}
	age := time.Since(meta.Timestamp) // a clock that differs makes it early or late, no more
	return age < preferGrace || age < lapse && meta.NumPending > 0
}

// claim gives an attempt its number. The number is 0 where the job has a result. Verdict holds the
// errors of a job that has failed too often.
func (w *worker) claim(ctx context.Context, at place, mine attempt) (number int, verdict []string, err error) {
	var lost attempt
	var lostNumber int
	record, err := w.c.change(ctx, at, true, func(r *claims) bool {
		verdict, lostNumber = nil, 0
		if n := len(r.Attempts); n > 0 {
			last := r.Attempts[n-1]
			if last.ID == mine.ID {
				return false
			}
			if last.State == running {
				lost, lostNumber = last, n
			}
		}
		if bad := r.errors(); len(bad) >= attempts {
			verdict = bad
			return false
		}
		r.Attempts = append(r.Attempts, mine)
		return true
	})
	if err != nil {
		return 0, nil, err
	}
	number = len(record.Attempts)
	if number == 1 && verdict == nil {
		return number, nil, nil
	}
	var first *Result
	err = w.c.try(ctx, "looking for a result of job "+at.job, brief, func(ctx context.Context) (err error) {
		first, err = w.c.result(ctx, at)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	if first != nil {
		return 0, nil, nil
	}
	if lostNumber > 0 {
		w.say(Event{Kind: Lost, Worker: lost.Worker, Queue: at.queue, Job: at.job, Attempt: lostNumber, Text: fmt.Sprintf("worker %s was lost in attempt %d of job %s", lost.Worker, lostNumber, at.job)})
	}
	return number, verdict, nil
}

// mark says how an attempt ended.
func (w *worker) mark(ctx context.Context, at place, id, state, text string) (claims, error) {
	return w.c.change(ctx, at, false, func(r *claims) bool {
		for i := range r.Attempts {
			if a := &r.Attempts[i]; a.ID == id {
				changed := a.State != state
				a.State, a.Error = state, text
				return changed
			}
		}
		return false
	})
}

// handBack gives a job to another worker at once, without counting the attempt.
func (w *worker) handBack(ctx context.Context, at place, id string, m jetstream.Msg) error {
	soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), brief)
	defer cancel()
	if _, err := w.mark(soon, at, id, left, ""); err != nil {
		return err
	}
	return m.Nak()
}

// run calls the handler, and tells the server all the while that the job is in work.
func (w *worker) run(ctx context.Context, m jetstream.Msg, job Job, lapse time.Duration) (result []byte, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.mu.Lock()
	w.busy, w.cancel = &job, cancel
	w.mu.Unlock()
	var beat sync.WaitGroup
	beat.Go(func() { w.beat(ctx, cancel, m, lapse/3) })
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the handler panicked: %v", r)
		}
		stopped := errors.Is(context.Cause(ctx), errStopped)
		w.mu.Lock()
		w.busy, w.cancel = nil, nil
		w.mu.Unlock()
		cancel(nil)
		beat.Wait()
		if stopped {
			err = errStopped
		}
	}()
	return w.handle(ctx, job)
}

// beat says again and again that the job is in work, until ctx ends, and ends it where the job has
// been taken away.
func (w *worker) beat(ctx context.Context, cancel context.CancelCauseFunc, m jetstream.Msg, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	gone := 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		_ = m.InProgress() // one that is lost is no harm; where all are, the job lapses
		asking, done := w.c.link.within(ctx, every)
		job, err := w.c.last(asking, jobsStream, m.Subject())
		done()
		if err != nil {
			continue
		}
		if gone++; job != nil {
			gone = 0
		}
		if gone == 2 { // once may be a server that has lost it, and gets it again
			cancel(errStopped)
		}
	}
}

// say tells the queues of the group.
func (w *worker) say(e Event) {
	if e.Worker == "" {
		e.Worker = w.name
	}
	e.Version = w.c.opt.Version
	if b, err := json.Marshal(e); err == nil {
		_ = w.c.conn.Publish(sayWord+"."+w.group, b)
	}
}
