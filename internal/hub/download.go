package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// remote is a file as the hub describes it.
type remote struct {
	address string
	label   string // in messages
	etag    string // checksum, which names the blob
	size    int64  // -1 if it is not known
}

// download writes the blob of a file, unless it is there. The caller holds its lock. What an earlier
// download left in path.incomplete is gone on with.
func (h *Hub) download(ctx context.Context, f remote, path string) error {
	if isFile(path) {
		return nil
	}
	part := path + ".incomplete"
	for fresh := false; ; fresh = true {
		if fresh {
			if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		st, err := os.Stat(part)
		resumed := err == nil && st.Size() > 0
		err = h.persist(ctx, mostTries, func() (bool, error) { return h.more(ctx, f, part) })
		if err != nil {
			return err
		}
		if err = check(part, f); err == nil {
			break
		}
		if !resumed || fresh { // else what was left there may be of another file
			os.Remove(part)
			return err
		}
	}
	return os.Rename(part, path)
}

// more makes one request for what is missing of a file. It reports whether any of it came.
func (h *Hub) more(ctx context.Context, f remote, part string) (progress bool, err error) {
	w, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	have, err := w.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	if f.size >= 0 && have > f.size {
		if err := restart(w); err != nil {
			return false, err
		}
		have = 0
	}
	if have == f.size && have > 0 {
		return false, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := h.send(ctx, http.MethodGet, f.address, have)
	if err != nil {
		return false, err
	}
	defer r.Body.Close()
	switch {
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable: // there is no more
		if f.size >= 0 { // but there should be
			return false, errors.Join(restart(w), &transient{err: errors.New("the hub has less than it said")})
		}
		return false, nil
	case r.StatusCode != http.StatusPartialContent || !strings.HasPrefix(r.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)):
		if err := restart(w); err != nil { // all of it comes
			return false, err
		}
		if r.StatusCode == http.StatusPartialContent {
			return false, fmt.Errorf("the hub sent %q where byte %d was asked for", r.Header.Get("Content-Range"), have)
		}
		have = 0
	}
	quiet := time.AfterFunc(quietWithin, func() { cancel(&transient{err: fmt.Errorf("nothing came for %v", quietWithin)}) })
	defer quiet.Stop()
	n, err := io.Copy(w, &counted{r.Body, func(n int64) {
		quiet.Reset(quietWithin)
		if have += n; h.Progress != nil {
			h.Progress(Progress{f.label, have, f.size})
		}
	}})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return n > 0, cause
	}
	if err == nil && f.size >= 0 && have < f.size {
		err = io.ErrUnexpectedEOF
	}
	if w := (*os.PathError)(nil); err != nil && !errors.As(err, &w) { // a full disk does not go away
		err = &transient{err: fmt.Errorf("the connection broke after %d bytes: %w", have, err)}
	}
	return n > 0, err
}

func restart(w *os.File) error {
	_, err := w.Seek(0, io.SeekStart)
	return errors.Join(err, w.Truncate(0))
}

// counted reports how much is read.
type counted struct {
	r    io.Reader
	read func(n int64)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if n > 0 {
		c.read(int64(n))
	}
	return n, err
}

// check errors if a file is not the one that its etag names: the SHA-256 of its content, or for what
// lies in git itself the SHA-1 that git gives it. Other etags say nothing.
func check(path string, f remote) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return err
	}
	if f.size >= 0 && st.Size() != f.size {
		return fmt.Errorf("%d bytes came of %d", st.Size(), f.size)
	}
	var sum hash.Hash
	switch len(f.etag) {
	case 2 * sha256.Size:
		sum = sha256.New()
	case 2 * sha1.Size:
		sum = sha1.New()
		fmt.Fprintf(sum, "blob %d\x00", st.Size())
	default:
		return nil
	}
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if is := hex.EncodeToString(sum.Sum(nil)); is != f.etag {
		return fmt.Errorf("what came has the checksum %.12s, not %.12s: it was damaged on the way, or the hub is not what it seems; it was removed", is, f.etag)
	}
	return nil
}

// isFile reports whether there is a regular file, following links.
func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
