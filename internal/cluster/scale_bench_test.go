package cluster

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
)

// BenchmarkCoordinator sends b.N jobs of no cost through 1,000 workers, who share 20 connections to
// an embedded server that writes to the disk. It reports the time of a job and, at each quarter, the heap
// in use and the memory that the process holds.
func BenchmarkCoordinator(b *testing.B) {
	const workers, connections = 1000, 20
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opt := Options{Store: b.TempDir(), Listen: "127.0.0.1:0", Version: "1"}
	c, err := Open(ctx, opt)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	q, err := c.OpenQueue(ctx, "work", "a")
	if err != nil {
		b.Fatal(err)
	}
	var ended sync.WaitGroup
	defer ended.Wait()
	defer cancel()
	var remotes []*Cluster
	for i := range connections {
		remote, err := Open(ctx, Options{URL: c.URL(), Version: "1"})
		if err != nil {
			b.Fatal(err)
		}
		defer remote.Close()
		remotes = append(remotes, remote)
		for k := range workers / connections {
			ended.Go(func() {
				_ = remote.Work(ctx, "work", fmt.Sprintf("w-%d-%d", i, k), func(context.Context, Job) ([]byte, error) { return []byte("done"), nil })
			})
		}
	}
	for there := 0; there < workers; {
		all, err := q.Workers(ctx, time.Second)
		if err != nil {
			b.Fatal(err)
		}
		there = len(all)
	}
	b.ResetTimer()
	go func() {
		for from := 0; from < b.N; from += 500 {
			if err := q.Submit(ctx, submissions(from, min(from+500, b.N))...); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	for i := range b.N {
		if _, err := q.Next(ctx); err != nil {
			b.Fatal(err)
		}
		if quarter := (i + 1) * 4 / b.N; (i+1)*4%b.N == 0 || b.N < 4 {
			b.StopTimer()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.Logf("quarter %d: heap in use %d MB, held %d MB, %v", quarter, m.HeapAlloc>>20, (m.Sys-m.HeapReleased)>>20, b.Elapsed().Round(time.Millisecond))
			b.StartTimer()
		}
	}
	b.StopTimer()
	bytes := func(c *Cluster) float64 { t := c.Traffic(); return float64(t.Sent+t.Received) / float64(b.N) }
	perWorker := 0.0
	for _, r := range remotes {
		perWorker += bytes(r)
	}
	b.ReportMetric(bytes(c), "coordinator-B/job")
	b.ReportMetric(perWorker, "workers-B/job")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/job")
}
