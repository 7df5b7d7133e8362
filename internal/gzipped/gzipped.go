// Package gzipped compresses bytes that are carried inside a file, and gives them back within a
// bound.
package gzipped

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
)

// Pack compresses b.
func Pack(b []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		if _, err = w.Write(b); err == nil {
			err = w.Close()
		}
	}
	if err != nil {
		panic(err) // the level is known, and memory takes everything
	}
	return out.Bytes()
}

// Is reports whether b begins as what Pack returns does, and no protobuf message.
func Is(b []byte) bool { return bytes.HasPrefix(b, []byte{0x1f, 0x8b}) }

// Unpack undoes Pack. It errors on what is damaged or larger than most bytes.
func Unpack(b []byte, most int) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err == nil && len(out) > most {
		err = fmt.Errorf("it is larger than %d MiB", most>>20)
	}
	return out, err
}
