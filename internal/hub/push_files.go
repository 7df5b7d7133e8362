package hub

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// pushFile is a file to upload.
type pushFile struct {
	name   string // in the repository
	path   string
	size   int64
	sample []byte
	sha256 string // of its content
	git    string // SHA-1 as git gives it
	large  bool   // the hub keeps it in its store
}

// filesToPush lists the files of a folder, the ones in folders of it too.
func filesToPush(dir string) ([]*pushFile, error) {
	var out []*pushFile
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is no regular file", path)
		}
		f := &pushFile{name: filepath.ToSlash(rel), path: path}
		out = append(out, f)
		return f.read()
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s holds no files", dir)
	}
	return out, err
}

// read finds size, beginning and checksums.
func (f *pushFile) read() error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return err
	}
	f.size = st.Size()
	long, short := sha256.New(), sha1.New()
	fmt.Fprintf(short, "blob %d\x00", f.size)
	begin := &beginning{most: sampleBytes}
	if _, err := io.Copy(io.MultiWriter(long, short, begin), file); err != nil {
		return err
	}
	f.sample, f.sha256, f.git = begin.b, hex.EncodeToString(long.Sum(nil)), hex.EncodeToString(short.Sum(nil))
	return nil
}

// beginning keeps the first bytes that are written.
type beginning struct {
	b    []byte
	most int
}

func (w *beginning) Write(b []byte) (int, error) {
	w.b = append(w.b, b[:min(len(b), w.most-len(w.b))]...)
	return len(b), nil
}
