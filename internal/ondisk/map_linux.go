package ondisk

import (
	"errors"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// folder is for the files, unless TMPDIR names another: large files are meant to be there, and unlike
// /tmp it is not in memory.
const folder = "/var/tmp"

// disks are the types of file systems on disks of this machine, as statfs(2) has them.
var disks = []uint32{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.OVERLAYFS_SUPER_MAGIC}

var (
	errDisk   = errors.New("ondisk: no disk of this machine with enough space")
	errLength = errors.New("ondisk: another number of bytes was written")
)

func mapFile(n int64, write func(*os.File) error) ([]byte, error) {
	dir := os.Getenv("TMPDIR")
	if dir == "" {
		dir = folder
	}
	// O_EXCL: it can be given no name later
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	var disk unix.Statfs_t
	if err := unix.Fstatfs(fd, &disk); err != nil {
		return nil, err
	}
	if !slices.Contains(disks, uint32(disk.Type)) || disk.Bavail < uint64(spare*n)/uint64(disk.Bsize) {
		return nil, errDisk
	}
	if err := write(f); err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() != n {
		return nil, errLength
	}
	return unix.Mmap(fd, 0, int(n), unix.PROT_READ, unix.MAP_SHARED)
}

func unmap(b []byte) { _ = unix.Munmap(b) }

// fetch has the system map all pages that b touches, which it otherwise does a few at a time. It is a
// hint.
func fetch(b []byte) {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from := at &^ uintptr(os.Getpagesize()-1)
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, at+uintptr(len(b))-from, unix.MADV_POPULATE_READ)
}

func release(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) } // a hint
