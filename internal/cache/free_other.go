//go:build (!windows && !unix) || openbsd || netbsd || solaris || illumos || aix

package cache

import "os"

// freeSpace is unknown on this system.
func freeSpace(dir string) (int64, bool) {
	_, err := os.Stat(dir)
	return 100 << 30, err == nil
}
