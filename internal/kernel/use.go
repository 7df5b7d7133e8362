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

// resize gives the pool the threads that its uses ask for.
func resize() {
	most := 0
	for n := range uses {
		most = max(most, n)
	}
	if most == 0 {
		most = runtime.GOMAXPROCS(0)
	}
	if p := pool.workers.Load(); p == nil || len(*p) != most-1 {
		setThreads(most)
	}
}
