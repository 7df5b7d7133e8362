package main

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// maxStdin bounds a file that comes on stdin, in bytes.
const maxStdin = 1 << 30

// stdinFile puts what stdin holds into a temporary file where args name "-", as readers of files
// want to read them again. args get its path in the place of "-"; done takes it away.
func stdinFile(stdin io.Reader, args []string) (files []string, path string, done func(), err error) {
	i := slices.Index(args, "-")
	if i < 0 {
		return args, "", func() {}, nil
	}
	if slices.Contains(args[i+1:], "-") {
		return nil, "", nil, fmt.Errorf("- is given twice: stdin is one file")
	}
	f, err := os.CreateTemp("", "permafrost-stdin-")
	if err != nil {
		return nil, "", nil, err
	}
	done = func() { os.Remove(f.Name()) }
	n, err := io.Copy(f, io.LimitReader(stdin, maxStdin+1))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil && n > maxStdin {
		err = fmt.Errorf("stdin holds more than %d bytes: give files", maxStdin)
	}
	if err != nil {
		done()
		return nil, "", nil, err
	}
	files = slices.Clone(args)
	files[i] = f.Name()
	return files, f.Name(), done, nil
}
