package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
)

// PutFile stores the content of a file.
func (c *Cluster) PutFile(ctx context.Context, path string) (Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	defer f.Close()
	return c.Put(ctx, f)
}

// Fetch gives the path of a file with the content of a blob, in Options.Cache. A file that is there
// is used, after it was checked. The file is written whole or not at all, and must not be changed.
func (c *Cluster) Fetch(ctx context.Context, d Digest) (path string, err error) {
	if err := d.check(); err != nil {
		return "", err
	}
	if c.opt.Cache == "" {
		return "", errors.New("cluster: no folder to keep blobs in is given")
	}
	if err := os.MkdirAll(c.opt.Cache, 0o777); err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	path = filepath.Join(c.opt.Cache, string(d))
	if sum, err := sumFile(path); err == nil && sum == d {
		return path, nil
	}
	err = atomicfile.Write(path, func(w io.Writer) error { return c.Copy(ctx, d, w) })
	if err != nil {
		return "", fmt.Errorf("cluster: keeping blob %s in %s: %w", d, c.opt.Cache, err)
	}
	return path, nil
}

func sumFile(path string) (Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	s := newSum()
	if _, err := io.Copy(s, f); err != nil {
		return "", err
	}
	return s.digest(), nil
}
