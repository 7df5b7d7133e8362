package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/hub/layout"
)

// Snapshot is a repository at one commit.
type Snapshot struct {
	Name   layout.Name
	Commit string
	Files  []string // with slashes, sorted; without the network those that are in the cache

	hub    *Hub
	repo   string // folder in the cache
	cached bool   // the network is not used
}

// Open finds out which commit a name's revision is, and which files it has. Without the network,
// these are the ones that the cache knows.
func (h *Hub) Open(ctx context.Context, n layout.Name) (*Snapshot, error) {
	s := &Snapshot{Name: n, hub: h, repo: filepath.Join(h.Cache, n.Folder())}
	if h.Offline {
		return s, s.fromCache("HF_HUB_OFFLINE is set")
	}
	known := s.fromCache("") == nil
	tries := mostTries
	if known { // nothing need be waited for
		tries = 1
	}
	err := h.persist(ctx, tries, func() (bool, error) { return false, s.ask(ctx) })
	if t := (*transient)(nil); known && errors.As(err, &t) {
		h.note("%s is taken from the cache, as the hub was not reached: %v", n.Short(), err)
		return s, s.fromCache("the hub was not reached")
	}
	if err != nil {
		return nil, h.explain(n, "", err)
	}
	if !layout.IsCommit(n.Revision) {
		if err := s.remember(); err != nil {
			return nil, fmt.Errorf("hub: %w", err)
		}
	}
	return s, nil
}

// ask asks the hub.
func (s *Snapshot) ask(ctx context.Context) error {
	address := fmt.Sprintf("%s/api/%s/%s/revision/%s", s.hub.Endpoint, s.Name.Kind, s.Name.Repo, url.PathEscape(s.Name.Revision))
	r, err := s.hub.send(ctx, http.MethodGet, address, 0)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	var info struct {
		SHA      string
		Siblings []struct{ RFilename string }
	}
	const most = 64 << 20
	b, err := io.ReadAll(io.LimitReader(r.Body, most))
	if err != nil {
		return &transient{err: err}
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return fmt.Errorf("the answer of %s is none of a hub: %w", s.hub.Endpoint, err)
	}
	if !layout.IsCommit(info.SHA) {
		return fmt.Errorf("the answer of %s is none of a hub: its commit is %q", s.hub.Endpoint, info.SHA)
	}
	s.Commit, s.Files, s.cached = info.SHA, nil, false
	for _, f := range info.Siblings {
		if layout.IsPath(f.RFilename) { // others could not be named either
			s.Files = append(s.Files, f.RFilename)
		}
	}
	slices.Sort(s.Files)
	return nil
}

// fromCache finds the commit and the files in the cache. why says in an error why not elsewhere.
func (s *Snapshot) fromCache(why string) error {
	s.cached, s.Files = true, nil
	if s.Commit = s.Name.Revision; !layout.IsCommit(s.Commit) {
		b, _ := os.ReadFile(filepath.Join(s.repo, layout.Refs, filepath.FromSlash(s.Name.Revision)))
		s.Commit = strings.TrimSpace(string(b))
	}
	if layout.IsCommit(s.Commit) {
		err := filepath.WalkDir(s.dir(), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(s.dir(), path)
			if err == nil && isFile(path) {
				s.Files = append(s.Files, filepath.ToSlash(rel))
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("hub: %w", err)
		}
	}
	if len(s.Files) == 0 {
		at := ""
		if s.Name.Revision != layout.Main {
			at = " at revision " + s.Name.Revision
		}
		return fmt.Errorf("hub: %s%s is not in the cache %s, and %s: fetch it once with the network", s.Name.Short(), at, s.hub.Cache, why)
	}
	slices.Sort(s.Files)
	return nil
}

// remember writes which commit the revision is.
func (s *Snapshot) remember() error {
	path := filepath.Join(s.repo, layout.Refs, filepath.FromSlash(s.Name.Revision))
	if b, err := os.ReadFile(path); err == nil && string(b) == s.Commit {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, s.Commit)
		return err
	})
}

func (s *Snapshot) dir() string { return filepath.Join(s.repo, layout.Snapshots, s.Commit) }

// Path is where a file of the snapshot is once it was fetched.
func (s *Snapshot) Path(file string) string {
	return filepath.Join(s.dir(), filepath.FromSlash(file))
}

// Fetch brings files of the snapshot into the cache and returns the path of the first. It errors if
// a file there is a link out of the repository's folder.
func (s *Snapshot) Fetch(ctx context.Context, files ...string) (string, error) {
	for _, file := range files {
		if !slices.Contains(s.Files, file) {
			err := fmt.Errorf("hub: %s has no file %s at revision %s", s.Name.Short(), file, s.Name.Revision)
			if s.cached {
				err = fmt.Errorf("hub: %s:%s is not in the cache %s, and the network is not used: fetch it once with it", s.Name.Short(), file, s.hub.Cache)
			}
			return "", err
		}
		if !isFile(s.Path(file)) {
			if err := s.fetch(ctx, file); err != nil {
				return "", s.hub.explain(s.Name, file, err)
			}
		}
		if err := s.bounded(file); err != nil {
			return "", s.hub.explain(s.Name, file, err)
		}
	}
	return s.Path(files[0]), nil
}

var etagForm = regexp.MustCompile(`^[0-9A-Za-z][\w.-]*$`)

// fetch brings one file into the cache.
func (s *Snapshot) fetch(ctx context.Context, file string) error {
	h := s.hub
	prefix := ""
	if s.Name.Kind != layout.Models {
		prefix = string(s.Name.Kind) + "/"
	}
	f := remote{
		address: fmt.Sprintf("%s/%s%s/resolve/%s/%s", h.Endpoint, prefix, s.Name.Repo, s.Commit, (&url.URL{Path: file}).EscapedPath()),
		label:   s.Name.Short() + ":" + file,
	}
	err := h.persist(ctx, mostTries, func() (bool, error) {
		r, err := h.send(ctx, http.MethodHead, f.address, 0)
		if err != nil {
			return false, err
		}
		r.Body.Close()
		f.etag, f.size = r.Header.Get("ETag"), r.ContentLength
		if r.StatusCode/100 == 3 {
			f.size = -1
		}
		if linked := r.Header.Get(etagHeader); linked != "" {
			f.etag, f.size = linked, -1
			fmt.Sscan(r.Header.Get(sizeHeader), &f.size)
		}
		f.etag = strings.Trim(strings.TrimPrefix(f.etag, "W/"), `"`)
		if c := r.Header.Get(commitHeader); c != "" && c != s.Commit {
			return false, fmt.Errorf("the hub has it at commit %.12s, not %.12s", c, s.Commit)
		}
		if !etagForm.MatchString(f.etag) {
			return false, errors.New("the hub gives it no checksum (etag)")
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	blob := filepath.Join(s.repo, layout.Blobs, f.etag)
	release, err := h.lock(ctx, filepath.Join(h.Cache, layout.Locks, s.Name.Folder(), f.etag+".lock"))
	if err != nil {
		return err
	}
	defer release()
	if err := os.MkdirAll(filepath.Dir(blob), 0o777); err != nil {
		return err
	}
	if err := h.download(ctx, f, blob); err != nil {
		return err
	}
	return link(blob, s.Path(file))
}

// link makes a relative link to a blob or, where the system has none, a copy.
func link(blob, path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if isFile(path) {
		return nil
	}
	to, err := filepath.Rel(dir, blob)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // a link to a blob that is gone
		return err
	}
	if err := os.Symlink(to, path); err == nil || errors.Is(err, os.ErrExist) {
		return nil
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		f, err := os.Open(blob)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
}

// bounded errors if a file of the snapshot leads out of the repository's folder.
func (s *Snapshot) bounded(file string) error {
	root, err := os.OpenRoot(s.repo)
	if err != nil {
		return err
	}
	defer root.Close()
	st, err := root.Stat(filepath.Join(layout.Snapshots, s.Commit, filepath.FromSlash(file)))
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("no regular file")
	}
	if err != nil {
		return fmt.Errorf("%s in the cache leads out of the repository's folder: remove it", s.Path(file))
	}
	return nil
}
