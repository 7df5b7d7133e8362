package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long an idle worker, or a caller that waits for the last tasks, looks again and
// again before it parks: more than the time between two operations of a network, less than a person
// can notice. Waking a parked worker takes tens of microseconds, as long as a small convolution.
const patience = 200 * time.Microsecond

// spin calls ready until it says true or patience has run out. It returns the last answer.
func spin(ready func() bool) bool {
	var start time.Time
	for {
		for range 2000 {
			if ready() {
				return true
			}
		}
		switch {
		case start.IsZero():
			start = time.Now()
		case time.Since(start) > patience:
			return false
		}
		runtime.Gosched()
	}
}

// job is one call of Parallel. Every thread that takes part has a share of the tasks.
type job struct {
	fn     func(task, thread int)
	shares []share
	parked atomic.Bool         // the caller sleeps on ended
	ended  chan struct{}       // made before parked is set
	failed atomic.Pointer[any] // first panic
}

// share is the tasks that a thread runs first: neighbours, so that a thread meets the same part of
// the data from operation to operation. Who has run its own helps with those of others. A share has
// a cache line of its own.
type share struct {
	next atomic.Int64 // to claim
	end  int64
	ran  atomic.Int64 // tasks that the thread has run, of any share
	_    [40]byte
}

// newJob shares tasks from to n out among threads.
func newJob(from, n, threads int, fn func(task, thread int)) *job {
	j := &job{fn: fn, shares: make([]share, threads)}
	for i := range j.shares {
		lo, hi := part(i, n-from, threads)
		j.shares[i].next.Store(int64(from + lo))
		j.shares[i].end = int64(from + hi)
		j.shares[i].ran.Store(int64(lo - hi)) // so that all add up to 0 in the end
	}
	return j
}

// run claims and runs tasks until none is left. After a panic the remaining tasks are dropped.
func (j *job) run(thread int) {
	ran := int64(0)
	for !j.tasks(thread, &ran) {
	}
	j.shares[thread].ran.Add(ran)
}

// tasks runs tasks, those of the thread's own share first. It returns false after a panic.
func (j *job) tasks(thread int, ran *int64) (all bool) {
	defer func() {
		if r := recover(); r != nil {
			j.failed.CompareAndSwap(nil, &r)
		}
	}()
	for k := range j.shares {
		s := &j.shares[(thread+k)%len(j.shares)]
		for s.next.Load() < s.end {
			i := s.next.Add(1) - 1
			if i >= s.end {
				break
			}
			*ran++
			if j.failed.Load() == nil {
				j.fn(int(i), thread)
			}
		}
	}
	return true
}

// over says whether all tasks have been run.
func (j *job) over() bool {
	left := int64(0)
	for i := range j.shares {
		left += j.shares[i].ran.Load()
	}
	return left == 0
}

// help runs tasks on behalf of the caller and tells it if they were the last.
func (j *job) help(thread int) {
	j.run(thread)
	if j.parked.Load() && j.over() && j.parked.CompareAndSwap(true, false) {
		j.ended <- struct{}{}
	}
}

// wait returns when all tasks have been run.
func (j *job) wait() {
	if spin(j.over) {
		return
	}
	j.ended = make(chan struct{}, 1)
	j.parked.Store(true)
	if j.over() && j.parked.CompareAndSwap(true, false) {
		return
	}
	<-j.ended
}

// worker is a goroutine that helps whatever job is offered.
type worker struct {
	thread int
	last   *job // that it helped with
	parked atomic.Bool
	wake   chan struct{}
	quit   atomic.Bool
}

func (w *worker) loop() {
	for !w.quit.Load() {
		if spin(w.called) {
			w.help()
			continue
		}
		w.last = nil // keeps nothing alive
		w.parked.Store(true)
		if w.called() && w.parked.CompareAndSwap(true, false) {
			continue
		}
		<-w.wake
	}
}

// called says whether there is a job that the worker has a share in, or that it is to quit.
func (w *worker) called() bool {
	j := pool.current.Load()
	return j != w.last && j != nil && w.thread < len(j.shares) || w.quit.Load()
}

func (w *worker) help() {
	if j := pool.current.Load(); j != nil && w.thread < len(j.shares) {
		w.last = j
		j.help(w.thread)
	}
}

func (w *worker) unpark() {
	if w.parked.Load() && w.parked.CompareAndSwap(true, false) {
		w.wake <- struct{}{}
	}
}

// pool holds the workers and the one job that is offered to them.
var pool struct {
	current atomic.Pointer[job]
	workers atomic.Pointer[[]*worker] // nil before first use
	mu      sync.Mutex                // guards changes of workers
}

// Threads is the number of goroutines that Parallel spreads work over, the
// caller included. It starts as GOMAXPROCS.
func Threads() int { return len(*team()) + 1 }

// SetThreads makes Parallel use n goroutines, the caller included; n < 1 counts
// as 1. Results do not depend on it. Workers that are not needed any more end.
func SetThreads(n int) {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	setThreads(n)
}

func setThreads(n int) {
	var old []*worker
	if p := pool.workers.Load(); p != nil {
		old = *p
	}
	n = max(n-1, 0)
	ws := append([]*worker(nil), old[:min(n, len(old))]...)
	for len(ws) < n {
		w := &worker{thread: len(ws) + 1, wake: make(chan struct{}, 1)}
		go w.loop()
		ws = append(ws, w)
	}
	pool.workers.Store(&ws)
	for _, w := range old[min(n, len(old)):] {
		w.quit.Store(true)
		w.unpark()
	}
}

func team() *[]*worker {
	if p := pool.workers.Load(); p != nil {
		return p
	}
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if pool.workers.Load() == nil {
		setThreads(runtime.GOMAXPROCS(0))
	}
	return pool.workers.Load()
}

// Parallel calls fn(0) to fn(n-1), each once, on the caller and the pool's
// workers, and returns when all have returned. Tasks are handed out one by one, so
// they may differ in length. It may be called from several goroutines at once
// and from within a task: while the workers are busy with another call, the
// caller runs its own tasks. A panic in a task stops the handing out and is
// raised again in the caller.
//
// The caller fixes the split of the work: the same n and fn, whatever the number of threads.
func Parallel(n int, fn func(i int)) {
	parallel(n, len(*team())+1, func(task, _ int) { fn(task) })
}

// parallelScratch is Parallel with size floats of scratch memory for every task. The tasks of a
// thread have the same, one after the other.
func parallelScratch(n, size int, fn func(i int, buf []float32)) {
	threads := max(1, min(n, len(*team())+1))
	buf := getScratch(threads * size)
	defer putScratch(buf)
	parallel(n, threads, func(task, thread int) { fn(task, (*buf)[thread*size:(thread+1)*size]) })
}

// parallel is Parallel on at most so many threads, with the number of the thread for every task.
func parallel(n, threads int, fn func(task, thread int)) {
	ws := *team()
	threads = min(n, threads, len(ws)+1)
	for i := range n {
		if threads > 1 && n-i > 1 && offer(ws, i, n, min(threads, n-i), fn) {
			return
		}
		fn(i, 0)
	}
}

// offer runs tasks from to n on the caller and its workers, unless these are busy.
func offer(ws []*worker, from, n, threads int, fn func(task, thread int)) bool {
	if pool.current.Load() != nil {
		return false
	}
	j := newJob(from, n, threads, fn)
	if !pool.current.CompareAndSwap(nil, j) {
		return false
	}
	for _, w := range ws[:threads-1] {
		w.unpark()
	}
	j.run(0)
	pool.current.Store(nil)
	j.wait()
	if p := j.failed.Load(); p != nil {
		panic(*p)
	}
	return true
}

// taskWork is the multiply-adds of a small task: about a microsecond, as long as it takes another
// core to hear of it.
const taskWork = 1 << 16

// worthTasks is how many tasks a small operation of so many multiply-adds is worth. Where cores
// share no cache, what one has written costs the other as much as some microseconds of work.
func worthTasks(work int) int {
	if work < 6*taskWork {
		return 1
	}
	return min(16, work/taskWork)
}
