package ondisk

import (
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// folder is for copies, unless TMPDIR names another: large files are meant to be there, and unlike
// /tmp it is not in memory.
const folder = "/var/tmp"

// disks are the types of file systems on disks of this machine, as statfs(2) has them.
var disks = []uint32{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.OVERLAYFS_SUPER_MAGIC}

var errUnsuitable = errors.New("ondisk: no suitable disk")

// mapCopy copies n bytes of f from offset on into a file without a name and maps it.
func mapCopy(f *os.File, offset, n int64) ([]byte, error) {
	dir := os.Getenv("TMPDIR")
	if dir == "" {
		dir = folder
	}
	// O_EXCL: it can be given no name later
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	c := os.NewFile(uintptr(fd), dir)
	defer c.Close()
	var disk unix.Statfs_t
	if err := unix.Fstatfs(fd, &disk); err != nil {
		return nil, err
	}
	if !slices.Contains(disks, uint32(disk.Type)) || disk.Bavail < uint64(spare*n)/uint64(disk.Bsize) {
		return nil, errUnsuitable
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	if _, err := io.CopyN(c, f, n); err != nil { // within the system, where it can
		return nil, err
	}
	return unix.Mmap(fd, 0, int(n), unix.PROT_READ, unix.MAP_SHARED)
}

func unmap(b []byte) { _ = unix.Munmap(b) }

func release(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) } // a hint
