package serve

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// fileKB is how many kB of files are in the memory of the process.
func fileKB(t *testing.T) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	_, after, _ := strings.Cut(string(b), "RssFile:")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Skip("the system does not say what is in memory: ", err)
	}
	return n
}

func TestUnmapProgram(t *testing.T) {
	before := fileKB(t)
	unmapProgram()
	if after := fileKB(t); after > before*3/4 {
		t.Errorf("%d kB of files in memory, of %d before", after, before)
	}
}
