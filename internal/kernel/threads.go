package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// spins is how often an idle worker, or a caller that waits for the last
// tasks, looks again before it parks: some tens of microseconds, more than the
// time between two operations of a network and less than a person can notice.
const spins = 2000

// job is one call of Parallel. Tasks are claimed by counting next up to n.
type job struct {
	fn     func(int)
	n      int64
	next   atomic.Int64
	inside atomic.Int32 // workers that may hold a claimed task
	parked atomic.Bool  // the caller sleeps on done
	done   chan struct{}
	failed atomic.Pointer[any] // first panic
}

// run claims and runs tasks until none is left. Before each claim it calls offer, if any. After a
// panic the remaining tasks are dropped.
func (j *job) run(offer func()) {
	defer func() {
		if r := recover(); r != nil {
			j.next.Store(j.n)
			j.failed.CompareAndSwap(nil, &r)
		}
	}()
	for {
		if offer != nil {
			offer()
		}
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		j.fn(int(i))
	}
}

// help runs tasks on behalf of the caller and tells it when the last helper leaves.
func (j *job) help() {
	j.inside.Add(1)
	j.run(nil)
	if j.inside.Add(-1) == 0 && j.parked.CompareAndSwap(true, false) {
		j.done <- struct{}{}
	}
}

// wait returns when no helper is inside. It is called after the last claim, so a
// helper that comes later finds no task.
func (j *job) wait() {
	for i := 0; i < spins; i++ {
		if j.inside.Load() == 0 {
			return
		}
		if i%64 == 63 {
			runtime.Gosched()
		}
	}
	j.parked.Store(true)
	if j.inside.Load() == 0 && j.parked.CompareAndSwap(true, false) {
		return
	}
	<-j.done
}

// worker is a goroutine that helps whatever job is offered.
type worker struct {
	parked atomic.Bool
	wake   chan struct{}
	quit   atomic.Bool
}

func (w *worker) loop() {
	for !w.quit.Load() {
		j := pool.current.Load()
		for i := 0; i < spins && (j == nil || j.next.Load() >= j.n); i++ {
			if i%64 == 63 {
				runtime.Gosched()
			}
			j = pool.current.Load()
		}
		if j != nil && j.next.Load() < j.n {
			j.help()
			continue
		}
		w.parked.Store(true)
		if j := pool.current.Load(); (j != nil && j.next.Load() < j.n) || w.quit.Load() {
			if w.parked.CompareAndSwap(true, false) {
				continue
			}
		}
		<-w.wake
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
		w := &worker{wake: make(chan struct{}, 1)}
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
	ws := *team()
	if n <= 1 || len(ws) == 0 {
		for i := 0; i < n; i++ {
			fn(i)
		}
		return
	}
	j := &job{fn: fn, n: int64(n), done: make(chan struct{}, 1)}
	offered := false
	j.run(func() {
		if offered || !pool.current.CompareAndSwap(nil, j) {
			return
		}
		offered = true
		for i := 0; i < len(ws) && i < n-1; i++ {
			ws[i].unpark()
		}
	})
	if offered {
		pool.current.CompareAndSwap(j, nil)
		j.wait()
	}
	if p := j.failed.Load(); p != nil {
		panic(*p)
	}
}
