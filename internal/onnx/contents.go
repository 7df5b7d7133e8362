package onnx

import (
	"io"
	"os"

	"github.com/permafrost-ml/permafrost/internal/ondisk"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// loader returns n bytes of a file from offset on, which later changes of the file do not reach. With
// an error it returns those that are there.
type loader func(f *os.File, offset, n int64) ([]byte, error)

func inMemory(f *os.File, offset, n int64) ([]byte, error) {
	b := tensor.AlignedBytes(int(n))
	k, err := io.ReadFull(io.NewSectionReader(f, offset, n), b)
	return b[:k], err
}

func onDisk(f *os.File, offset, n int64) ([]byte, error) {
	if b, ok := ondisk.Copy(f, offset, n); ok {
		return b, nil
	}
	return inMemory(f, offset, n)
}

// readFile reads a whole file. It errors if the file is of another format, before it is read.
func readFile(path string, load loader) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := foreign(f, st.Size()); err != nil {
		return nil, err
	}
	b, err := load(f, 0, st.Size())
	if err == io.EOF || err == io.ErrUnexpectedEOF { // it shrank
		return b, nil
	}
	return b, err
}
