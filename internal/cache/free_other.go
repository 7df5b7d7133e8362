//go:build !unix || openbsd || netbsd || solaris || illumos || aix

package cache

import "os"

// freeSpace is not known here: the budget is what is left of a large one.
func freeSpace(dir string) (int64, bool) {
	_, err := os.Stat(dir)
	return 100 << 30, err == nil
}
