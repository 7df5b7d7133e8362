package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// BenchmarkSearch runs searches of b.N trials of no cost through 1,000 workers, who share 20
// connections to an embedded server: planner, log and queue are those of any search. It reports the
// time of a trial and, at each quarter, the heap in use and the memory that the process holds. The
// variable WORKERS_TEST_WORKERS gives another number of workers.
func BenchmarkSearch(b *testing.B) {
	for _, algorithm := range []string{"random", "tpe", "evolution"} {
		b.Run(algorithm, func(b *testing.B) { benchSearch(b, algorithm) })
	}
}

func benchSearch(b *testing.B, algorithm string) {
	workers, connections := 1000, 20
	if n, err := strconv.Atoi(os.Getenv("WORKERS_TEST_WORKERS")); err == nil {
		workers, connections = n, min(n, connections)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := b.TempDir()
	o := smallIn(b, dir, b.N)
	o.Algorithm, o.Lag = algorithm, workers
	o.Config.Out = filepath.Join(dir, "found")
	o.Space = []byte("thaw: [head]\nlr: {log: [1e-4, 1e-1]}\nweight_decay: {log: [1e-4, 1e-1]}\nlabel_smoothing: {float: [0, 0.3]}\n")
	n := 0
	o.Ended = func(trials.Entry) {
		if n++; n*4%b.N != 0 || b.N < 4 {
			return
		}
		b.StopTimer()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.Logf("%s, quarter %d: heap in use %d MB, held %d MB, %v", algorithm, n*4/b.N, m.HeapAlloc>>20, (m.Sys-m.HeapReleased)>>20, b.Elapsed().Round(time.Millisecond))
		b.StartTimer()
	}
	s, err := trials.New(ctx, o)
	if err != nil {
		b.Fatal(err)
	}
	c, err := Open(ctx, Options{Here: true, Tell: func(string) {}, Cluster: cluster.Options{Store: filepath.Join(dir, "nats"), Listen: "127.0.0.1:0"}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r, err := c.Runner(ctx, s, false)
	if err != nil {
		b.Fatal(err)
	}
	s.Use(r)
	var ended sync.WaitGroup
	defer ended.Wait()
	defer cancel()
	for i := range connections {
		remote, err := cluster.Open(ctx, cluster.Options{URL: c.URL(), Version: version()})
		if err != nil {
			b.Fatal(err)
		}
		defer remote.Close()
		for k := range workers / connections {
			ended.Go(func() {
				_ = remote.Work(ctx, group, fmt.Sprintf("w-%d-%d", i, k), free)
			})
		}
	}
	for there := 0; there < workers; {
		all, err := r.(*runner).queue.Workers(ctx, time.Second)
		if err != nil {
			b.Fatal(err)
		}
		there = len(all)
	}
	b.ResetTimer()
	if err := s.Run(ctx); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	t := c.Traffic()
	b.ReportMetric(float64(t.Sent+t.Received)/float64(b.N), "coordinator-B/trial")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/trial")
}

// free does a task at no cost. Its score depends on the point alone.
func free(_ context.Context, j cluster.Job) ([]byte, error) {
	var body job
	if err := json.Unmarshal(j.Body, &body); err != nil {
		return nil, err
	}
	lr := 0.0
	for _, p := range body.Task.Point.Settings() {
		if p.Name == "lr" {
			lr, _ = strconv.ParseFloat(p.Value.String(), 64)
		}
	}
	return json.Marshal(trials.Outcome{Score: 1 / (1 + (lr-0.01)*(lr-0.01)), Loss: lr, Epochs: 1})
}
