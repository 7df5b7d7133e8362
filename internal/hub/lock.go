package hub

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/permafrost-ml/permafrost/internal/filelock"
)

// lock waits until this process is the only one to write a blob. The caller calls release.
func (h *Hub) lock(ctx context.Context, path string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	for {
		held, err := filelock.Try(f)
		if held {
			return func() { f.Close() }, nil
		}
		if err == nil {
			err = sleep(ctx, 100*time.Millisecond)
		}
		if err != nil {
			f.Close()
			return nil, err
		}
	}
}
