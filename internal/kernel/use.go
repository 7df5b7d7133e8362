package kernel

import "runtime"

// uses counts the calls of Use that have not been released, by their number of threads. It is
// guarded by pool.mu.
var uses = map[int]int{}

// Use asks for n threads, 0 for GOMAXPROCS, until release is called, once. While several uses are
// open, Parallel has as many threads as the largest of them asks for: results do not depend on it.
// With the last one gone it has GOMAXPROCS again.
func Use(n int) (release func()) {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	pool.mu.Lock()
	defer pool.mu.Unlock()
	uses[n]++
	resize()
	return func() {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		if uses[n]--; uses[n] == 0 {
			delete(uses, n)
		}
		resize()
	}
}

// beside is the number of calls of Beside that have not been released. It is guarded by pool.mu.
var beside int

// Beside says that the calling goroutine computes beside others that do the same, until release is
// called, once. Each of them takes the place of a thread of Parallel: small work is done faster by
// as many goroutines as there are threads, each by itself, than by all threads together. Results do
// not depend on it.
func Beside() (release func()) {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	beside++
	resize()
	return func() {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		beside--
		resize()
	}
}

// resize gives the pool the threads that its uses ask for, less those whose place goroutines take
// that compute beside the first one.
func resize() {
	most := 0
	for n := range uses {
		most = max(most, n)
	}
	if most == 0 {
		most = runtime.GOMAXPROCS(0)
	}
	most = max(1, most-max(0, beside-1))
	if p := pool.workers.Load(); p == nil || len(*p) != most-1 {
		setThreads(most)
	}
}
