//go:build unix && !openbsd && !netbsd && !solaris && !illumos && !aix

package cache

import "golang.org/x/sys/unix"

// freeSpace is how many more bytes the user may write to the file system that holds dir.
func freeSpace(dir string) (int64, bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
