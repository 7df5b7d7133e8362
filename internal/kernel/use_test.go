package kernel

import (
	"runtime"
	"testing"
)

// TestUse: the largest of the open uses counts, and what was before comes back.
func TestUse(t *testing.T) {
	all := runtime.GOMAXPROCS(0)
	defer SetThreads(all)
	one := Use(1)
	if n := Threads(); n != 1 {
		t.Errorf("one use of 1: %d threads", n)
	}
	five := Use(5)
	if n := Threads(); n != 5 {
		t.Errorf("uses of 1 and 5: %d threads", n)
	}
	one()
	if n := Threads(); n != 5 {
		t.Errorf("a use of 5: %d threads", n)
	}
	five()
	if n := Threads(); n != all {
		t.Errorf("no use: %d threads, want %d", n, all)
	}
	if release := Use(0); Threads() != all {
		t.Errorf("a use of 0: %d threads, want %d", Threads(), all)
	} else {
		release()
	}
}

// TestBeside: goroutines that compute beside others take the places of threads, and give them back.
func TestBeside(t *testing.T) {
	defer Use(3)()
	var leave []func()
	for _, want := range []int{3, 2, 1, 1} {
		leave = append(leave, Beside())
		if n := Threads(); n != want {
			t.Errorf("%d goroutines beside each other: %d threads, want %d", len(leave), n, want)
		}
	}
	for _, l := range leave {
		l()
	}
	if n := Threads(); n != 3 {
		t.Errorf("%d threads are left of 3", n)
	}
}
