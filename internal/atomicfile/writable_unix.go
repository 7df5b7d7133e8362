//go:build unix

package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// writable errors if this process may not write to a folder.
func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return &os.PathError{Op: "write", Path: dir, Err: err}
	}
	return nil
}
