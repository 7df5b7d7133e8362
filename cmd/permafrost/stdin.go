package main

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// maxStdin limits the size of a file from stdin, in bytes.
const maxStdin = 1 << 30

// stdinFile copies stdin to a temporary file if args contain "-", as file readers need to read
// repeatedly. In files, its path replaces "-"; done removes it.
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
