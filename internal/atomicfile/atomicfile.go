// Package atomicfile writes files whole or not at all.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Write writes the file at path through write, so that whatever happens path holds either what
// it held or all of what write wrote: a file beside it is written, flushed to the disk and renamed.
func Write(path string, write func(io.Writer) error) (err error) {
	f, err := createTemp(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 64<<10)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// CheckDir errors if no file can be made in dir, or, while dir does not exist, in the nearest folder
// above it that does. It writes nothing. On Windows it only finds that dir is below a file.
func CheckDir(dir string) error {
	for {
		st, err := os.Stat(dir)
		switch {
		case err == nil && !st.IsDir():
			return &os.PathError{Op: "write", Path: dir, Err: syscall.ENOTDIR}
		case err == nil:
			return writable(dir)
		}
		above := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || above == dir {
			return err
		}
		dir = above
	}
}

// CheckFile errors if no file can be written at path: its folder does not exist or may not be written to,
// or path is a folder. It writes nothing.
func CheckFile(path string) error {
	dir := filepath.Dir(path)
	switch st, err := os.Stat(dir); {
	case errors.Is(err, os.ErrNotExist), err == nil && !st.IsDir():
		return fmt.Errorf("there is no folder %s", dir)
	case err != nil:
		return err
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return fmt.Errorf("%s is a folder: name a file", path)
	}
	return CheckDir(dir)
}

// createTemp makes a file beside path, with the permissions that a new file at path would have.
func createTemp(path string) (*os.File, error) {
	for i := 0; ; i++ {
		f, err := os.OpenFile(tempName(path, i), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, os.ErrExist) || i == 1000 {
			return f, err
		}
	}
}

// tempName is a name beside path that no other process takes; i tells several apart.
func tempName(path string, i int) string { return fmt.Sprintf("%s.%d-%d.tmp", path, os.Getpid(), i) }

// syncDir makes a rename in dir last. Systems whose directories cannot be flushed have nothing to
// do.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}
