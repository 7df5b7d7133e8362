package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

// percentNow is the garbage that may wait, in percent of the memory in use.
func percentNow() int {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return int(s[0].Value.Uint64())
}

// TestGarbage runs a process of its own, as what collectGarbage sets holds for the whole process: garbage is
// a tenth of little memory, less of much, and left alone where GOGC says how much it may be.
func TestGarbage(t *testing.T) {
	if os.Getenv("PERMAFROST_TEST_GARBAGE") != "" {
		limitGarbage(40)
		before := percentNow()
		collectGarbage()
		little := percentNow()
		much := make([]byte, 256<<20)
		least, wait := little, 10*time.Second
		if os.Getenv("GOGC") != "" {
			wait = 100 * time.Millisecond // nothing is to come
		}
		for end := time.Now().Add(wait); least == little && time.Now().Before(end); least = percentNow() {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		runtime.KeepAlive(much)
		limitGarbage(1)
		fmt.Printf("garbage %d %d %d %d\n", before, little, least, percentNow())
		return
	}
	for _, c := range []struct{ gogc, want string }{
		{"", "garbage 100 10 3 1"},
		{"77", "garbage 77 77 77 77"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGarbage$")
		cmd.Env = append(os.Environ(), "PERMAFROST_TEST_GARBAGE=1", "GOGC="+c.gogc)
		out, err := cmd.CombinedOutput()
		if line, _, _ := strings.Cut(string(out), "\n"); err != nil || !strings.HasPrefix(line, c.want) {
			t.Errorf("GOGC=%q: %s, %v; want %s", c.gogc, line, err, c.want)
		}
	}
}

func TestGarbageShare(t *testing.T) {
	for _, c := range []struct {
		live, scan uint64 // MiB
		most, want int64
	}{
		{2, 0, garbagePercent, 200},  // 4 MiB wait
		{40, 1, garbagePercent, 10},  // either
		{60, 1, garbagePercent, 10},  // a tenth
		{400, 0, garbagePercent, 2},  // 8 MiB
		{400, 20, garbagePercent, 7}, // and what is to be scanned
		{50, 1, serverPercent, 5},
		{8000, 0, garbagePercent, 1},
	} {
		if got := garbageShare(c.live<<20, c.scan<<20, c.most); got != c.want {
			t.Errorf("garbageShare(%d MiB, %d MiB, %d) = %d, want %d", c.live, c.scan, c.most, got, c.want)
		}
	}
}
