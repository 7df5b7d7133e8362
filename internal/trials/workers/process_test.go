package workers

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
)

// The test binary plays other processes: the variable says which.
const roleKey = "WORKERS_TEST_ROLE"

func play() int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Fprintln(os.Stderr, Work(ctx, WorkOptions{Cluster: cluster.Options{URL: os.Getenv("WORKERS_TEST_URL")}, Name: os.Getenv("WORKERS_TEST_NAME"), Tell: func(string) {}}))
	return 1
}
