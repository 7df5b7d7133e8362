package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
)

// Send puts the files of the tree into the cluster as one blob, and returns its digest, which is the
// same for the same files. What the cluster holds already is not sent again.
func (t Tree) Send(ctx context.Context, c *cluster.Cluster) (cluster.Digest, error) {
	r, w := io.Pipe()
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		w.CloseWithError(t.write(w))
	}()
	d, err := c.Put(ctx, r)
	r.CloseWithError(errors.New("not read to its end"))
	<-wrote
	return d, err
}

// write writes the files as an archive, which has the same bits for the same files.
func (t Tree) write(w io.Writer) error {
	a := tar.NewWriter(w)
	for _, path := range t.files {
		if err := t.add(a, path); err != nil {
			return err
		}
	}
	return a.Close()
}

func (t Tree) add(a *tar.Writer, path string) error {
	name, err := t.Name(path)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := a.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: st.Size()}); err != nil {
		return err
	}
	if n, err := io.Copy(a, io.LimitReader(f, st.Size())); err != nil || n != st.Size() {
		return errors.Join(err, fmt.Errorf("%s changed while it was read", path))
	}
	return nil
}

// Fetch gives the root of a tree that was sent, a folder below dir. It is there whole or not at all,
// and a folder that is there already is not fetched again. Such a one may have been changed since: who
// finds files there that are not as they should be takes the folder away and fetches it again.
func Fetch(ctx context.Context, c *cluster.Cluster, d cluster.Digest, dir string) (string, error) {
	root := filepath.Join(dir, string(d))
	if _, err := os.Stat(root); err == nil {
		now := time.Now()
		return root, os.Chtimes(root, now, now) // see Prune
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(dir, "part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	r, w := io.Pipe()
	copied := make(chan error, 1)
	go func() {
		err := c.Copy(ctx, d, w) // ends with an error where a digest does not match
		w.CloseWithError(err)
		copied <- err
	}()
	err = unpack(r, part)
	r.CloseWithError(errors.New("not read to its end"))
	if of := <-copied; err == nil { // else err is of, or of came from it
		err = of
	}
	if err != nil {
		return "", err
	}
	if err := os.Rename(part, root); err != nil {
		if _, there := os.Stat(root); there != nil {
			return "", err
		} // another process of this machine was faster
	}
	return root, nil
}

// unpack writes the files of an archive below dir, and reads r to its end.
func unpack(r io.Reader, dir string) error {
	a := tar.NewReader(r)
	for {
		h, err := a.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return err
		}
		local := filepath.FromSlash(h.Name)
		if !filepath.IsLocal(local) || h.Typeflag != tar.TypeReg {
			return fmt.Errorf("%q in an archive is no file below its folder", h.Name)
		}
		path := filepath.Join(dir, local)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, a)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
}

// Prune takes away trees below dir that were not fetched for as long as age, and what a process left
// that was killed while it fetched one.
func Prune(dir string, age time.Duration) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // nothing is there
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > age {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}
