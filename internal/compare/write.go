package compare

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// The files that Write makes.
const (
	File    = "compare.json"
	Picture = "compare.png" // accuracy against time
)

// CheckFolder errors if Write cannot write to dir or would overwrite a file there. An empty path
// means that nothing is written.
func CheckFolder(dir string) error {
	if dir == "" {
		return nil
	}
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return option.Errorf("out", "%s is a file, not a folder", dir)
	}
	if err := atomicfile.CheckDir(dir); err != nil {
		return option.Errorf("out", "%w", err)
	}
	for _, name := range []string{File, Picture} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			return option.Errorf("out", "%s has a %s already: name another folder", dir, name)
		}
	}
	return nil
}

// Write writes the files to a folder, and makes it where it does not exist.
func (c *Comparison) Write(dir string) error {
	picture, err := c.PNG()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for name, b := range map[string][]byte{File: append(text, '\n'), Picture: picture} {
		if err := atomicfile.Write(filepath.Join(dir, name), func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
			return err
		}
	}
	return nil
}
