package cluster_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
)

// A coordinator and a worker in one process. A worker elsewhere opens Options{URL: c.URL()}, with
// the coordinator listening, and does the same.
func Example() {
	store, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(store)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c, err := cluster.Open(ctx, cluster.Options{Store: store, Version: "0.1.0"})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	q, err := c.OpenQueue(ctx, "letters", "run-1")
	if err != nil {
		panic(err)
	}

	working, stop := context.WithCancel(ctx)
	left := make(chan error, 1)
	go func() {
		left <- c.Work(working, "letters", "worker-1", func(_ context.Context, job cluster.Job) ([]byte, error) {
			return []byte(strings.ToUpper(string(job.Body))), nil
		})
	}()

	// What a log of earlier results does not hold is submitted, and every result is logged.
	if err := q.Submit(ctx, cluster.Submission{ID: "trial-1", Body: []byte("abc")}); err != nil {
		panic(err)
	}
	r, err := q.Next(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s, attempt %d by %s: %s\n", r.Job, r.Attempt, r.Worker, r.Body)
	stop()
	<-left
	if err := q.Delete(ctx); err != nil {
		panic(err)
	}
	// Output: trial-1, attempt 1 by worker-1: ABC
}
