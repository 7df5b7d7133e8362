package serve

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// unmapProgram takes the pages of the program's own file out of memory, most of which only its start
// needs. Those that are used again come back from the system's cache of files. Nothing is lost: parts
// that can be written, or have been, are left alone.
func unmapProgram() {
	program, err := os.Executable()
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	var from, to uintptr // of the part that the lines are about; to is 0 for one that stays
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		var a, b uintptr
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %4s", &a, &b, &mode); n == 3 {
			from, to = a, 0
			if strings.HasSuffix(line, " "+program) && (mode == "r--p" || mode == "r-xp") {
				to = b
			}
		}
		var changed int
		if n, _ := fmt.Sscanf(line, "Anonymous: %d kB", &changed); n == 1 && to > 0 && changed == 0 {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED) // a hint
		}
	}
}
