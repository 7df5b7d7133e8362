package frozenpass

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// pass is a keep.Help. Shards that nobody computes wait: this process takes them from the front, and
// give hands them to workers from the end, two to each.
type pass struct {
	crew    *Crew
	session *run.Session
	p       *keep.Pass
	c       *cluster.Cluster // of give
	shards  []*shard
	held    time.Time // see Crew.patience

	mu      sync.Mutex
	waiting []*shard
	out     map[string]*shard // given to workers, by job
	number  int               // of jobs so far
	refused []string          // workers whose values were wrong

	came    chan *arrival // for Next
	changed chan struct{} // has a place for one: Next looks again
	given   chan struct{} // the same for give
	stop    context.CancelFunc
	ended   sync.WaitGroup
}

// shard is examples that one process computes.
type shard struct {
	groups  []data.Group
	indices []int
	blob    cluster.Digest // its content, while others may fetch it
	began   time.Time      // when it was given to others
	back    bool           // its values are here, for Next
	done    bool           // it is computed, here or elsewhere
}

// arrival is a shard that came back.
type arrival struct {
	*shard
	job    string
	came   keep.Came
	cached int // see answer
}

// job is the body of a job.
type job struct {
	Pass    bool           `json:"pass"` // tells it from jobs of other kinds
	Kit     cluster.Digest `json:"kit"`
	Shard   cluster.Digest `json:"shard"`
	Refused []string       `json:"refused,omitempty"` // workers that must not do it
}

// answer is the body of a result.
type answer struct {
	Values cluster.Digest `json:"values,omitempty"` // an upload
	Cached int            `json:"cached"`           // examples whose values the worker had
	Cannot string         `json:"cannot,omitempty"` // why no worker can compute them
}

// Next is that of keep.Help.
func (q *pass) Next(ctx context.Context) (here []data.Group, came *keep.Came, err error) {
	q.crew.tellAll()
	since := time.Now()
	for {
		select {
		case a := <-q.came:
			if c := q.take(a); c != nil {
				return nil, c, nil
			}
			continue
		default:
		}
		groups, wait := q.next(since)
		if groups != nil || wait < 0 {
			return groups, nil, nil
		}
		timer := time.NewTimer(wait)
		select {
		case a := <-q.came:
			timer.Stop()
			if c := q.take(a); c != nil {
				return nil, c, nil
			}
		case <-q.changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, nil, ctx.Err()
		}
		timer.Stop()
		q.crew.tellAll()
	}
}

// take takes a shard that came, unless it was computed here meanwhile.
func (q *pass) take(a *arrival) *keep.Came {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.out, a.job)
	if a.done {
		return nil
	}
	if slices.Contains(q.refused, a.came.Worker) {
		a.back = false
		q.waiting = append([]*shard{a.shard}, q.waiting...)
		return nil
	}
	a.done = true
	q.crew.mu.Lock()
	q.crew.sum.Others += len(a.indices)
	q.crew.sum.Cached += a.cached
	q.crew.seen[a.came.Worker] = true
	q.crew.mu.Unlock()
	return &a.came
}

// slower is how much longer than it takes here others may take for what they have, before it is
// computed here as well.
const slower = 4

// next gives a shard to compute here. Where all are done, wait is negative; where others compute what
// is left, it says when to ask again.
func (q *pass) next(since time.Time) (groups []data.Group, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	held := time.Until(q.held)
	q.waiting = slices.DeleteFunc(q.waiting, func(s *shard) bool { return s.done })
	var oldest *shard // that others have
	for _, s := range q.out {
		if !s.done && (oldest == nil || s.began.Before(oldest.began)) {
			oldest = s
		}
	}
	switch {
	case len(q.waiting) == 0 && oldest == nil:
		return nil, -1
	case held > 0:
		return nil, held
	case len(q.waiting) > 0:
		s := q.waiting[0]
		q.waiting = q.waiting[1:]
		return q.here(s), 0
	}
	grace := time.Second + time.Duration(slower*q.p.Seconds*float64(len(oldest.indices))*float64(time.Second))
	if early := time.Until(since.Add(grace)); early > 0 {
		return nil, early
	}
	return q.here(oldest), 0
}

// here is called with q.mu held.
func (q *pass) here(s *shard) []data.Group {
	s.done = true
	q.crew.count(func(of *Summary) { of.Here += len(s.indices) })
	return s.groups
}

// Refuse is that of keep.Help.
func (q *pass) Refuse(c *keep.Came) {
	q.mu.Lock()
	q.refused = append(q.refused, c.Worker)
	for _, s := range q.shards {
		if slices.Equal(s.indices, c.Indices) {
			s.done, s.back = false, false
			q.waiting = append([]*shard{s}, q.waiting...)
		}
	}
	q.mu.Unlock()
	q.crew.mu.Lock()
	q.crew.sum.Others -= len(c.Indices)
	delete(q.crew.seen, c.Worker)
	q.crew.mu.Unlock()
	q.crew.say(fmt.Sprintf("worker %s is refused: its values differ from those that are computed here, which they must not by a bit", c.Worker))
}

// Close is that of keep.Help.
func (q *pass) Close() {
	q.stop()
	q.ended.Wait()
	q.crew.tellAll()
}

// give hands shards to workers until the pass is over, and takes away what the cluster holds of it.
func (q *pass) give(ctx context.Context) {
	err := q.meet(ctx)
	if err == nil || ctx.Err() != nil {
		return
	}
	q.crew.failed(err)
	q.mu.Lock()
	for id, s := range q.out {
		if delete(q.out, id); !s.done {
			q.waiting = append(q.waiting, s)
		}
	}
	q.mu.Unlock()
	wake(q.changed)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// What others have at a time, and how often workers are counted.
const (
	twoEach   = 2
	answering = 300 * time.Millisecond
	counting  = 2 * time.Second
	cleaning  = 10 * time.Second
)

func (q *pass) meet(ctx context.Context) (err error) {
	if q.c, err = q.crew.Open(ctx); err != nil {
		return err
	}
	salt := rand.Text()
	queue, err := q.c.OpenQueue(ctx, q.crew.o.Group, "pass-"+salt)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancelCause(ctx)
	var reader sync.WaitGroup
	reader.Go(func() { stop(q.read(reading, queue)) })
	defer func() {
		stop(nil)
		reader.Wait()
		soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleaning)
		defer cancel()
		q.clean(soon, queue)
	}()
	var kit cluster.Digest
	workers := 0
	began, counted, warned := time.Now(), time.Time{}, false
	for reading.Err() == nil {
		if time.Since(counted) > counting {
			all, _ := queue.Workers(reading, answering) // on an error there are none, for a while
			workers, counted = len(all), time.Now()
		}
		if workers == 0 && !warned && time.Since(began) > noWorker {
			warned = true
			q.crew.say("no worker has come yet: the frozen pass is computed here; permafrost worker joins")
		}
		for id, s := q.last(workers); s != nil; id, s = q.last(workers) {
			if kit == "" {
				if kit, err = q.crew.pack(reading, q.session, q.p); err != nil {
					return err
				}
			}
			if err := q.submit(reading, queue, id, kit, salt, s); err != nil {
				return err
			}
		}
		select {
		case <-q.given:
		case <-time.After(counting):
		case <-reading.Done():
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return context.Cause(reading)
}

// last takes a shard for others, and names its job; nil where they have enough.
func (q *pass) last(workers int) (id string, s *shard) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = slices.DeleteFunc(q.waiting, func(s *shard) bool { return s.done })
	have := 0
	for _, s := range q.out {
		if !s.back {
			have++
		}
	}
	if len(q.waiting) == 0 || have >= twoEach*workers {
		return "", nil
	}
	s = q.waiting[len(q.waiting)-1]
	q.waiting = q.waiting[:len(q.waiting)-1]
	q.number++
	id = fmt.Sprint(q.number)
	q.out[id], s.began = s, time.Now()
	return id, s
}

// submit hands a shard out.
func (q *pass) submit(ctx context.Context, queue *cluster.Queue, id string, kit cluster.Digest, salt string, s *shard) error {
	q.mu.Lock()
	refused := slices.Clone(q.refused)
	q.mu.Unlock()
	content, err := writeShard(q.p, s.indices, salt)
	if err != nil {
		return err
	}
	content = packed(content)
	if s.blob, err = q.c.Put(ctx, bytes.NewReader(content)); err != nil {
		return err
	}
	q.crew.count(func(of *Summary) { of.Sent += int64(len(content)) })
	body, err := json.Marshal(job{Pass: true, Kit: kit, Shard: s.blob, Refused: refused})
	if err != nil {
		return err
	}
	return queue.Submit(ctx, cluster.Submission{ID: id, Body: body})
}

// read hands on what comes back.
func (q *pass) read(ctx context.Context, queue *cluster.Queue) error {
	for {
		r, err := queue.Next(ctx)
		if err != nil {
			return err
		}
		q.mu.Lock()
		s := q.out[r.Job] // it stays there until Next has taken it, which else would think that all is done
		q.mu.Unlock()
		if s == nil {
			continue
		}
		rows, cached, err := q.values(ctx, &r, s)
		if err != nil {
			q.mu.Lock()
			delete(q.out, r.Job)
			if !s.done {
				q.waiting = append([]*shard{s}, q.waiting...) // it is computed here
			}
			q.mu.Unlock()
			if errors.Is(err, errCannot) {
				wake(q.changed)
				return err
			}
			q.crew.say(err.Error())
		} else {
			q.mu.Lock()
			s.back = true
			q.mu.Unlock()
			select {
			case q.came <- &arrival{s, r.Job, keep.Came{Worker: r.Worker, Indices: s.indices, Rows: rows}, cached}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		wake(q.changed)
		wake(q.given)
		_ = q.c.Drop(ctx, s.blob) // what stays is dropped at the end
	}
}

// values reads the values of a shard from its result. cached is that of the answer.
func (q *pass) values(ctx context.Context, r *cluster.Result, s *shard) (rows [][]byte, cached int, err error) {
	if len(r.Poisoned) > 0 {
		return nil, 0, fmt.Errorf("a part of the frozen pass was given up after %d attempts, and is computed here; %s", len(r.Poisoned), r.Poisoned[len(r.Poisoned)-1])
	}
	var a answer
	if err := json.Unmarshal(r.Body, &a); err != nil {
		return nil, 0, fmt.Errorf("worker %s sent a result that cannot be read: %w", r.Worker, err)
	}
	if a.Cannot != "" {
		return nil, 0, fmt.Errorf("%w: worker %s: %s", errCannot, r.Worker, a.Cannot)
	}
	size := len(s.blob)
	for _, i := range s.indices {
		size += total(q.p.Size(i))
	}
	b, err := q.c.Uploaded(ctx, q.crew.o.Group, a.Values, int64(size)+int64(size)/64+1<<12)
	if err == nil {
		_ = q.c.DropUpload(ctx, q.crew.o.Group, a.Values)
		q.crew.count(func(of *Summary) { of.Came += int64(len(b)) })
		b, err = unpacked(b, size)
	}
	b, ours := bytes.CutPrefix(b, []byte(s.blob))
	switch {
	case err != nil:
	case !ours:
		err = errors.New("they are of other examples")
	case len(b) != size-len(s.blob):
		err = fmt.Errorf("%d bytes where %d were to come", len(b), size-len(s.blob))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("worker %s sent values that cannot be read: %w", r.Worker, err)
	}
	for _, i := range s.indices {
		n := total(q.p.Size(i))
		rows, b = append(rows, b[:n:n]), b[n:]
	}
	return rows, a.Cached, nil
}

func total(sizes []int) int {
	n := 0
	for _, size := range sizes {
		n += size
	}
	return n
}

// clean takes away what the cluster holds of the pass. What cannot be stays there.
func (q *pass) clean(ctx context.Context, queue *cluster.Queue) {
	_ = queue.Delete(ctx)
	for _, s := range q.shards {
		if s.blob != "" {
			_ = q.c.Drop(ctx, s.blob)
		}
	}
}
