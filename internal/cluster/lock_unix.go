//go:build unix && !solaris && !illumos && !aix

package cluster

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock holds a file for this process until it is closed or the process ends.
func lock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
