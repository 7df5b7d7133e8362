package kernel

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestParallelRunsEachTaskOnce(t *testing.T) {
	defer SetThreads(Threads())
	for _, threads := range []int{1, 2, 4, 1, 3} {
		SetThreads(threads)
		if Threads() != threads {
			t.Fatalf("Threads() = %d, want %d", Threads(), threads)
		}
		for _, n := range []int{0, 1, 2, 7, 1000} {
			hits := make([]atomic.Int32, n)
			Parallel(n, func(i int) { hits[i].Add(1) })
			for i := range hits {
				if h := hits[i].Load(); h != 1 {
					t.Fatalf("%d threads: task %d of %d ran %d times", threads, i, n, h)
				}
			}
		}
	}
}

func TestParallelNestedAndConcurrent(t *testing.T) {
	defer SetThreads(Threads())
	SetThreads(4)
	var total atomic.Int64
	var wg sync.WaitGroup
	for range 5 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 50 {
				Parallel(10, func(int) {
					Parallel(10, func(int) { total.Add(1) })
				})
			}
		}()
	}
	wg.Wait()
	if total.Load() != 5*50*100 {
		t.Fatalf("%d tasks ran", total.Load())
	}
}

func TestParallelPanics(t *testing.T) {
	defer SetThreads(Threads())
	SetThreads(3)
	for range 100 {
		func() {
			defer func() {
				if r := recover(); r != "boom" {
					t.Errorf("recovered %v", r)
				}
			}()
			Parallel(20, func(i int) {
				if i == 7 {
					panic("boom")
				}
			})
		}()
	}
	var n atomic.Int32
	Parallel(10, func(int) { n.Add(1) })
	if n.Load() != 10 {
		t.Fatal("the pool does not work after a panic")
	}
}

func BenchmarkParallelEmpty(b *testing.B) {
	for b.Loop() {
		Parallel(16, func(int) {})
	}
}
