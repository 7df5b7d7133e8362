package cluster

import (
	"context"
	"slices"
	"testing"
	"time"
)

// TestGroups: a coordinator finds the groups that an earlier one opened, and those whose workers
// answer, long before it would have waited for the others.
func TestGroups(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := Open(ctx, Options{Store: t.TempDir(), Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if all, err := c.Groups(ctx, ""); err != nil || len(all) > 0 {
		t.Fatalf("%v, %v of a server without groups", all, err)
	}
	for _, g := range []string{"fed-b", "fed-a", "other"} {
		q, err := c.OpenQueue(ctx, g, "q")
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
	}
	all, err := c.Groups(ctx, "fed-")
	if err != nil || !slices.Equal(all, []string{"fed-a", "fed-b"}) {
		t.Fatalf("%v, %v", all, err)
	}
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- c.Work(working, "fed-b", "w", func(context.Context, Job) ([]byte, error) { return nil, nil })
	}()
	defer func() { stop(); <-ended }()
	for {
		there, err := c.Answering(ctx, all, 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(there, []string{"fed-b"}) {
			return
		}
		if len(there) > 0 {
			t.Fatalf("%v answer", there)
		}
	}
}
